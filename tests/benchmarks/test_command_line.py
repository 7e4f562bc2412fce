"""The command line of the benchmarks: its words, the allocator, what it needs to start."""

import os
import platform
import shlex
import subprocess
import sys

import pytest

from benchmarks import allocator, run
from benchmarks.cases import ranks
from benchmarks.contenders import Case

REPOSITORY = run.SCRIPT.parents[1]
MISSING_ELSEWHERE = (
    "resource",  # Windows
    *("arviz", "beartype", "formulaic", "matplotlib", "narwhals", "numba", "orbax", "pandas"),
    *("polars", "psutil", "pyarrow", "statsmodels", "tyro", "xarray"),
)


def makefile_words():
    """What `make bench` calls run.py with."""
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON"}
    done = subprocess.run(
        ["make", "--dry-run", "bench", f"PYTHON={sys.executable}"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in outer},
        capture_output=True,
        text=True,
        check=True,
    )
    words = shlex.split(done.stdout)
    assert words[3:5] == ["python", "benchmarks/run.py"]
    return words[5:]


def test_words_of_the_makefile_measure_all_suites():
    settings = run.parse_arguments(makefile_words())
    expected = {
        suite: REPOSITORY / "benchmarks" / "results" / f"{suite}.json" for suite in run.SUITES
    }
    assert run.records_to_make(settings) == expected
    assert settings.repeats == run.LEAST_REPEATS >= 9
    assert settings.allocator == "default"
    assert not settings.quick


def test_one_suite_goes_where_it_is_told(tmp_path):
    path = tmp_path / "x.json"
    settings = run.parse_arguments(["ranks", "--output", str(path)])
    assert run.records_to_make(settings) == {"ranks": path}
    every = run.records_to_make(run.parse_arguments([]))
    for suite in run.SUITES:
        one = run.records_to_make(run.parse_arguments([suite]))
        assert one == {suite: every[suite]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ranks", "--repeats", "8"], "--repeats is 8; needed are at least 9, or --quick"),
        (["ranks", "--sizes", "0.5"], "'0.5'; needed is a whole number of at least 1"),
        (["--output", "x.json"], "--output and --cases need a suite: one of ranks"),
        (["--cases", "fit"], "--output and --cases need a suite: one of ranks"),
        (["ranks", "--allocator", "small"], "invalid choice: 'small'"),
    ],
)
def test_wrong_words_are_refused(capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        run.parse_arguments(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_fewer_runs_are_for_quick_records_only():
    assert run.parse_arguments(["--quick"]).repeats == run.QUICK_REPEATS
    assert run.parse_arguments(["--quick", "--repeats", "1"]).repeats == 1
    assert run.parse_arguments(["--repeats", "9"]).repeats == 9


def test_unknown_cases_are_refused():
    with pytest.raises(ValueError, match="case is 'nothing'; needed is one of fit"):
        ranks.make_case("nothing", 10)
    with pytest.raises(SystemExit, match="--cases: nothing; needed are some of toy"):
        run.select([Case("toy", 10, "float64", list)], ["nothing"])


# --- the allocator ------------------------------------------------------------------------------


SHOW = """
import os, sys
from pathlib import Path
from benchmarks import allocator
allocator.settle("hugepages", Path(sys.argv[1]), ["a", "b c"])
print("went on")
"""


def settled(script, tunables):
    """What a script prints that settles huge pages where the tunables are set already."""
    environment = {name: text for name, text in os.environ.items() if name != allocator.VARIABLE}
    if tunables is not None:
        environment[allocator.VARIABLE] = tunables
    command = [sys.executable, "-c", SHOW, str(script)]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("tunables", "printed"),
    [
        (None, "glibc.malloc.hugetlb=1 ['a', 'b c']\n"),
        (
            "glibc.malloc.check=0:glibc.malloc.hugetlb=0",
            "glibc.malloc.check=0:glibc.malloc.hugetlb=1 ['a', 'b c']\n",
        ),
        ("glibc.malloc.hugetlb=1", "went on\n"),
    ],
    ids=["none", "others", "settled"],
)
def test_huge_pages_start_the_script_anew_once(tmp_path, tunables, printed):
    script = tmp_path / "show.py"
    script.write_text("import os, sys\nprint(os.environ['GLIBC_TUNABLES'], sys.argv[1:])\n")
    done = settled(script, tunables)
    if platform.libc_ver()[0] != "glibc":
        assert "needed is Linux with glibc 2.35 or newer" in done.stderr
        return
    assert (done.stdout, done.stderr) == (printed, "")


@pytest.mark.parametrize(
    ("found", "named"),
    [(("glibc", "2.31"), "with glibc 2.31; needed"), (("", ""), "with an unknown libc; needed")],
)
def test_huge_pages_are_refused_where_malloc_has_none(monkeypatch, found, named):
    monkeypatch.delenv(allocator.VARIABLE, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: found)
    monkeypatch.delattr(os, "execve")
    with pytest.raises(SystemExit, match=f"^--allocator hugepages: this is .*{named}"):
        allocator.settle("hugepages", run.SCRIPT, [])


def test_run_settles_the_allocator_before_it_measures(monkeypatch):
    calls = []

    def stop(*arguments):
        calls.append(arguments)
        raise SystemExit

    monkeypatch.setattr(allocator, "settle", stop)
    words = ["ranks", "--allocator", "hugepages"]
    with pytest.raises(SystemExit):
        run.main(words)
    assert calls == [("hugepages", run.SCRIPT, words)]


def test_allocator_in_force_is_known(monkeypatch, tmp_path):
    monkeypatch.delenv(allocator.VARIABLE, raising=False)
    assert allocator.current() == "default"
    monkeypatch.delattr(os, "execve")
    allocator.settle("default", run.SCRIPT, [])
    monkeypatch.setenv(allocator.VARIABLE, "glibc.malloc.check=0:glibc.malloc.hugetlb=1")
    assert allocator.current() == "hugepages"
    setting = tmp_path / "enabled"
    monkeypatch.setattr(allocator, "KERNEL_SETTING", setting)
    assert allocator.kernel_setting() is None
    setting.write_text("always [madvise] never\n")
    assert allocator.kernel_setting() == "madvise"


# --- what it needs ------------------------------------------------------------------------------


def test_core_packages_are_enough_to_start():
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({MISSING_ELSEWHERE}))\n"
        "from benchmarks import environment, measure, probe, report, run\n"
        "names = [case.name for case in run.find_cases('ranks', [100])]\n"
        "for name in names[:-1] if names[-1] == 'gpu' else names:\n"
        "    run.find_case('ranks', name, 3_000).build()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
