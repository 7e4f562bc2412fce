"""`jaxpapers auctions`: real processes, files they write, mistakes in one line."""

import numpy as np
import pandas as pd
import pytest
from processes import complaint, run

from jaxpapers import cli, frames


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_demo_as_a_process(folder):
    words = ["--bids", "1,2", "--pair", "rivals", "--num-tokens", "12", "--seed", "3"]
    printed = run("auctions", "demo", *words, "--output", "out")
    sold = frames.read_token_auction("out/auction.nc")
    assert (sold.agents, sold.num_tokens) == (("Gamma Airlines", "Theta Airlines"), 12)
    assert (sold.settings.seed, list(sold.bids)) == (3, [1, 2])
    assert printed.startswith(f"{sold.text}\n\n")
    assert sold.attribution_text() in printed
    assert str(sold.summary()) in printed
    assert printed.endswith("written to out: auction.nc, tokens.csv, attribution.png\n")
    assert max(map(len, sold.attribution_text().splitlines())) <= 80
    table = pd.read_csv("out/tokens.csv")
    pd.testing.assert_frame_equal(table, sold.tokens(), check_dtype=False, rtol=1e-14)
    assert (folder / "out" / "attribution.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((folder / "out").iterdir())) == 3


def test_sweep_as_a_process(folder):
    sizes = ["--num-shares", "3", "--num-texts", "2", "--num-tokens", "6", "--rule", "linear"]
    printed = run("auctions", "sweep", *sizes, "--output", "deep/out")
    table = pd.read_csv("deep/out/sweep.csv")
    assert list(table["lambda"]) == [0, 0.5, 1]
    assert set(table["rule"]) == {"linear"}
    np.testing.assert_array_equal(table["revenue"].iloc[[0, 2]], 0)
    lines = printed.splitlines()
    assert lines[0].split() == ["rule", "lambda", "revenue", "s.e.", "welfare", "s.e."]
    assert lines[-1] == "written to deep/out: sweep.csv, sweep.png"
    assert max(map(len, lines)) <= 80
    assert (folder / "deep" / "out" / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_check_as_a_process():
    sizes = ["--num-agents", "3", "--vocab-size", "4", "--num-restarts", "2", "--num-steps", "3"]
    printed = run("auctions", "check", "--rule", "linear", *sizes, "--seed", "5")
    assert printed.startswith("linear rule, 3 agents, 4 tokens, 2 searches\n\nNONE FOUND: ")
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.usefixtures("quick_compiles")
def test_a_certificate_is_printed(capsys):
    sizes = ["--num-restarts", "8", "--num-steps", "60"]
    assert cli.main(["auctions", "check", "--rule", "log-linear", *sizes]) == 0
    found = frames.check_rule(0, "log-linear", num_restarts=8, num_steps=60)
    assert capsys.readouterr().out == f"{found.report()}\n"
    assert "NOT MONOTONE: agent 1 says" in found.report()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo", "--bids", "1;2"], "bids is '1;2'; needed are numbers with commas between them"),
        (["demo", "--bids", "1,two"], "bids is '1,two'; needed are numbers"),
        (["demo", "--bids", "1"], "bids has 1 numbers for 2 agents; needed is one for each of"),
        (["demo", "--bids", "1,-2"], "the bid of 'Beta Resort' is -2.0; bids are finite"),
        (["demo", "--bids", "1,2", "--num-tokens", "0"], "num_tokens must be at least 1"),
        (["demo", "--bids", "1,2", "--seed", "-1"], "seed must be at least 0"),
        (["demo", "--bids", "1,2", "--output", "here.txt"], "here.txt is a file; needed is the"),
        (["sweep", "--output", "here.txt"], "here.txt is a file; needed is the name of a folder"),
        (["sweep", "--num-shares", "1"], "num_shares must be at least 2"),
        (["check", "--rule", "linear", "--num-agents", "1"], "num_agents must be at least 2"),
        (["demos"], "unknown verb of auctions 'demos': did you mean 'demo'?"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, words, message):
    (folder / "here.txt").write_text("old")
    assert message in complaint(capsys, "auctions", *words)
    assert (folder / "here.txt").read_text() == "old"
    assert [entry.name for entry in folder.iterdir()] == ["here.txt"]


@pytest.mark.parametrize(
    ("words", "missing"), [(["demo"], "--bids"), (["check"], "--rule")], ids=str
)
def test_required_arguments(words, missing, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["auctions", *words])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert missing in printed.out + printed.err


def test_unknown_choices_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["auctions", "demo", "--bids", "1,2", "--pair", "friends"])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert "partners" in printed.out + printed.err
