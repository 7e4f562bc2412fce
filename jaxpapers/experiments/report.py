"""The report: one self-contained page with tiles, the table of claims, and the details."""

import html
from collections import Counter
from collections.abc import Iterator
from importlib import resources

from .claims import Claim
from .elsewhere import closing_lines
from .formatting import (
    count_of,
    format_estimate,
    format_published,
    format_seconds,
)
from .outcome import QUICK_SECONDS, Outcome, Reproduction
from .registry import SYSTEMS, System
from .report_details import experiment_anchor, experiment_details, image

_VERDICTS: dict[str, tuple[str, str]] = {
    "reproduced": ("✓", "reproduced"),
    "short": ("✗", "falls short"),
    "failed": ("!", "failed"),
    "observed": ("·", "observed"),
    "stand-in": ("◐", "stand-in data"),
    "cannot": ("○", "cannot be tried here"),
}
_COLUMNS = ("Claim", "Published", "Here ± s.e.", "Verdict", "Seconds")


def report_page(result: Reproduction) -> str:
    """Write the report.

    Figures are embedded, the style sheet is inline, and nothing is loaded from elsewhere.

    Args:
        result: The reproduction, with the files of its experiments in place.

    Returns:
        A whole HTML document.
    """
    style = resources.files("jaxpapers.experiments").joinpath("report.css").read_text("utf-8")
    groups = _by_system(result)
    body = [
        *_head(result),
        '<section class="tiles" aria-label="Systems">',
        *(_tile(result, system, outcomes) for system, outcomes in groups),
        "</section>",
        '<section id="claims"><h2>Claims</h2>',
        *_claims(groups),
        "</section>",
        '<section id="details"><h2>Details</h2>',
        *(experiment_details(outcome) for _, outcomes in groups for outcome in outcomes),
        "</section>",
        *_foot(result),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>jaxpapers: reproduction at {html.escape(result.scale)} scale</title>",
            f"<style>\n{style}</style></head><body><main>",
            *body,
            "</main></body></html>\n",
        ]
    )


def _by_system(result: Reproduction) -> list[tuple[System, list[Outcome]]]:
    groups = [
        (system, [entry for entry in result.outcomes if entry.experiment.system == system.name])
        for system in SYSTEMS
    ]
    return [(system, outcomes) for system, outcomes in groups if outcomes]


def _head(result: Reproduction) -> Iterator[str]:
    facts = {
        "Scale": result.scale,
        "Seed": str(result.seed),
        "Device": f"{result.device}, {result.dtype}",
        "Seconds": f"{result.seconds:,.1f}",
        "Finished": f"{result.finished[:16].replace('T', ' ')} UTC",
        "Version": f"{result.versions['jaxpapers']}, jax {result.versions['jax']}",
    }
    yield '<header><p class="kicker">jaxpapers</p><h1>Reproduction report</h1><dl class="facts">'
    for name, value in facts.items():
        yield f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>"
    yield "</dl>"
    tally = Counter(verdict for entry in result.outcomes for _, verdict, _ in _rows(entry))
    yield f'<p class="tally">{count_of(tally.total(), "claim")} '
    for verdict in _VERDICTS:
        if tally[verdict]:
            yield _badge(verdict, prefix=f"{tally[verdict]} ")
    yield "</p></header>"


def _tile(result: Reproduction, system: System, outcomes: list[Outcome]) -> str:
    records = [(entry, entry.record) for entry in outcomes if entry.record is not None]
    pictured = [(entry, record) for entry, record in records if record.figures]
    if records:
        sentence = (pictured or records)[0][1].sentence
    else:
        sentence = f"Failed: {outcomes[0].message}"
    picture = ""
    if pictured:
        outcome, record = pictured[0]
        name, caption = next(iter(record.figures.items()))
        picture = image(outcome.folder / name, caption)
    seconds = format_seconds(result.system_seconds[system.name])
    if system.name in result.over_budget:
        seconds += f' <span class="badge short">✗ over {QUICK_SECONDS:.0f} s</span>'
    return (
        f'<article class="tile"><div class="words"><h2>{html.escape(system.title)}</h2>'
        f"<p>{html.escape(sentence)}</p>"
        f'<p class="small">{count_of(len(outcomes), "experiment")} · {seconds}<br>'
        f"{html.escape(system.paper)}</p></div>{picture}</article>"
    )


def _claims(groups: list[tuple[System, list[Outcome]]]) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    yield f'<table class="claims"><thead><tr>{heads}</tr></thead>'
    for system, outcomes in groups:
        title = html.escape(system.title)
        yield f'<tbody><tr class="group"><th colspan="5" scope="rowgroup">{title}</th></tr>'
        for outcome in outcomes:
            yield from (_claim_row(outcome, *row) for row in _rows(outcome))
        yield "</tbody>"
    yield "</table>"
    yield (
        '<p class="small">Seconds are those of the whole experiment in which the claim was tried. '
        "± is one standard error. A claim about data that are proprietary or unpublished says "
        "what stands in for them.</p>"
    )


def _rows(outcome: Outcome) -> list[tuple[Claim, str, str]]:
    """Claims of one experiment with the verdict to show and the note."""
    if outcome.record is not None:
        return [(claim, claim.verdict, claim.note) for claim in outcome.record.claims]
    return [
        (claim, "cannot", claim.note)
        if claim.verdict == "cannot"
        else (claim, "failed", outcome.message)
        for claim in outcome.experiment.claims
    ]


def _claim_row(outcome: Outcome, claim: Claim, verdict: str, note: str) -> str:
    anchor = experiment_anchor(outcome.experiment)
    note_line = f'<span class="note">{html.escape(note)}</span>' if note else ""
    cells = (
        f'<a href="#{anchor}">{html.escape(claim.text)}</a>'
        f'<span class="small">{html.escape(claim.source)}</span>{note_line}',
        format_published(claim.published),
        format_estimate(claim.here, claim.standard_error),
        _badge(verdict),
        f"{outcome.seconds:,.1f}",
    )
    return "<tr>" + "".join(
        f'<td data-label="{label}">{cell}</td>'
        for label, cell in zip(_COLUMNS, cells, strict=True)
    ) + "</tr>"  # fmt: skip


def _badge(verdict: str, prefix: str = "") -> str:
    mark, words = _VERDICTS[verdict]
    return (
        f'<span class="badge {verdict}"><span aria-hidden="true">{mark}</span> '
        f"{prefix}{words}</span>"
    )


def _foot(result: Reproduction) -> Iterator[str]:
    yield '<footer><h2>Run it elsewhere</h2><dl class="lines">'
    lines = {"same again": result.command, **closing_lines(result)}
    for label in ("same again", "on a GPU", "at paper scale"):
        if label in lines:
            text = html.escape(lines[label]).replace("\n", "<br>")
            yield f"<dt>{label}</dt><dd>{text}</dd>"
    yield "</dl></footer>"
