"""Files around the code: requirements, citation, continuous integration, no private traces."""

import os
import re
import subprocess
import tomllib

import pytest
import yaml
from architecture_rules import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
PINS = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
PYTHONS = ("3.11", "3.12", "3.13")

# Written apart so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.~/<-])/(work|tmp|root|home/\w+|Users/\w+|opt/wheels)\b")
REGISTRIES = re.compile("|".join(["/".join(["", "simple"]), "index-" + "url", "find-" + "links"]))
TEXT = {".py", ".md", ".toml", ".txt", ".cff", ".yml", ".yaml", ".json", ".ipynb", ".csv", ""}


def repository_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [REPOSITORY / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and path.suffix in TEXT]


def traces(text):
    """Machine paths and registry addresses in a text."""
    return [found[0] for found in (*MACHINE_PATHS.finditer(text), *REGISTRIES.finditer(text))]


def test_no_machine_paths_and_no_registries():
    found = {}
    for path in repository_files():
        if path.name != "test_repository_text.py" and (seen := traces(path.read_text("utf-8"))):
            found[str(path.relative_to(REPOSITORY))] = seen
    assert found == {}


@pytest.mark.parametrize("place", ["work/main", "tmp/x", "root/.cache", "home/me/x"])
@pytest.mark.parametrize("before", ["", "at ", 'open("'])
def test_paths_of_a_machine_are_seen(before, place):
    assert traces(f"{before}/{place}")


def test_registries_are_seen():
    assert traces("--index-" + "url x")


@pytest.mark.parametrize("before", ["tests", "a", "https://host", "~"])
@pytest.mark.parametrize("place", ["work/x", "tmp", "root/x", "2"])
def test_other_slashes_are_left_alone(before, place):
    assert traces(f"{before}/{place}") == []


# --- requirements -------------------------------------------------------------------------------


def pinned(python):
    """Package -> version for one Python on Linux."""
    requirements = [Requirement(line) for line in PINS]
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    environment |= {"sys_platform": "linux", "implementation_name": "cpython"}
    return {
        canonicalize_name(r.name): str(r.specifier)
        for r in requirements
        if r.marker is None or r.marker.evaluate(environment)
    }


def test_constraints_are_plain_pins():
    assert [line for line in PINS if not re.match(r"[a-z0-9-]+==[\w.]+( ; .+)?$", line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_to_a_version_it_allows(python):
    pins = pinned(python)
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name != "jaxpapers":
            assert requirement.specifier.contains(pins[name].removeprefix("=="))


def test_jax_is_the_newest_that_each_python_can_have():
    assert pinned("3.11")["jax"] == pinned("3.11")["jaxlib"] == "==0.10.2"
    for python in PYTHONS[1:]:
        version = pinned(python)["jax"].removeprefix("==").split(".")
        assert (int(version[0]), int(version[1])) >= (0, 11)
        assert pinned(python)["jaxlib"] == pinned(python)["jax"]


def test_nothing_heavy_slipped_in():
    assert not {"torch", "tensorflow", "tensorflow-probability"} & set(pinned("3.13"))


# --- papers, licence, continuous integration ----------------------------------------------------


def test_citation_names_the_papers():
    text = (REPOSITORY / "CITATION.cff").read_text("utf-8")
    citation = yaml.safe_load(text)
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert len(citation["references"]) == 4
    arxiv = [paper["identifiers"][0]["value"] for paper in citation["references"]]
    assert arxiv == [f"arXiv:{n}" for n in ("2310.15512", "2308.05564", "2310.10826", "2402.12327")]
    games = citation["references"][3]
    assert "Shall We Team Up" in games["title"]
    assert "Shall We Talk" in games["notes"]


def test_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    source = (REPOSITORY / "jaxpapers" / "__init__.py").read_text("utf-8")
    assert re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE) == [citation["version"]]
    assert f"## {citation['version']}" in (REPOSITORY / "CHANGELOG.md").read_text("utf-8")


def test_licence_is_apache():
    text = (REPOSITORY / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_continuous_integration_only_calls_ci_run():
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == list(PYTHONS)
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
