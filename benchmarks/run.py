"""Run a benchmark: `python benchmarks/run.py ranks --output benchmarks/results/ranks.json`."""

import argparse
import contextlib
import importlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SUITES = ("ranks",)
LEAST_REPEATS = 9


@contextlib.contextmanager
def ready_process():
    """Ready this process for measuring: double precision, and threads that do not spin.

    A thread of OpenMP that waits in a loop for its next work would slow whoever has the next turn.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import jax

    with jax.enable_x64(True):
        yield


def find_cases(suite, sizes):
    """Return the cases of a suite; its plain case at the given sizes."""
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


def parse_arguments(arguments):
    """Return the settings of a run from its command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", choices=SUITES, help="what is measured")
    parser.add_argument(
        "--sizes",
        type=whole_number,
        nargs="+",
        default=[10**4, 10**5, 10**6, 10**7],
        help="numbers of observations of the plain fit (default: 1e4 1e5 1e6 1e7)",
    )
    parser.add_argument("--cases", nargs="+", help="only the cases of these names (default: all)")
    parser.add_argument(
        "--repeats",
        type=whole_number,
        default=LEAST_REPEATS,
        help=f"timed runs of each contender (default: {LEAST_REPEATS})",
    )
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory")
    parser.add_argument("--output", type=Path, required=True, help="JSON record to write")
    return parser.parse_args(arguments)


def print_case(record):
    """Print a line for each contender of a case."""
    print(f"{record['case']}, n = {record['size']:,}", flush=True)
    for contender in record["contenders"]:
        line = f"  {contender['name']:26}"
        if contender["status"] == "ok":
            line += f"wall {contender['wall_median']:9.4f} s   cpu {contender['cpu_median']:9.4f} s"
            line += f"   first run {contender['first_run_seconds']:8.2f} s"
        else:
            line += f"{contender['status']}: {contender['why']}"
        print(line, flush=True)


def main(arguments=None):
    """Measure the cases asked for, one after the other, and write the record after each."""
    settings = parse_arguments(arguments)
    with ready_process():
        from benchmarks import environment, measure

        cases = select(find_cases(settings.suite, settings.sizes), settings.cases)
        record = {"suite": settings.suite, "environment": environment.describe(), "cases": []}
        settings.output.parent.mkdir(parents=True, exist_ok=True)
        for case in cases:
            result = measure.measure_case(
                settings.suite,
                case,
                num_repeats=settings.repeats,
                with_memory=not settings.no_memory,
            )
            result["load_average_after"] = environment.load_average()
            record["cases"].append(result)
            settings.output.write_text(json.dumps(record, indent=1) + "\n")
            print_case(result)


if __name__ == "__main__":
    main()
