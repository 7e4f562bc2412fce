import dataclasses
import re
from html.parser import HTMLParser

import pi_recipes
import pytest

from jaxpapers.experiments.elsewhere import closing_lines
from jaxpapers.experiments.report import report_page

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects elements, and checks that they nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def with_class(self, name):
        return [tag for tag, entry in self.elements if name in entry.get("class", "").split()]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_page_is_self_contained(finished):
    page = Page(finished.page)
    for tag in ("script", "link", "iframe", "object", "embed", "base"):
        assert not page.all(tag)
    assert all(entry["src"].startswith("data:image/png;base64,") for entry in page.all("img"))
    anchors = {entry["id"] for _, entry in page.elements if "id" in entry}
    assert page.all("a")
    for entry in page.all("a"):
        assert entry["href"][0] == "#"
        assert entry["href"][1:] in anchors
    style = finished.page.partition("<style>")[2].partition("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert not re.search(r"url\(|@import|https?:", style)


def test_pictures_have_words(finished):
    assert all(entry["alt"].strip() for entry in Page(finished.page).all("img"))


def test_one_tile_per_system_that_ran(finished):
    page = Page(finished.page)
    assert page.with_class("tile") == ["article", "article"]
    assert "Skew-t" not in page.text
    assert "Token auctions" not in page.text
    assert page.text.index("Regressions with ranks") < page.text.index("Claims")
    assert "The area of the quarter circle comes out as pi / 4." in page.text


def test_claims_table(finished):
    page = Page(finished.page)
    for heading in ("Claim", "Published", "Here ± s.e.", "Verdict", "Seconds"):
        assert heading in page.words
    assert re.search(r"0\.785398 0\.78\d+ ± 0\.000\d+ ✓ reproduced \d+\.\d", page.text)
    assert "10,000 points stand in." in page.text
    assert "cannot be tried here" in page.text
    assert "4 claims" in page.text


def test_failure_is_marked_and_escaped(finished):
    page = Page(finished.page)
    assert "failure" in {entry.get("class") for entry in page.all("p")}
    assert "ArithmeticError: the <third> experiment broke & says why" in page.text
    assert page.with_class("failed")


def test_details(finished):
    page = Page(finished.page)
    assert "First 12 of 40 rows." in page.text
    assert "ranks/short/shares.csv" in page.text
    assert "num_replicates = 40" in page.text
    assert "seed = 3" in page.text
    assert "run, " in page.text
    assert page.all("table")


def test_how_to_run_elsewhere(finished):
    text = Page(finished.page).text
    assert "jaxpapers reproduce games ranks --scale quick" in text
    assert 'pip install "jaxpapers[cuda13]"' in text
    assert "--scale paper" in text
    assert "without 1 failed experiment" in text


def test_claim_that_falls_short_is_red(finished):
    outcome = finished.result.outcomes[1]
    short = pi_recipes.PI.found(0.5, verdict="short", note="Too few points.")
    record = dataclasses.replace(outcome.record, claims=(short,))
    outcomes = (dataclasses.replace(outcome, record=record),)
    page = Page(report_page(dataclasses.replace(finished.result, outcomes=outcomes)))
    assert "span" in page.with_class("short")
    assert "✗ falls short" in page.text
    assert "Too few points." in page.text
    assert len(page.with_class("tile")) == 1


def test_claim_that_is_not_judged_is_neither_red_nor_green(finished):
    outcome = finished.result.outcomes[1]
    seen = pi_recipes.PI.found(0.5, verdict="observed", note="Nothing to hold it against.")
    record = dataclasses.replace(outcome.record, claims=(seen,))
    outcomes = (dataclasses.replace(outcome, record=record),)
    page = Page(report_page(dataclasses.replace(finished.result, outcomes=outcomes)))
    assert not {"span"} & {*page.with_class("short"), *page.with_class("reproduced")}
    assert "· observed" in page.text
    assert "Nothing to hold it against." in page.text


def with_seconds(finished, *, scale, seconds):
    """The finished reproduction, had its two experiments on ranks taken that long."""
    outcomes = [
        dataclasses.replace(
            outcome,
            record=dataclasses.replace(outcome.record, seconds_compile=1.0, seconds_run=run - 1.0),
        )
        for outcome, run in zip(finished.result.outcomes[1:], seconds, strict=True)
    ]
    outcomes = (finished.result.outcomes[0], *outcomes)
    return dataclasses.replace(finished.result, outcomes=outcomes, scale=scale)


def test_a_system_over_its_minute_is_red(finished):
    result = with_seconds(finished, scale="quick", seconds=(50.0, 10.5))
    assert result.over_budget == {"ranks": pytest.approx(60.5)}
    text = "✗ ranks 60.5 s; a system has 60 s at quick scale on 2 cores"
    assert closing_lines(result)["over budget"] == text
    page = Page(report_page(result))
    assert page.with_class("short") == ["span"]
    assert "3 experiments" not in page.text
    assert "2 experiments · 60.5 s ✗ over 60 s" in page.text


@pytest.mark.parametrize(
    ("scale", "seconds"), [("quick", (50.0, 9.5)), ("paper", (500.0, 10.0)), ("full", (61.0, 1.0))]
)
def test_within_a_minute_or_at_a_larger_scale_nothing_is_red(finished, scale, seconds):
    result = with_seconds(finished, scale=scale, seconds=seconds)
    assert result.over_budget == {}
    assert "over budget" not in closing_lines(result)
    assert not Page(report_page(result)).with_class("short")


def test_seconds_of_a_failure_count(finished):
    failed = dataclasses.replace(finished.result.outcomes[0], seconds_lost=61.0)
    result = dataclasses.replace(finished.result, outcomes=(failed,))
    assert result.over_budget == {"games": 61.0}
