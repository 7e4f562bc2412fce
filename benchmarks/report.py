"""Print the tables of a benchmark's record: `python benchmarks/report.py results/ranks.json`."""

import argparse
import json
from pathlib import Path

OURS = "jaxpapers"
NOT_PUBLISHABLE = "**Not to be published: a quick run, to see that it runs.**"
ANSWER = "answer"
HEADER = ("contender", "wall s", "range", "CPU s", "compile s", "peak MB", "wall / ours")


def format_seconds(seconds):
    """Return seconds in three digits."""
    return f"{seconds:.3g}" if seconds < 1_000 else f"{seconds:.0f}"


def format_row(cells):
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def our_best(case):
    """Return the wall seconds of the fastest of our contenders, None if none was timed."""
    walls = [c["wall_median"] for c in timed(case) if c["name"].startswith(OURS)]
    return min(walls, default=None)


def timed(case):
    """Return the contenders of a case that were timed, the fastest first."""
    found = [contender for contender in case["contenders"] if contender["status"] == "ok"]
    return sorted(found, key=lambda contender: contender["wall_median"])


def contender_row(case, contender, *, with_answer):
    """Return the table's row of a contender that was timed."""
    ours = our_best(case)
    memory = contender.get("memory", {})
    ratio = "" if ours is None else f"{contender['wall_median'] / ours:.2f}"
    low, high = contender["wall_range"]
    answer = [describe_answer(contender)] if with_answer else []
    return format_row(
        [
            f"{case['size']:,}",
            contender["name"],
            format_seconds(contender["wall_median"]),
            f"{format_seconds(low)}–{format_seconds(high)}",
            format_seconds(contender["cpu_median"]),
            format_seconds(contender["compile_seconds"]),
            f"{memory['peak_mb']:.0f}" if "peak_mb" in memory else "",
            ratio,
            *answer,
        ]
    )


def describe_answer(contender):
    """Return what a record tells of a contender's answer, as words and numbers."""
    answer = contender.get("answer", {})
    return ", ".join(f"{name} {format_number(value)}" for name, value in answer.items())


def format_number(value):
    """Return a number of an answer: one decimal where it is large, else three digits."""
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def size_name(case):
    """Return what the size of a case is called; records of old have numbers of observations."""
    return case.get("size_name", "n")


def describe_size(case):
    """Return the size of a case as an equation."""
    return f"{size_name(case)} = {case['size']:,}"


def describe_other_sizes(case):
    """Return a line with the further sizes of a case, none if it has none."""
    sizes = case.get("other_sizes", {})
    words = [f"{name} = {size:,}" for name, size in sizes.items()]
    return [f"{describe_size(case)}: {', '.join(words)}."] if words else []


def table(cases):
    """Return the Markdown table of all sizes of a case, and below it who was not timed."""
    with_answer = any("answer" in c for case in cases for c in case["contenders"])
    header = [size_name(cases[0]), *HEADER, *([ANSWER] if with_answer else [])]
    lines = [format_row(header), format_row(["---"] * len(header))]
    left_out = []
    for case in cases:
        lines += [contender_row(case, c, with_answer=with_answer) for c in timed(case)]
        for contender in case["contenders"]:
            if contender["status"] != "ok":
                left_out.append(
                    f"- {contender['name']} at {describe_size(case)}: "
                    f"{contender['status']}, {contender['why']}."
                )
    return lines + (["", *left_out] if left_out else [])


def losses(cases):
    """Return a line for each case that peers won, with all that were faster than we."""
    lines = []
    for case in cases:
        ours = our_best(case)
        if ours is None:
            continue
        faster = [
            f"{contender['name']} takes {contender['wall_median'] / ours:.2f}"
            for contender in timed(case)
            if contender["wall_median"] < ours
        ]
        if faster:
            lines.append(
                f"- {case['case']}, {describe_size(case)}: {', '.join(faster)} of our time."
            )
    return lines


def environment_line(record):
    """Return where and with what a record was made, in a sentence."""
    environment = record["environment"]
    versions = [f"{name} {text}" for name, text in environment["versions"].items() if text]
    load = environment["load_average"]
    return (
        f"{environment['processor']}, {environment['num_cores']} cores, {environment['device']}; "
        f"Python {environment['python']}, {', '.join(versions)}; commit {environment['commit']}; "
        f"{environment['started']}; load at start {'unknown' if load is None else f'{load:.2f}'}; "
        f"allocator {environment['allocator']}, transparent huge pages "
        f"{environment['transparent_hugepages'] or 'unknown'}."
    )


def render(record):
    """Return the Markdown report of a record."""
    lines = [environment_line(record)]
    if not record["publishable"]:
        lines = [NOT_PUBLISHABLE, "", *lines]
    names = dict.fromkeys(case["case"] for case in record["cases"])
    for name in names:
        cases = [case for case in record["cases"] if case["case"] == name]
        repeats = min(case["num_repeats"] for case in cases)
        how = f"median of {repeats}, {cases[0]['dtype']}"
        if not record["publishable"]:
            how += ", quick run"
        sizes = [line for case in cases for line in describe_other_sizes(case)]
        lines += ["", f"### {name} ({how})", "", *([" ".join(sizes), ""] if sizes else [])]
        lines += table(cases)
    lost = losses(record["cases"])
    return "\n".join([*lines, "", "### Losses", "", *(lost or ["None."])])


def main(arguments=None):
    """Print the report of each record named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path, nargs="+", help="JSON records of run.py")
    for path in parser.parse_args(arguments).records:
        print(render(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
