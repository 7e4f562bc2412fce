"""Printed summaries: what they say, how wide they are, and that columns stand below their heads."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from frame_cases import make_table

from jaxpapers import frames
from jaxpapers.frames.summary import Summary

FORMULA = "r(y) ~ r(x) + w"


@pytest.fixture(scope="module")
def result():
    return frames.rank_regression(FORMULA, make_table(), tie_weight=0.5)


def test_header_and_notes(result):
    summary = result.summary()
    header = dict(summary.header)
    assert header["Observations"] == "60"
    assert header["Dropped (missing)"] == "3"
    assert header["Tie weight"] == "0.5"
    for name, share in result.tie_shares.items():
        assert header[f"Tied, {name}"] == f"{100 * share:.1f} %"
    assert header["Std err"] == "consistent, ranks estimated"
    text = " ".join(str(summary).split())
    assert "Ranks are estimated, so these are inconsistent, too small or too large" in text
    assert "There are ties: the tie weight is part of what is estimated" in text
    assert repr(summary) == str(summary) == summary.as_text()


def test_rows_hold_the_numbers_and_stand_in_columns(result):
    lines = str(result.summary()).splitlines()
    assert lines[0].strip() == f"Rank regression: {FORMULA}"
    heads = next(line for line in lines if "coef" in line)
    names = ["coef", "std err", "z", "P>|z|", "[0.025", "0.975]", "homosk.†", "HC1†"]
    ends = [heads.index(f" {name}") + len(name) + 1 for name in names]
    interval = result.conf_int()
    for name in result.names:
        row = next(line for line in lines if line.startswith(f"{name} "))
        numbers = [
            result.params[name], result.bse[name], result.zvalues[name], result.pvalues[name],
            *interval.loc[name],
            *(result.standard_errors(k)[list(result.names).index(name)] for k in ("iid", "HC1")),
        ]  # fmt: skip
        for end, number in zip(ends, numbers, strict=True):
            np.testing.assert_allclose(float(row[:end].split()[-1]), number, atol=6e-4)


def test_long_names_and_formulas_stay_inside_the_page():
    long = "a_covariate_with_a_name_that_goes_on_and_on_until_nobody_reads_it_any_more"
    table = make_table().rename(columns={"w": long})
    summary = frames.rank_regression(f"r(y) ~ r(x) + {long}", table).summary()
    text = str(summary)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" in text
    assert long in summary.as_latex().replace("\\_", "_")


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e3, 1e9])
def test_numbers_of_any_size_stay_inside_the_page(scale):
    table = make_table()
    text = str(frames.rank_regression(FORMULA, table.assign(w=table["w"] * scale)).summary())
    assert max(map(len, text.splitlines())) <= 100
    row = next(line for line in text.splitlines() if line.startswith("w "))
    assert float(row.split()[1]) != 0


def test_many_groups_are_cut(monkeypatch):
    result = frames.rank_regression(FORMULA, make_table(), by="g")
    assert len(result.summary().rows) == 9
    monkeypatch.setattr(frames.summary, "MAX_ROWS", 6)
    summary = result.summary()
    names = [f"{column}[{group}]" for column in result.columns for group in ("east", "north")]
    assert [row[0] for row in summary.rows] == names
    assert "The first 2 of 3 groups are shown; .tidy() has all 9 coefficients." in str(summary)
    assert dict(summary.header)["Groups"] == "3 of g"
    assert dict(summary.header)["R²"].endswith("(uncentred)")
    assert len(result.tidy()) == 9
    assert "Ranks are pooled over all groups" in str(summary)


def test_latex_is_escaped(result):
    table = make_table().rename(columns={"w": "100%_a&b"})
    latex = frames.rank_regression("r(y) ~ r(x) + `100%_a&b`", table).summary().as_latex()
    assert r"100\%\_a\&b & " in latex
    assert latex.count(r"\begin{tabular}{lrrrrrrrr}") == latex.count(r"\end{tabular}") == 1
    rows = [line for line in latex.splitlines() if line.startswith(("Intercept", "r(x)"))]
    assert all(row.count("&") == 8 and row.endswith(r"\\") for row in rows)
    assert r"\(P\textgreater{}" not in latex
    assert "†" not in latex


def test_html_is_well_formed(result):
    table = make_table().rename(columns={"w": "a<b"})
    summary = frames.rank_regression("r(y) ~ r(x) + `a<b`", table).summary()
    page = ElementTree.fromstring(summary._repr_html_())
    cells = [cell.text for cell in page.iter("th")]
    assert "a<b" in cells
    assert "homosk.†" in cells
    assert isinstance(summary, Summary)
