"""`.ci/environment.py`: when an environment is whole, when it is made anew, what is run."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest
from architecture_rules import REPOSITORY

SCRIPT = REPOSITORY / ".ci" / "environment.py"
HERE = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("environment_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path, monkeypatch, script):
    """A copy of the requirements beside an environment whose Python works."""
    monkeypatch.delenv("PYTHON", raising=False)
    for name in script.REQUIREMENTS:
        shutil.copy(REPOSITORY / name, tmp_path / name)
    folder = script.scripts_folder(tmp_path / ".venv")
    folder.mkdir(parents=True)
    script.python_of(tmp_path / ".venv").write_text("#!/bin/sh\nexit 0\n", "utf-8")
    script.python_of(tmp_path / ".venv").chmod(0o755)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text(f"version = {HERE}.1\n", "utf-8")
    return tmp_path


def test_extras_contain_others(script):
    contained = script.contained_extras(["dev"], REPOSITORY)
    assert {"dev", "test", "bench", "all", "cli", "plot"} <= contained
    assert not {"cuda12", "cuda13"} & contained
    assert script.contained_extras(["bench"], REPOSITORY) == {"bench"}


def test_unknown_extra_is_named(script):
    with pytest.raises(SystemExit, match=r"no extra 'tests' in pyproject.toml; there are cli,"):
        script.contained_extras(["tests"], REPOSITORY)


def test_whole_only_with_a_stamp_that_covers_the_extras(script, root):
    venv = root / ".venv"
    wanted = script.contained_extras(["test"], root)
    assert not script.is_whole(wanted, venv, root)
    script.write_stamp(wanted, venv, root)
    assert script.is_whole(wanted, venv, root)
    assert script.is_whole(script.contained_extras(["all"], root), venv, root)
    assert not script.is_whole(script.contained_extras(["dev"], root), venv, root)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_into_the_same_environment(script, root, name):
    venv = root / ".venv"
    script.write_stamp({"cli"}, venv, root)
    with (root / name).open("a", encoding="utf-8") as requirements:
        requirements.write("# changed\n")
    assert not script.is_whole({"cli"}, venv, root)
    assert script.can_be_kept(venv)


def test_broken_off_installation_is_made_anew(script, root):
    venv = root / ".venv"
    assert script.can_be_kept(venv)
    script.mark_of(venv).touch()
    assert not script.can_be_kept(venv)
    script.write_stamp({"cli"}, venv, root)
    assert script.can_be_kept(venv)


def test_broken_python_is_made_anew(script, root):
    venv = root / ".venv"
    script.python_of(venv).write_text("#!/bin/sh\nexit 1\n", "utf-8")
    assert not script.can_be_kept(venv)
    script.python_of(venv).unlink()
    script.write_stamp({"cli"}, venv, root)
    assert not script.is_whole({"cli"}, venv, root)
    assert not script.can_be_kept(venv)


def test_moved_environment_is_made_anew(script, root):
    script.write_stamp({"cli"}, root / ".venv", root)
    moved = (root / ".venv").rename(root / "elsewhere")
    assert not script.is_whole({"cli"}, moved, root)
    assert not script.can_be_kept(moved)


def test_a_python_that_was_asked_for_wins(script, root, monkeypatch):
    venv = root / ".venv"
    script.write_stamp({"cli"}, venv, root)
    (venv / "pyvenv.cfg").write_text("version = 3.99.0\n", "utf-8")
    assert script.is_whole({"cli"}, venv, root)
    monkeypatch.setenv("PYTHON", "python3")
    assert not script.is_whole({"cli"}, venv, root)
    assert not script.can_be_kept(venv)


def test_commands_are_split(script):
    assert script.split_commands(["a", "-b", "--", "c"]) == [["a", "-b"], ["c"]]
    assert script.split_commands([]) == []


def run_in(venv, *words):
    """Runs words as `environment.py` would in an environment that is whole."""
    code = (
        "import importlib.util, pathlib, sys\n"
        f"spec = importlib.util.spec_from_file_location('environment_script', {str(SCRIPT)!r})\n"
        "script = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(script)\n"
        f"script.run(script.split_commands(sys.argv[1:]), pathlib.Path({str(venv)!r}))\n"
    )
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)


def test_commands_run_in_order_up_to_the_first_that_fails(script, root):
    venv = root / ".venv"
    for name, text in {"say": 'echo "$@ $VIRTUAL_ENV"', "fail": "exit 7"}.items():
        program = script.scripts_folder(venv) / name
        program.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        program.chmod(0o755)
    done = run_in(venv, "say", "one", "--", "fail", "--", "say", "two")
    assert done.returncode == 7
    assert done.stdout == f"one {venv}\n"
    done = run_in(venv, "say", "one", "--", "say", "two words")
    assert done.returncode == 0
    assert done.stdout == f"one {venv}\ntwo words {venv}\n"
    done = run_in(venv, "absent")
    assert done.returncode == 1
    assert "no program 'absent' in .venv" in done.stderr


# --- the files around it ------------------------------------------------------------------------


def make(*words):
    # Without what an outer `make test PYTHON=...` leaves in the environment.
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", "--dry-run", *words],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("target", ["reproduce", "test", "check", "acceptance", "bench"])
def test_target_is_one_line_over_a_command(target):
    done = make(target, f"PYTHON={sys.executable}")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) == 1
    assert re.match(rf"'{re.escape(sys.executable)}' \.ci/environment\.py [a-z,]+ \w+", lines[0])


def test_python_that_does_not_run_is_named():
    done = make("test", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "no-such-python does not run as Python 3.11 or newer" in done.stderr


def test_first_python_that_runs_is_taken():
    done = make("test", "CANDIDATES=no-such-python false " + sys.executable)
    assert done.stdout.startswith(f"'{sys.executable}' .ci/environment.py test ")


def test_no_python_at_all_says_what_to_install():
    done = make("test", "CANDIDATES=no-such-python false")
    assert done.returncode != 0
    assert "sudo apt install python3 python3-venv" in done.stderr
