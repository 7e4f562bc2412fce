"""Run benchmarks: `python benchmarks/run.py`, or one suite with settings of its own."""

import argparse
import contextlib
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import allocator

SCRIPT = Path(__file__).resolve()
SUITES = ("ranks", "copulas", "auctions", "games")
FOLDING = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1048576"
"""Has XLA make one kernel of a loop on a CPU, with all loops inside, up to this size of state."""
DEVICES = "--xla_force_host_platform_device_count"
"""Has XLA show the cores of a CPU as so many devices."""
ALL = "all"
RESULTS = SCRIPT.with_name("results")
LEAST_REPEATS = 9
QUICK_REPEATS = 3


def flags_of(suite):
    """Return the flags of XLA that a suite needs: of games each core as a device, folded loops."""
    from benchmarks import environment

    return (f"{DEVICES}={environment.num_cores()}", FOLDING) if suite == "games" else ()


def set_flags(flags):
    """Add flags of XLA to those of this process, but for those that are set already."""
    found = os.environ.get("XLA_FLAGS", "").split()
    names = {flag.partition("=")[0] for flag in found}
    new = [flag for flag in flags if flag.partition("=")[0] not in names]
    if new:
        os.environ["XLA_FLAGS"] = " ".join([*found, *new])


@contextlib.contextmanager
def ready_process(suite=None):
    """Ready this process for measuring: double precision, and threads that do not spin.

    A thread of OpenMP that waits in a loop for its next work would slow whoever has the next turn.
    XLA compiles as it does for `jaxpapers` on the command line, for peers too.

    Args:
        suite: Whose flags of XLA are set. None: no suite's.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    set_flags(flags_of(suite))
    import jax

    from jaxpapers import engine

    engine.compile_quickly()
    with jax.enable_x64(True):
        yield


def find_cases(suite, sizes):
    """Return the cases of a suite; the plain case of ranks at the given sizes."""
    return importlib.import_module(f"benchmarks.cases.{suite}").make_cases(sizes)


def find_case(suite, name, size):
    """Return one case of a suite."""
    return importlib.import_module(f"benchmarks.cases.{suite}").make_case(name, size)


def select(cases, names):
    """Return the cases of some names, all if there are no names.

    Raises:
        SystemExit: If there is no case of one of the names.
    """
    known = {case.name for case in cases}
    if unknown := set(names or ()) - known:
        raise SystemExit(
            f"--cases: {', '.join(sorted(unknown))}; needed are some of {', '.join(sorted(known))}"
        )
    return [case for case in cases if not names or case.name in names]


def whole_number(text):
    """Read a whole number that may be written like 1e6."""
    value = float(text)
    if value != int(value) or value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; needed is a whole number of at least 1")
    return int(value)


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "suite",
        nargs="?",
        default=ALL,
        choices=(ALL, *SUITES),
        help=f"what is measured (default: {ALL})",
    )
    parser.add_argument(
        "--sizes",
        type=whole_number,
        nargs="+",
        default=[10**4, 10**5, 10**6, 10**7],
        help="numbers of observations of the plain fit of ranks (default: 1e4 1e5 1e6 1e7)",
    )
    parser.add_argument("--cases", nargs="+", help="only the cases of these names (default: all)")
    parser.add_argument(
        "--repeats",
        type=whole_number,
        help=f"timed runs of each contender, at least {LEAST_REPEATS} unless --quick "
        f"(default: {LEAST_REPEATS}, with --quick {QUICK_REPEATS})",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="to see that it runs; the record is marked as not to be published",
    )
    parser.add_argument(
        "--allocator",
        choices=allocator.CHOICES,
        default=allocator.DEFAULT,
        help="hugepages: malloc asks for huge pages, for all contenders (Linux with glibc)",
    )
    parser.add_argument(
        "--no-memory",
        action="store_true",
        help="leave fresh processes out: no memory, compiling of the first run",
    )
    parser.add_argument(
        "--output", type=Path, help="JSON record to write (default: benchmarks/results/SUITE.json)"
    )
    return parser


def parse_arguments(arguments):
    """Return the settings of a run from its command line.

    Raises:
        SystemExit: If the words are not those of a run that can be done.
    """
    parser = make_parser()
    settings = parser.parse_args(arguments)
    if settings.suite == ALL and (settings.output or settings.cases):
        parser.error(f"--output and --cases need a suite: one of {', '.join(SUITES)}")
    if settings.repeats is None:
        settings.repeats = QUICK_REPEATS if settings.quick else LEAST_REPEATS
    if settings.repeats < LEAST_REPEATS and not settings.quick:
        parser.error(
            f"--repeats is {settings.repeats}; needed are at least {LEAST_REPEATS}, or --quick, "
            "whose record is marked as not to be published"
        )
    return settings


def records_to_make(settings):
    """Return the suites to measure and where the record of each goes."""
    names = SUITES if settings.suite == ALL else (settings.suite,)
    return {name: settings.output or RESULTS / f"{name}.json" for name in names}


def print_case(record):
    """Print a line for each contender of a case."""
    print(f"{record['case']}, {record['size_name']} = {record['size']:,}", flush=True)
    for contender in record["contenders"]:
        line = f"  {contender['name']:26}"
        if contender["status"] == "ok":
            line += f"wall {contender['wall_median']:9.4f} s   cpu {contender['cpu_median']:9.4f} s"
            line += f"   compile {contender['compile_seconds']:8.2f} s"
            line += "".join(f"   {n} {v:.6g}" for n, v in contender.get("answer", {}).items())
        else:
            line += f"{contender['status']}: {contender['why']}"
        print(line, flush=True)


def run_suite(suite, output, settings):
    """Measure the cases asked for, one after the other, and write the record after each."""
    from benchmarks import environment, measure

    cases = select(find_cases(suite, settings.sizes), settings.cases)
    record = {
        "suite": suite,
        "publishable": not settings.quick,
        "environment": environment.describe(),
        "cases": [],
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    for case in cases:
        result = measure.measure_case(
            suite, case, num_repeats=settings.repeats, with_memory=not settings.no_memory
        )
        result["load_average_after"] = environment.load_average()
        record["cases"].append(result)
        output.write_text(json.dumps(record, indent=1) + "\n")
        print_case(result)


def main(arguments=None):
    """Measure the suites asked for, each in a process of its own, under the allocator asked for."""
    words = sys.argv[1:] if arguments is None else arguments
    settings = parse_arguments(words)
    if settings.suite == ALL:
        others = [word for word in words if word != ALL]
        for suite in SUITES:
            subprocess.run([sys.executable, str(SCRIPT), suite, *others], check=True)
        return
    allocator.settle(settings.allocator, SCRIPT, words)
    with ready_process(settings.suite):
        for suite, output in records_to_make(settings).items():
            run_suite(suite, output, settings)


if __name__ == "__main__":
    main()
