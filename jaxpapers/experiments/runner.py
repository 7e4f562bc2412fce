"""Runs experiments one after another, keeps what is finished, writes one report."""

import dataclasses
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from .. import engine
from ..plots.style import render_png
from .claims import settle_claims
from .clock import CompileClock
from .console import Console
from .context import Context
from .elsewhere import closing_lines
from .files import write_bytes, write_csv
from .formatting import count_of, format_seconds
from .outcome import Outcome, Reproduction
from .record import (
    RECORD_FILE,
    Record,
    fingerprint_of,
    read_record,
    surroundings,
    write_record,
)
from .registry import Experiment, check_experiments, check_scale
from .report import report_page
from .results import ExperimentResult, plain

REPORT_FILE = "index.html"
FAILURE_FILE = "failure.txt"
CHECKPOINT_FOLDER = ".checkpoints"
_ATTEMPT_FILE = "fingerprint"


@dataclasses.dataclass(frozen=True)
class _Setting:
    """What all experiments of one reproduction share."""

    scale: str
    seed: int
    output: Path
    console: Console
    clock: CompileClock


def reproduce(
    experiments: Iterable[Experiment],
    *,
    scale: str,
    output: str | Path,
    seed: int,
    stream: TextIO | None = None,
) -> Reproduction:
    """Run experiments and write their report; the whole verb computes in float64.

    Each experiment writes CSV tables, PNG figures and at last `record.json` into
    `output/<system>/<name>/`. One that is finished already (same scale, seed, configuration,
    versions, source and kind of device) is not run again; one that was interrupted resumes from
    the checkpoints of its engine runs. One that raises is marked as failed, and the others go on.

    Args:
        experiments: The experiments, with different names.
        scale: `"quick"`, `"paper"` or `"full"`.
        output: Folder of the results; made when missing.
        seed: Seed of all randomness.
        stream: Where lines are printed; standard output when None.

    Returns:
        The outcomes, the path of `index.html`, the seconds.

    Raises:
        ValueError: No experiments, two of the same name, an unknown scale, or an output that is
            not a folder.
        TypeError: `seed` is not a whole number.
    """
    chosen = check_experiments(experiments)
    check_scale(scale)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed is {seed!r}: it must be a whole number")
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"output is {str(folder)!r}, which is a file: name a folder")
    start = time.perf_counter()
    console = Console(sys.stdout if stream is None else stream)
    with engine.double_precision(), CompileClock() as clock:
        setting = _Setting(scale, seed, folder.resolve(), console, clock)
        outcomes = tuple(
            _run_one(experiment, setting, f"[{index}/{len(chosen)}]")
            for index, experiment in enumerate(chosen, start=1)
        )
        result = Reproduction(
            outcomes=outcomes,
            scale=scale,
            seed=seed,
            report=setting.output / REPORT_FILE,
            seconds=time.perf_counter() - start,
            command=_command(chosen, folder, scale=scale, seed=seed),
            paper_command=_command(chosen, _paper_folder(folder), scale="paper", seed=seed),
            **surroundings(),
        )
        write_bytes(result.report, report_page(result).encode())
    _print_end(result, console)
    return result


def _run_one(experiment: Experiment, setting: _Setting, position: str) -> Outcome:
    label = f"{position} {experiment.system}/{experiment.name}"
    folder = setting.output / experiment.system / experiment.name
    fingerprint = fingerprint_of(experiment, scale=setting.scale, seed=setting.seed)
    record = read_record(folder)
    if record is not None and record.fingerprint == fingerprint:
        then = format_seconds(record.seconds)
        setting.console.line(f"{label}  finished before ({then} then), not run again")
        return Outcome(experiment, folder, record, ran=False)
    checkpoints = setting.output / CHECKPOINT_FOLDER / experiment.name
    resumed = _open_attempt(checkpoints, fingerprint)
    setting.console.start(f"{label}  {'resumed' if resumed else 'started'} …")
    start = time.perf_counter()
    try:
        context = _context(experiment, setting, folder, checkpoints)
        record = _compute(experiment, context, setting.clock, fingerprint, resumed=resumed)
    except Exception as error:
        seconds = time.perf_counter() - start
        message = f"{type(error).__name__}: {error}"
        write_bytes(folder / FAILURE_FILE, traceback.format_exc().encode())
        first_line = message.splitlines()[0]
        setting.console.end(f"{label}  FAILED after {format_seconds(seconds)}: {first_line}")
        return Outcome(experiment, folder, None, ran=True, message=message, seconds_lost=seconds)
    _close_attempt(checkpoints)
    compile_seconds = format_seconds(record.seconds_compile)
    setting.console.end(f"{label}  {format_seconds(record.seconds)} (compile {compile_seconds})")
    return Outcome(experiment, folder, record, ran=True)


def _open_attempt(checkpoints: Path, fingerprint: str) -> bool:
    """Keep the checkpoints of an interrupted attempt at the same thing, clear any others."""
    attempt = checkpoints / _ATTEMPT_FILE
    if attempt.is_file() and attempt.read_text(encoding="utf-8") == fingerprint:
        return any(path != attempt for path in checkpoints.iterdir())
    if checkpoints.exists():
        shutil.rmtree(checkpoints)
    write_bytes(attempt, fingerprint.encode())
    return False


def _close_attempt(checkpoints: Path) -> None:
    """Remove the checkpoints of a finished experiment, and their folder after the last one."""
    shutil.rmtree(checkpoints)
    if not any(checkpoints.parent.iterdir()):
        checkpoints.parent.rmdir()


def _context(experiment: Experiment, setting: _Setting, folder: Path, checkpoints: Path) -> Context:
    return Context(
        name=experiment.name,
        scale=setting.scale,
        seed=setting.seed,
        settings=dict(experiment.settings[setting.scale]),
        output=folder,
        checkpoints=checkpoints,
        progress_stream=setting.console.progress_stream(),
    )


def _compute(
    experiment: Experiment,
    context: Context,
    clock: CompileClock,
    fingerprint: str,
    *,
    resumed: bool,
) -> Record:
    _clear_old_result(context.output)
    start, compiled_before = time.perf_counter(), clock.seconds
    result = experiment.run(context)
    if not isinstance(result, ExperimentResult):
        raise TypeError(f"run returned a {type(result).__name__}: return an ExperimentResult")
    claims = settle_claims(experiment.claims, result.claims)
    tables, figures = _write_files(context.output, result)
    compile_seconds = clock.seconds - compiled_before
    record = Record(
        experiment=experiment.name,
        system=experiment.system,
        title=experiment.title,
        scale=context.scale,
        seed=context.seed,
        fingerprint=fingerprint,
        configuration=plain(context.settings),
        sizes=plain(result.sizes),
        sentence=result.sentence,
        claims=claims,
        tables=tables,
        figures=figures,
        seconds_compile=compile_seconds,
        seconds_run=time.perf_counter() - start - compile_seconds,
        resumed=resumed,
        **surroundings(),
    )
    write_record(context.output, record)
    return record


def _write_files(folder: Path, result: ExperimentResult) -> tuple[dict[str, str], dict[str, str]]:
    for name, table in result.tables.items():
        write_csv(folder / f"{name}.csv", table.records())
    for name, picture in result.figures.items():
        write_bytes(folder / f"{name}.png", render_png(picture.figure))
    return (
        {f"{name}.csv": table.caption for name, table in result.tables.items()},
        {f"{name}.png": picture.caption for name, picture in result.figures.items()},
    )


def _clear_old_result(folder: Path) -> None:
    """Remove an outdated result: its record first, then the files the record names."""
    record = read_record(folder)
    (folder / RECORD_FILE).unlink(missing_ok=True)
    (folder / FAILURE_FILE).unlink(missing_ok=True)
    for name in () if record is None else (*record.tables, *record.figures):
        (folder / Path(name).name).unlink(missing_ok=True)


def _command(experiments: tuple[Experiment, ...], folder: Path, *, scale: str, seed: int) -> str:
    systems = dict.fromkeys(experiment.system for experiment in experiments)
    words = ["jaxpapers", "reproduce", *systems, "--scale", scale]
    return shlex.join([*words, "--output", str(folder), "--seed", str(seed)])


def _paper_folder(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-paper") if folder.name else folder / "paper"


def _print_end(result: Reproduction, console: Console) -> None:
    if result.failed:
        failed = count_of(len(result.failed), "experiment")
        console.line(f"{failed} failed; each has a {FAILURE_FILE} with the whole message")
    for label, text in closing_lines(result).items():
        console.line(f"{label:<16}{text}".replace("\n", f"\n{'':16}"))
