"""`jaxpapers games`: real processes, files they write, mistakes in one line."""

import pandas as pd
import pytest
from processes import complaint, run

from jaxpapers import cli

MAP = "######\nA....#\n#....B\n######\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_evacuation_as_a_process(folder):
    (folder / "room.txt").write_text(MAP)
    words = ["play", "evacuation", "--agents", "6", "--rounds", "12", "--talk"]
    files = ["--room", "room.txt", "--gif", "deep/out.gif", "--output", "rounds.csv"]
    printed = run("games", *words, *files)
    assert "6 of 6 escaped" in printed
    assert printed.endswith("written to deep/out.gif\nwritten to rounds.csv\n")
    assert (folder / "deep" / "out.gif").read_bytes().startswith(b"GIF89a")
    table = pd.read_csv("rounds.csv")
    assert table["escaped"].iloc[-1] == 6


def test_sessions_as_a_process(folder):
    printed = run("games", "calvano", "--sessions", "2", "--decay", "0.02", "--output", "found.csv")
    assert "ollusion index" in printed
    assert len(pd.read_csv("found.csv")) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["play", "beauty", "--gif", "out.gif"], "gif is given, but beauty has no room to replay"),
        (["play", "evacuation", "--gif", "out.png"], "gif is out.png; needed is a file ending in"),
        (["play", "beauty", "--output", "here.txt"], "output is here.txt; needed is a file ending"),
        (["play", "beauty", "--rounds", "0"], "num_rounds must be at least 1, got 0"),
        (["play", "beauty", "--agents", "0"], "num_agents must be at least 1, got 0"),
        (["play", "beauty", "--policy", "guessing"], "guessing"),
        (["play", "evacuation", "--persona", "kind"], "kind"),
        (["play", "evacuation", "--room", "nowhere.txt"], "nowhere.txt"),
        (["play", "evacuation", "--room", "here.txt"], "here.txt"),
        (["play", "evacuation", "--agents", "2000"], "2000"),
        (["calvano", "--sessions", "0"], "num_sessions must be at least 1"),
        (["calvano", "--firms", "9"], "num_firms"),
        (["calvano", "--learning-rate", "2"], "learning_rate"),
        (["plays"], "unknown verb of games 'plays': did you mean 'play'?"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, words, message):
    (folder / "here.txt").write_text("old")
    assert message in complaint(capsys, "games", *words)
    assert [entry.name for entry in folder.iterdir()] == ["here.txt"]


def test_unknown_games_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["games", "play", "chess"])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert "evacuation" in printed.out + printed.err
