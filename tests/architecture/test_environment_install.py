"""`.ci/environment.py`: how an environment is made and filled, and what stands where it fails.

The environment's Python is a shell script that writes down how it is called and fails where told
to, so that what is run, and in which order, is seen without installing anything.
"""

import importlib.util
import shlex
import shutil
import subprocess
import sys

import pytest
from architecture_rules import REPOSITORY

SCRIPT = REPOSITORY / ".ci" / "environment.py"
HERE = "{}.{}".format(*sys.version_info)
PIP = "-m pip --disable-pip-version-check install --quiet"
WHAT = "-c constraints.txt -e .[cli]"


def load():
    spec = importlib.util.spec_from_file_location("environment_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script in a copy of the repository's requirements."""
    monkeypatch.delenv("PYTHON", raising=False)
    module = load()
    for name in module.REQUIREMENTS:
        shutil.copy(REPOSITORY / name, tmp_path / name)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.fixture
def recorder(tmp_path):
    """Makes a Python that writes its arguments to `calls` and fails where they hold a text."""

    def make(path, fails_at=()):
        patterns = "".join(f"*{shlex.quote(text)}*) exit 1;; " for text in fails_at)
        path.parent.mkdir(parents=True, exist_ok=True)
        log = shlex.quote(str(tmp_path / "calls"))
        path.write_text(
            f'#!/bin/sh\necho "$*" >> {log}\ncase "$*" in {patterns}*) exit 0;; esac\n', "utf-8"
        )
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def venv(tmp_path, script):
    """An environment that can be kept, once it has a Python."""
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text(f"version = {HERE}.1\n", "utf-8")
    return folder


def calls(folder):
    """The calls of a recorder, without the check that an environment works."""
    lines = (folder / "calls").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("-c ")]


# --- an empty environment -----------------------------------------------------------------------


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_incomplete_python_says_what_to_install(script, tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as stop:
        script.ensure(["cli"], tmp_path / ".venv", tmp_path)
    assert stop.value.code == (
        f"Python's venv is incomplete; on Debian or Ubuntu: sudo apt install python{HERE}-venv"
    )
    assert not (tmp_path / ".venv").exists()


def test_environment_is_made_by_the_base_python(script, tmp_path, monkeypatch, recorder):
    base = recorder(tmp_path / "base")
    monkeypatch.setattr(sys, "_base_executable", str(base), raising=False)
    venv = tmp_path / ".venv"
    (venv / "left over").mkdir(parents=True)
    script.make_venv(venv)
    assert calls(tmp_path) == [f"-m venv {venv}"]
    assert list(venv.iterdir()) == [script.mark_of(venv)]


def test_failed_environment_is_not_taken_for_whole(script, tmp_path, monkeypatch, recorder):
    base = recorder(tmp_path / "base", fails_at=["-m venv"])
    monkeypatch.setattr(sys, "_base_executable", str(base), raising=False)
    venv = tmp_path / ".venv"
    with pytest.raises(SystemExit, match=r"^making the environment failed; see above$"):
        script.ensure(["cli"], venv, tmp_path)
    assert calls(tmp_path) == [f"-m venv {venv}"]
    assert not script.stamp_of(venv).exists()
    assert not script.can_be_kept(venv)


def test_environment_without_pip_is_not_kept(script, tmp_path):
    venv = tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    assert script.succeeds([str(script.python_of(venv)), "-c", "import sys"])
    assert not script.can_be_kept(venv)


# --- the packages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fails_at", "last_calls", "has_turned_to_pip"),
    [
        ([], ["-m uv pip install --python {python} " + WHAT], False),
        ([f"{PIP} uv"], [f"{PIP} {WHAT}"], True),
        (
            ["-m uv pip"],
            ["-m uv pip install --python {python} " + WHAT, f"{PIP} {WHAT}"],
            True,
        ),
    ],
    ids=["uv", "no uv", "uv fails"],
)
def test_uv_installs_and_pip_where_uv_fails(
    script, venv, tmp_path, recorder, capfd, fails_at, last_calls, has_turned_to_pip
):
    python = recorder(script.python_of(venv), fails_at)
    script.ensure(["cli"], venv, tmp_path)
    expected = [f"{PIP} uv", *(line.format(python=python) for line in last_calls)]
    assert calls(tmp_path) == expected
    assert script.is_whole({"cli"}, venv, tmp_path)
    assert not script.mark_of(venv).exists()
    assert ("uv did not do it, trying pip" in capfd.readouterr().err) == has_turned_to_pip
    script.ensure(["cli"], venv, tmp_path)
    assert calls(tmp_path) == expected


def test_failed_installation_leaves_no_stamp(script, venv, tmp_path, recorder):
    python = recorder(script.python_of(venv), ["install"])
    script.write_stamp({"plot"}, venv, tmp_path)
    with pytest.raises(
        SystemExit,
        match=r"^the installation failed; see above. The next call starts it again$",
    ):
        script.ensure(["cli"], venv, tmp_path)
    assert calls(tmp_path) == [f"{PIP} uv", f"{PIP} {WHAT}"]
    assert python.exists()
    assert not script.stamp_of(venv).exists()
    assert not script.is_whole({"plot"}, venv, tmp_path)
    assert not script.can_be_kept(venv)


def test_packages_are_added_to_those_that_are_there(script, venv, tmp_path, recorder):
    recorder(script.python_of(venv))
    script.write_stamp({"plot"}, venv, tmp_path)
    script.ensure(["cli"], venv, tmp_path)
    assert script.installed_extras(venv, tmp_path) == {"plot", "cli"}


# --- the command line ---------------------------------------------------------------------------


def test_older_python_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    with pytest.raises(SystemExit, match=r"^jaxpapers needs Python 3.11 or newer, this is \d"):
        load()


@pytest.mark.parametrize("words", [[], ["--help"]], ids=str)
def test_no_extras_print_how_it_is_called(script, words):
    with pytest.raises(SystemExit, match=r"environment.py EXTRAS \[COMMAND"):
        script.main(words)
