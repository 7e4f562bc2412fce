"""Makes the environment `.venv` where it is missing, then runs commands in it.

    python3 .ci/environment.py EXTRAS [COMMAND ...] [-- COMMAND ...]

EXTRAS are extras of pyproject.toml, separated by commas. Needs nothing but Python's own library,
so that it works on any system, with or without make:

    python3 .ci/environment.py all jaxpapers reproduce --scale quick --output report
    python3 .ci/environment.py dev ruff check . -- pyright

An existing environment is used as it is when it is whole: a stamp, written last, names its place,
the requirements it was made from and the extras it holds. A broken-off installation is started
again from nothing. Packages come through uv, or through pip where uv fails.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("jaxpapers needs Python 3.11 or newer, this is " + sys.version.split()[0])

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
REQUIREMENTS = ("pyproject.toml", "constraints.txt")


def scripts_folder(venv):
    """Folder of the programs of an environment."""
    return venv / ("Scripts" if os.name == "nt" else "bin")


def python_of(venv):
    """Interpreter of an environment."""
    return scripts_folder(venv) / ("python.exe" if os.name == "nt" else "python")


def stamp_of(venv):
    """File that marks a whole environment; written last."""
    return venv / "jaxpapers-whole"


def mark_of(venv):
    """File that marks an installation under way, or broken off."""
    return venv / "jaxpapers-unfinished"


def fingerprint(root):
    """Digest of the files that say what is to be installed."""
    digest = hashlib.sha256()
    for name in REQUIREMENTS:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def contained_extras(extras, root):
    """The extras asked for and all those that they contain."""
    import tomllib

    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    declared = declared["optional-dependencies"]
    found, waiting = set(), list(extras)
    while waiting:
        extra = waiting.pop()
        if extra not in declared:
            sys.exit(f"no extra {extra!r} in pyproject.toml; there are {', '.join(declared)}")
        if extra not in found:
            found.add(extra)
            nested = re.findall(r"jaxpapers\[([^]]*)\]", " ".join(declared[extra]))
            waiting += [name.strip() for group in nested for name in group.split(",")]
    return found


def installed_extras(venv, root):
    """Extras in a whole environment made here from today's requirements; none otherwise."""
    if not python_of(venv).exists() or not stamp_of(venv).exists():
        return set()
    place, made_from, *extras = stamp_of(venv).read_text("utf-8").splitlines()
    return set(extras) if (place, made_from) == (str(venv), fingerprint(root)) else set()


def python_version(venv):
    """Version of an environment's Python as "3.11", empty where there is none."""
    settings = venv / "pyvenv.cfg"
    text = settings.read_text("utf-8") if settings.exists() else ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
    return found[1] if found else ""


def has_chosen_python(venv):
    """False where `PYTHON=` asks for another version than the environment has."""
    chosen = "{}.{}".format(*sys.version_info)
    return not os.environ.get("PYTHON") or python_version(venv) == chosen


def is_whole(extras, venv, root):
    """True where a whole environment with these extras stands."""
    return has_chosen_python(venv) and extras <= installed_extras(venv, root)


def can_be_kept(venv):
    """True where an environment works and can be installed into."""
    if not python_of(venv).exists() or mark_of(venv).exists() or not has_chosen_python(venv):
        return False
    stamp = stamp_of(venv)
    if stamp.exists() and stamp.read_text("utf-8").splitlines()[:1] != [str(venv)]:
        return False
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return succeeds([str(python_of(venv)), "-c", check], stderr=subprocess.DEVNULL)


def succeeds(command, **settings):
    """Runs a command in the repository; True where it ends well."""
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, **settings)
    except OSError:
        return False
    return done.returncode == 0


def make_venv(venv):
    """Makes an empty environment with pip in it."""
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        package = "python{}.{}-venv".format(*sys.version_info)
        sys.exit(f"Python's venv is incomplete; on Debian or Ubuntu: sudo apt install {package}")
    if venv.exists():
        say(f"{venv.name} is unfinished, moved or of another Python: made anew")
        shutil.rmtree(venv)
    venv.mkdir()
    mark_of(venv).touch()
    # Not sys.executable, which lies in the folder just removed when .venv is active.
    python = getattr(sys, "_base_executable", None) or sys.executable
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    if not succeeds([python, "-m", "venv", str(venv)]):
        sys.exit("making the environment failed; see above")


def install(extras, venv):
    """Installs this project with its extras, by uv or by pip."""
    what = ["-c", "constraints.txt", "-e", f".[{','.join(sorted(extras))}]"]
    say(f"installing {what[-1]}, minutes the first time")
    python = str(python_of(venv))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    uv = [python, "-m", "uv", "pip", "install", "--python", python]
    if succeeds([*pip, "uv"]) and succeeds([*uv, *what]):
        return
    say("uv did not do it, trying pip")
    if not succeeds([*pip, *what]):
        sys.exit("the installation failed; see above. The next call starts it again")


def write_stamp(extras, venv, root):
    """Marks the environment as whole, in one piece."""
    unfinished = stamp_of(venv).with_suffix(".new")
    lines = [str(venv), fingerprint(root), *sorted(extras)]
    unfinished.write_text("\n".join(lines) + "\n", "utf-8")
    mark_of(venv).unlink(missing_ok=True)
    unfinished.replace(stamp_of(venv))


@contextlib.contextmanager
def one_at_a_time():
    """Lets a second call wait for the first; released by the system however that one ends."""
    with open(__file__, "rb") as this_file:
        with contextlib.suppress(ImportError, OSError):  # Windows; file systems without locks
            import fcntl

            fcntl.flock(this_file, fcntl.LOCK_EX)
        yield


def ensure(extras, venv=VENV, root=ROOT):
    """Makes the environment whole for these extras where it is not."""
    wanted = contained_extras(extras, root)
    if is_whole(wanted, venv, root):
        return
    with one_at_a_time():
        if is_whole(wanted, venv, root):
            return
        held = installed_extras(venv, root)
        if not can_be_kept(venv):
            make_venv(venv)
            held = set()
        mark_of(venv).touch()
        stamp_of(venv).unlink(missing_ok=True)
        install(extras, venv)
        write_stamp(held | wanted, venv, root)


def run(commands, venv=VENV):
    """Runs commands of the environment one after another, up to the first that fails."""
    folder = scripts_folder(venv)
    path = os.pathsep.join([str(folder), os.environ.get("PATH", "")])
    os.environ.update(VIRTUAL_ENV=str(venv), PATH=path)
    for i, command in enumerate(commands):
        program = shutil.which(command[0], path=str(folder))
        if program is None:
            sys.exit(f"no program {command[0]!r} in {venv.name}")
        if i == len(commands) - 1 and os.name == "posix":
            os.execv(program, command)  # so that signals reach it and its end is ours
        code = subprocess.run([program, *command[1:]]).returncode
        if code:
            sys.exit(code if code > 0 else 128 - code)


def split_commands(words):
    """Splits a list of words at every `--`."""
    commands = [[]]
    for word in words:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def say(text):
    """Prints a line about the environment, apart from the output of the commands."""
    print(f"[environment] {text}", file=sys.stderr, flush=True)


def main(words):
    """Reads the command line."""
    if not words or words[0].startswith("-"):
        sys.exit(__doc__)
    ensure([extra for extra in words[0].split(",") if extra])
    run(split_commands(words[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
