"""Print the short table of a record, or put it into a page: `python benchmarks/summary.py RECORD`.

With `--page README.md` the table goes between the lines `<!-- summary SUITE -->` and
`<!-- end of summary SUITE -->` of that page.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report

HEADER = ("case", "contender", "wall", "CPU", "compile", "a second", "answer")


def format_time(seconds):
    """Return seconds with a unit, in three digits."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{report.format_seconds(seconds / unit)} {name}"
    return f"{seconds * 1e6:.3g} us"


def rows(case):
    """Return the rows of a case: who was timed, the fastest first, then who was not."""
    name = f"{case['case']}, {report.describe_size(case)}"
    found = [
        [
            name,
            contender["name"],
            format_time(contender["wall_median"]),
            format_time(contender["cpu_median"]),
            f"{report.format_seconds(contender['compile_seconds'])} s",
            f"{1 / contender['wall_median']:.3g}",
            report.describe_answer(contender),
        ]
        for contender in report.timed(case)
    ]
    for contender in case["contenders"]:
        if contender["status"] != "ok":
            found.append([name, contender["name"], contender["status"], *[""] * 3])
            found[-1].append(contender["why"])
    return found


def render(record):
    """Return the short table of a record, and below it where it was made."""
    lines = [report.format_row(HEADER), report.format_row(["---"] * len(HEADER))]
    lines += [report.format_row(row) for case in record["cases"] for row in rows(case)]
    lines += ["", report.environment_line(record)]
    return "\n".join(lines if record["publishable"] else [report.NOT_PUBLISHABLE, "", *lines])


def insert(page, suite, table):
    """Return a page with a table in its place.

    Raises:
        SystemExit: If the page has no place for the table of this suite.
    """
    first, last = f"<!-- summary {suite} -->", f"<!-- end of summary {suite} -->"
    before, is_begun, rest = page.partition(first)
    _, is_ended, after = rest.partition(last)
    if not (is_begun and is_ended):
        raise SystemExit(f"--page: it lacks the line {first} and after it {last}")
    return f"{before}{first}\n\n{table}\n\n{last}{after}"


def main(arguments=None):
    """Print the short table of a record, or put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, help="JSON record of run.py")
    parser.add_argument("--page", type=Path, help="Markdown page to put the table into")
    settings = parser.parse_args(arguments)
    record = json.loads(settings.record.read_text())
    if settings.page is None:
        print(render(record))
        return
    page = settings.page.read_text()
    settings.page.write_text(insert(page, record["suite"], render(record)))


if __name__ == "__main__":
    main()
