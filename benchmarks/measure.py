"""The timing harness: check the answer, then time the contenders in turns, then their memory."""

import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.contenders import Case, Contender

PROBE = Path(__file__).with_name("probe.py")
PROBE_SECONDS = 1_800


def timed(contender: Contender) -> tuple[Any, float, float]:
    """Run a contender once.

    Returns:
        What it gave, wall seconds, CPU seconds of all threads.
    """
    gc.collect()
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    result = contender.run()
    wall, cpu = time.perf_counter() - wall_start, time.process_time() - cpu_start
    if contender.seconds is not None:
        wall, cpu = contender.seconds(result)
    return result, wall, cpu


def measure_case(suite: str, case: Case, *, num_repeats: int, with_memory: bool) -> dict[str, Any]:
    """Measure all contenders of a case.

    Each contender runs once, which compiles what it has to compile, and its answer is checked; one
    that is wrong is not timed. The others then take turns (A B C A B C ...), so that whatever else
    the machine does falls on all alike. Memory is measured in fresh processes.

    Args:
        suite: Name of the module in `cases` that the case comes from.
        case: The case.
        num_repeats: Timed runs of each contender.
        with_memory: Whether to measure memory.

    Returns:
        The record of the case, ready for JSON.
    """
    contenders = case.build()
    records = {contender.name: first_run(contender) for contender in contenders}
    running = [contender for contender in contenders if records[contender.name]["status"] == "ok"]
    for _ in range(num_repeats):
        for contender in running:
            _, wall, cpu = timed(contender)
            records[contender.name]["wall_seconds"].append(wall)
            records[contender.name]["cpu_seconds"].append(cpu)
    for contender in running:
        summarise(records[contender.name])
        if with_memory:
            records[contender.name]["memory"] = peak_memory(suite, case, contender)
    return {
        "case": case.name,
        "size": case.size,
        "dtype": case.dtype,
        "num_repeats": num_repeats,
        "contenders": [records[contender.name] for contender in contenders],
    }


def first_run(contender: Contender) -> dict[str, Any]:
    """Run a contender for the first time and check its answer."""
    record: dict[str, Any] = {"name": contender.name, "note": contender.note}
    if contender.why_missing is not None:
        return record | {"status": "not run", "why": contender.why_missing}
    result, wall, _ = timed(contender)
    error = float(contender.error(result))
    record |= {"first_run_seconds": wall, "error_over_tolerance": error}
    if not error <= 1.0:
        return record | {"status": "wrong", "why": f"its error is {error:.3g} of what is tolerated"}
    return record | {"status": "ok", "wall_seconds": [], "cpu_seconds": []}


def summarise(record: dict[str, Any]) -> None:
    """Add medians and spread of the timed runs, and what the first run took beyond the median."""
    for kind in ("wall", "cpu"):
        seconds = record[f"{kind}_seconds"]
        record[f"{kind}_median"] = statistics.median(seconds)
        record[f"{kind}_range"] = [min(seconds), max(seconds)]
    compile_seconds = record["first_run_seconds"] - record["wall_median"]
    record["compile_seconds"] = max(compile_seconds, 0.0)


def peak_memory(suite: str, case: Case, contender: Contender) -> dict[str, Any]:
    """Run a contender once in a fresh process and return its memory in megabytes."""
    command = [sys.executable, str(PROBE), suite, case.name, str(case.size), contender.name]
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=PROBE_SECONDS
        )
    except subprocess.SubprocessError as error:
        return {"failed": f"{type(error).__name__}: {getattr(error, 'stderr', '') or error}"[-500:]}
    return json.loads(done.stdout.splitlines()[-1])


def resident_peak() -> float:
    """Return the largest resident memory that this program has had, in megabytes.

    Linux hands a new process the peak of the one that started it in getrusage, so there it is
    read from /proc.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def probe_memory(contender: Contender) -> dict[str, float]:
    """Run a contender once in this process and return its memory in megabytes."""
    before = resident_peak()
    result = contender.run()
    record = {"before_mb": before, "peak_mb": resident_peak()}
    return record | dict(contender.memory(result) if contender.memory is not None else {})
