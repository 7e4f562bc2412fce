"""Measure the memory of one contender: started by `measure.py` in a fresh process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json

from benchmarks.run import find_case, ready_process


def main() -> None:
    """Read suite, case, size and contender from the command line and print the memory as JSON."""
    suite, case_name, size, contender_name = sys.argv[1:]
    with ready_process():
        from benchmarks.measure import probe_memory

        contenders = find_case(suite, case_name, int(size)).build()
        contender = next(c for c in contenders if c.name == contender_name)
        print(json.dumps(probe_memory(contender)))


if __name__ == "__main__":
    main()
