"""The part of the report on one experiment: figures, tables, configuration, versions."""

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .files import read_csv
from .formatting import format_column, format_number, format_seconds
from .outcome import Outcome
from .record import Record
from .registry import Experiment

_ROWS_SHOWN = 24


def experiment_anchor(experiment: Experiment) -> str:
    """Give the anchor of an experiment on the page.

    Args:
        experiment: The experiment.

    Returns:
        An identifier.
    """
    return f"{experiment.system}-{experiment.name}"


def image(path: Path, caption: str) -> str:
    """Embed a PNG.

    Args:
        path: The file.
        caption: The text for readers without pictures.

    Returns:
        An `img` element with the bytes inside.
    """
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img src="data:image/png;base64,{content}" alt="{html.escape(caption)}">'


def experiment_details(outcome: Outcome) -> str:
    """Write all about one experiment.

    Args:
        outcome: What came of it.

    Returns:
        An `article` element.
    """
    experiment, record = outcome.experiment, outcome.record
    parts = [
        f'<article class="experiment" id="{experiment_anchor(experiment)}">',
        f'<p class="kicker">{experiment.system} / {experiment.name}</p>',
        f"<h3>{html.escape(experiment.title)}</h3>",
    ]
    if record is None:
        parts.append(f'<p class="failure"><strong>Failed.</strong> {html.escape(outcome.message)}')
        parts.append("The other experiments are not affected.</p>")
    else:
        parts.append(f"<p>{html.escape(record.sentence)}</p>")
        parts += _figures(outcome.folder, record)
        parts += _tables(outcome.folder, record)
        parts.append(_facts(outcome, record))
    return "\n".join([*parts, "</article>"])


def _figures(folder: Path, record: Record) -> Iterator[str]:
    for name, caption in record.figures.items():
        yield (
            f"<figure>{image(folder / name, caption)}"
            f"<figcaption>{html.escape(caption)} {_file(record, name)}</figcaption></figure>"
        )


def _tables(folder: Path, record: Record) -> Iterator[str]:
    for name, caption in record.tables.items():
        columns, rows = read_csv(folder / name)
        shown = rows if len(rows) <= _ROWS_SHOWN else rows[: _ROWS_SHOWN // 2]
        cut = "" if shown is rows else f" First {len(shown)} of {len(rows):,} rows."
        by_column = list(zip(*shown, strict=True))
        numeric = [_is_numeric(cells) for cells in by_column]
        texts = zip(*map(format_column, by_column), strict=True)
        yield (
            f'<figure class="table"><figcaption>{html.escape(caption)}{cut} '
            f'{_file(record, name)}</figcaption><div class="scroll"><table>'
        )
        yield f"<thead><tr>{_cells('th', columns, numeric)}</tr></thead><tbody>"
        for row in texts:
            yield f"<tr>{_cells('td', row, numeric)}</tr>"
        yield "</tbody></table></div></figure>"


def _cells(tag: str, texts: Sequence[str], numeric: list[bool]) -> str:
    return "".join(
        f"<{tag}{' class=number' if right else ''}>{html.escape(text)}</{tag}>"
        for text, right in zip(texts, numeric, strict=True)
    )


def _is_numeric(cells: Sequence[str]) -> bool:
    try:
        return bool([float(cell) for cell in cells if cell])
    except ValueError:
        return False


def _file(record: Record, name: str) -> str:
    return f"<code>{record.system}/{record.experiment}/{name}</code>"


def _facts(outcome: Outcome, record: Record) -> str:
    compile_seconds = format_seconds(record.seconds_compile)
    time = f"{format_seconds(record.seconds_run)} run, {compile_seconds} compile"
    if record.resumed:
        time += " (resumed from an interrupted attempt; seconds of the last attempt)"
    if not outcome.ran:
        time += f" (finished before, {record.finished.replace('T', ' ')}; not run again)"
    facts = {
        "Configuration": _pairs({"seed": record.seed, **record.configuration}),
        "Sizes": _pairs(record.sizes),
        "Time": time,
        "Device": f"{record.device}, {record.dtype}",
        "Versions": _pairs(record.versions, joint=" "),
        "Commit": record.commit or "not in a git checkout",
    }
    entries = "".join(
        f"<dt>{label}</dt><dd>{html.escape(text)}</dd>" for label, text in facts.items() if text
    )
    return f'<dl class="lines">{entries}</dl>'


def _pairs(values: Mapping[str, Any], joint: str = " = ") -> str:
    return " · ".join(f"{name}{joint}{_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)
    return f"{value:,}" if isinstance(value, int) else format_number(value)
