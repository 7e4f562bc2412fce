"""The timing harness: check answers, time contenders in turns, then run each in a fresh process."""

import gc
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.compile_clock import compile_clock
from benchmarks.contenders import Case, Contender

try:
    import resource
except ImportError:  # Windows
    resource = None

PROBE = Path(__file__).with_name("probe.py")
PROBE_SECONDS = 1_800
PROCESS_STATUS = Path("/proc/self/status")


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
    the machine does falls on all alike. Memory and compiling are measured in fresh processes, but
    of those that run in processes of their own and tell themselves.

    Args:
        suite: Name of the module in `cases` that the case comes from.
        case: The case.
        num_repeats: Timed runs of each contender, unless the case allows fewer.
        with_memory: Whether to measure memory. Without, compiling is what the first run compiled,
            which leaves out what an earlier contender or case has compiled in this process.

    Returns:
        The record of the case, ready for JSON.
    """
    contenders = case.build()
    records = {
        contender.name: first_run(contender, counts=case.is_fresh) for contender in contenders
    }
    running = [contender for contender in contenders if records[contender.name]["status"] == "ok"]
    num_repeats = min(num_repeats, case.most_repeats or num_repeats)
    for _ in range(num_repeats - case.is_fresh):
        for contender in running:
            _, wall, cpu = timed(contender)
            records[contender.name]["wall_seconds"].append(wall)
            records[contender.name]["cpu_seconds"].append(cpu)
    for contender in running:
        summarise(records[contender.name])
        if with_memory and "memory" not in records[contender.name]:
            records[contender.name] |= fresh_run(suite, case, contender)
    return {
        "case": case.name,
        "size": case.size,
        "size_name": case.size_name,
        "other_sizes": dict(case.other_sizes),
        "dtype": case.dtype,
        "num_repeats": num_repeats,
        "contenders": [records[contender.name] for contender in contenders],
    }


def first_run(contender: Contender, *, counts: bool) -> dict[str, Any]:
    """Run a contender for the first time, see what is compiled in it, and check its answer.

    Args:
        contender: Who runs.
        counts: Whether the run is one of the timed ones.

    Returns:
        What the record says of the contender so far.
    """
    record: dict[str, Any] = {"name": contender.name, "note": contender.note}
    if contender.why_missing is not None:
        return record | {"status": "not run", "why": contender.why_missing}
    started = time.perf_counter()
    with compile_clock(contender.compiler) as clock:
        result, wall, cpu = timed(contender)
    first_run_seconds = time.perf_counter() - started
    error = float(contender.error(result))
    record |= {
        "first_run_seconds": first_run_seconds,
        "compile_seconds": clock.seconds,
        "error_over_tolerance": error,
    }
    record |= dict(contender.facts(result) if contender.facts is not None else {})
    if not error <= 1.0:
        return record | {"status": "wrong", "why": f"its error is {error:.3g} of what is tolerated"}
    seconds = {"wall_seconds": [wall] if counts else [], "cpu_seconds": [cpu] if counts else []}
    return record | {"status": "ok"} | seconds


def summarise(record: dict[str, Any]) -> None:
    """Add medians and spread of the timed runs."""
    for kind in ("wall", "cpu"):
        seconds = record[f"{kind}_seconds"]
        record[f"{kind}_median"] = statistics.median(seconds)
        record[f"{kind}_range"] = [min(seconds), max(seconds)]


def fresh_run(suite: str, case: Case, contender: Contender) -> dict[str, Any]:
    """Run a contender once in a fresh process.

    Returns:
        `memory` in megabytes and `compile_seconds`; if it fails, `memory` says why.
    """
    command = [sys.executable, str(PROBE), suite, case.name, str(case.size), contender.name]
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=PROBE_SECONDS
        )
    except subprocess.SubprocessError as error:
        why = f"{type(error).__name__}: {getattr(error, 'stderr', '') or error}"
        return {"memory": {"failed": why[-500:]}}
    return json.loads(done.stdout.splitlines()[-1])


def resident_peak() -> float:
    """Return the largest resident memory that this program has had, in megabytes.

    Linux hands a new process the peak of the one that started it in getrusage, so there it is
    read from /proc.

    Raises:
        RuntimeError: If the system tells neither way, as Windows does.
    """
    if PROCESS_STATUS.exists():
        lines = PROCESS_STATUS.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**10
    if resource is None:
        raise RuntimeError(
            f"peak memory is not known on {sys.platform}; needed is Linux or macOS: leave memory "
            "out with --no-memory"
        )
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def probe(contender: Contender) -> dict[str, Any]:
    """Run a contender once in this process, which has run nothing before.

    Returns:
        `memory` in megabytes and `compile_seconds`.
    """
    before = resident_peak()
    with compile_clock(contender.compiler) as clock:
        result = contender.run()
    memory = {"before_mb": before, "peak_mb": resident_peak()}
    memory |= dict(contender.memory(result) if contender.memory is not None else {})
    return {"memory": memory, "compile_seconds": clock.seconds}
