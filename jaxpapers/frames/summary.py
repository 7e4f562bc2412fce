"""Summary tables as text, LaTeX and HTML, and those of rank regressions."""

import html
import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engine import Status
from .inference import VCOV_TYPES, VcovType

if TYPE_CHECKING:
    from .results import RankRegressionResult

MAX_WIDTH = 100
MIN_WIDTH = 78
MAX_ROWS = 30
GAP = "  "
MARK = "†"
KIND_NAMES: dict[VcovType, str] = {
    "rank": "consistent",
    "iid": "homosk." + MARK,
    "HC1": "HC1" + MARK,
}
KIND_TEXTS = {
    "rank": "consistent, ranks estimated",
    "iid": "homoskedastic, INCONSISTENT" + MARK,
    "HC1": "robust (HC1), INCONSISTENT" + MARK,
}
LATEX = str.maketrans(
    {character: "\\" + character for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "…": r"\dots{}"}
    | {MARK: r"$^\dagger$", "²": r"\textsuperscript{2}"}
)


@dataclass(frozen=True)
class Summary:
    """A summary that prints as a text table and shows as HTML in a notebook.

    Attributes:
        title: first line.
        header: pairs of a label and a value.
        columns: heads of the columns of numbers.
        rows: name of the parameter and one text per column.
        notes: sentences below the table.
        aside: head over the last two columns, which are set apart; empty where none are.
    """

    title: str
    header: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    aside: str = ""

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return self.as_text()

    def as_text(self) -> str:
        """Aligned text, at most 100 characters wide.

        Returns:
            Several lines.
        """
        body = self._body()
        width = max(len(line) for line in body)
        header = self._header(width)
        notes = [line for note in self.notes for line in _wrapped(note, width)]
        rule = "=" * width
        title = [line.center(width).rstrip() for line in textwrap.wrap(self.title, width)]
        parts = [*title, rule, *header, rule, *body, rule, *notes]
        return "\n".join(parts)

    def as_latex(self) -> str:
        """A `tabular` for the package booktabs.

        Returns:
            Several lines of LaTeX.
        """
        heads = " & ".join(_latex(head) for head in ("", *self.columns))
        lines = [r"\begin{tabular}{l" + "r" * len(self.columns) + "}", r"\toprule"]
        width = len(self.columns) + 1
        for label, value in self.header:
            text = rf"{_latex(label)}: {_latex(value)}"
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{{text}}} \\")
        lines += [r"\midrule", heads + r" \\", r"\midrule"]
        lines += [" & ".join(map(_latex, row)) + r" \\" for row in self.rows]
        lines += [r"\bottomrule", r"\end{tabular}", ""]
        return "\n".join(
            [f"% {self.title}", *lines, *(rf"{_latex(note)}\\" for note in self.notes)]
        )

    def as_html(self) -> str:
        """An HTML table.

        Returns:
            HTML without style sheets.
        """
        cells = "".join(f"<th>{html.escape(head)}</th>" for head in ("", *self.columns))
        head = "".join(
            f"<tr><th style='text-align:left'>{html.escape(label)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for label, value in self.header
        )
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(row[0])}</th>"
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<p><small>{html.escape(note)}</small></p>" for note in self.notes)
        return (
            f"<div><p><strong>{html.escape(self.title)}</strong></p><table>{head}</table>"
            f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>{notes}</div>"
        )

    def _repr_html_(self) -> str:
        return self.as_html()

    def _body(self) -> list[str]:
        """Head and rows of the table of parameters."""
        columns = range(1, len(self.columns) + 1)
        cells = [("", *self.columns), *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in columns]
        taken = sum(widths) + len(GAP) * len(widths) + (len(GAP) + 1 if self.aside else 0)
        names = min(max(len(row[0]) for row in cells), MAX_WIDTH - taken)
        names = max(names, MIN_WIDTH - taken)

        def line(row):
            numbers = [cell.rjust(w) for cell, w in zip(row[1:], widths, strict=True)]
            if self.aside:
                numbers.insert(len(numbers) - 2, "|")
            return GAP.join([f"{_cut(row[0], names):<{names}}", *numbers]).rstrip()

        length = max(map(len, map(line, cells)))
        lines = [line(cells[0]), "-" * length, *map(line, self.rows)]
        if not self.aside:
            return lines
        others = sum(widths[-2:]) + len(GAP)
        own = length - others - len(GAP) - 1
        return [f"{' ' * own}|{GAP}{self.aside:^{others}}".rstrip(), *lines]

    def _header(self, width: int) -> list[str]:
        """Header in two columns where both fit, in one where not."""
        half = (width - 4) // 2
        lines, waiting = [], None
        for label, value in self.header:
            text = f"{label}: {value}"
            wide = len(text) > half
            if waiting is not None and not wide:
                lines.append(_pair(*waiting, half) + " " * 4 + _pair(label, value, half))
                waiting = None
                continue
            if waiting is not None:
                lines.append(_pair(*waiting, half))
                waiting = None
            if wide:
                lines.extend(textwrap.wrap(text, width, subsequent_indent="    "))
            else:
                waiting = (label, value)
        return [*lines, *([_pair(*waiting, half)] if waiting is not None else [])]


def summarise(result: "RankRegressionResult") -> Summary:
    """Builds the summary of a fit.

    Args:
        result: the fit.

    Returns:
        Its summary.
    """
    others: tuple[VcovType, ...] = tuple(kind for kind in VCOV_TYPES if kind != result.vcov_type)
    mark = "" if result.vcov_type == "rank" else MARK
    columns = ("coef", "std err" + mark, "z", "P>|z|", "[0.025", "0.975]")
    shown, cut = _shown(result)
    interval = result.conf_int().to_numpy()
    numbers = (result.params, result.bse, result.zvalues, result.pvalues)
    coef, bse, z, p = (series.to_numpy() for series in numbers)
    side = [result.standard_errors(kind) for kind in others]
    rows = []
    for i in shown:
        if np.isnan(coef[i]):
            rows.append((result.names[i], "dropped", *[""] * 7))
            continue
        digits = decimals_of(bse[i])
        own = (
            number_text(coef[i], digits),
            number_text(bse[i], digits),
            _fixed(z[i]),
            _fixed(p[i]),
        )
        ends = (number_text(end, digits) for end in interval[i])
        naive = (number_text(errors[i], digits) for errors in side)
        rows.append((result.names[i], *own, *ends, *naive))
    return Summary(
        title=f"Rank regression: {result.formula.text}",
        header=_header(result),
        columns=(*columns, *(KIND_NAMES[kind] for kind in others)),
        rows=tuple(rows),
        notes=(*([cut] if cut else []), *_notes(result)),
        aside="other std err",
    )


def _shown(result):
    """Which coefficients a summary shows, and what it says of the rest."""
    num_groups, num_columns = max(len(result.groups), 1), len(result.columns)
    if num_groups * num_columns <= MAX_ROWS or not result.groups:
        return range(num_groups * num_columns), None
    first = max(MAX_ROWS // num_columns, 1)
    places = [c * num_groups + g for c in range(num_columns) for g in range(first)]
    return places, (
        f"The first {first} of {num_groups} groups are shown; .tidy() has all "
        f"{num_groups * num_columns} coefficients."
    )


def _header(result):
    formula = result.formula
    header = [
        ("Observations", f"{result.nobs:,}"),
        ("Dropped (missing)", f"{result.num_dropped:,}"),
    ]
    if result.num_ranked != result.nobs:
        header.append(("Ranked over", f"{result.num_ranked:,} rows"))
    if result.groups:
        header.append(("Groups", f"{len(result.groups):,} of {formula.group}"))
    header.append(("R²", f"{result.rsquared:.4f}" + (" (uncentred)" if _uncentred(result) else "")))
    header.append(("Tie weight", f"{result.tie_weight:g}"))
    for name, share in result.tie_shares.items():
        header.append((f"Tied, {name}", f"{100 * share:.1f} %"))
    header.append(("Std err", KIND_TEXTS[result.vcov_type]))
    if result.status != Status.OK:
        header.append(("Status", f"{result.status.name} (see below)"))
    return tuple(header)


def _uncentred(result):
    return bool(result.groups) or not result.formula.intercept


def _notes(result):
    notes = []
    if result.status != Status.OK:
        notes.append(f"{result.status.name}: {result.status_message}")
    if result.vcov_type != "rank":
        notes.append(
            f"WARNING: std err, z, P>|z| and the interval are inconsistent{MARK}; "
            "use vcov='rank' for inference."
        )
    notes.append(
        f"{MARK} Naive standard errors take the ranks for data. Ranks are estimated, so these are "
        "inconsistent, too small or too large (Chetverikov and Wilhelm, 2023); for comparison only."
    )
    if result.tie_shares.max() > 0:
        notes.append(
            "There are ties: the tie weight is part of what is estimated, so coefficients with "
            "another tie weight are other parameters."
        )
    if result.groups:
        notes.append("Ranks are pooled over all groups; the covariance is joint over groups.")
    return notes


def decimals_of(error: float) -> int | None:
    """Decimals that show two digits of a standard error.

    Args:
        error: the standard error.

    Returns:
        How many; None for the scientific form.
    """
    if not 1e-6 <= error < 1e6:
        return None
    exponent = math.floor(math.log10(error))
    return max(4 - exponent, 1) if exponent >= 0 else min(max(1 - exponent, 4), 6)


def number_text(value: float, decimals: int | None) -> str:
    """A number as it stands in a table.

    Args:
        value: the number.
        decimals: as `decimals_of` gives them.

    Returns:
        The text.
    """
    if not np.isfinite(value) or value == 0:
        return f"{value:.4g}"
    return f"{value:.3e}" if decimals is None else f"{value:.{decimals}f}"


def _fixed(value):
    """Three decimals, for z and p-values."""
    return f"{value:.3f}" if abs(value) < 1e5 or not np.isfinite(value) else f"{value:.2e}"


def _cut(name, width):
    """A name that is too long, cut in the middle."""
    if len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def _pair(label, value, width):
    return f"{label}:{value:>{width - len(label) - 1}}"


def _wrapped(note, width):
    return textwrap.wrap(note, width, subsequent_indent="  ")


def _latex(text):
    return text.translate(LATEX)
