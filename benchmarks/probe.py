"""Measure memory and compiling of one contender: started by `measure.py` in a fresh process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json

from benchmarks.run import find_case, ready_process


def main() -> None:
    """Read suite, case, size and contender and print what is measured as JSON."""
    suite, case_name, size, contender_name = sys.argv[1:]
    with ready_process(suite):
        from benchmarks.measure import probe

        contenders = find_case(suite, case_name, int(size)).build()
        contender = next(c for c in contenders if c.name == contender_name)
        print(json.dumps(probe(contender)))


if __name__ == "__main__":
    main()
