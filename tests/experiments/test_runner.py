import dataclasses
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pi_recipes
import pytest

import jaxpapers
from jaxpapers.experiments import Experiment, ExperimentResult, Picture, Table, reproduce
from jaxpapers.experiments.record import fingerprint_of, read_record

SETTINGS = {"quick": {"size": 1}, "paper": {"size": 2}, "full": {"size": 3}}


def recipe(run, name="probe", system="auctions", settings=SETTINGS):
    return Experiment(name, system, "A probe", (), run, settings, 2.0)


def answer(context):
    return ExperimentResult(
        "It ran.", (), tables={"probe": Table([{"dtype": jnp.ones(()).dtype.name}], "Probe.")}
    )


def run_quietly(experiments, folder, *, scale="quick", seed=0):
    stream = io.StringIO()
    result = reproduce(experiments, scale=scale, output=folder, seed=seed, stream=stream)
    return result, stream.getvalue()


def test_files_and_record(finished):
    folder = finished.folder / "ranks" / "short"
    record = json.loads((folder / "record.json").read_text())
    assert record["configuration"] == {"num_replicates": 40}
    assert record["sizes"] == {"num_points": pi_recipes.NUM_POINTS}
    assert (record["seed"], record["scale"], record["dtype"]) == (3, "quick", "float64")
    assert record["versions"]["jaxpapers"] == jaxpapers.__version__
    assert record["device"]
    assert record["commit"] is None or re.match(r"[0-9a-f]{40}", record["commit"])
    assert record["seconds_compile"] > 0.0
    assert record["seconds_run"] > 0.0
    assert record["resumed"] is False
    assert [claim["verdict"] for claim in record["claims"]] == ["reproduced", "cannot"]
    assert (folder / "shares.csv").read_text().count("\n") == 41
    assert (folder / "running-mean.png").read_bytes().startswith(b"\x89PNG")
    assert read_record(folder).claims[0].published == pytest.approx(0.7853982)


def test_table_keeps_all_digits(finished):
    record = read_record(finished.folder / "ranks" / "short")
    lines = (finished.folder / "ranks" / "short" / "shares.csv").read_text().splitlines()
    shares = [float(line.split(",")[1]) for line in lines[1:]]
    assert sum(shares) / len(shares) == pytest.approx(record.claims[0].here, rel=1e-14)


def test_failed_experiment_does_not_lose_the_others(finished):
    result = finished.result
    assert [entry.experiment.name for entry in result.failed] == ["broken"]
    assert result.exit_code == 1
    assert result.outcomes[1].record is not None
    assert result.outcomes[2].record is not None
    failure = (finished.folder / "games" / "broken" / "failure.txt").read_text()
    assert "Traceback" in failure
    assert not (finished.folder / "games" / "broken" / "record.json").exists()
    assert re.search(
        r"\[1/3\] games/broken  FAILED after \d+\.\d s: ArithmeticError: ", finished.printed
    )


def test_lines_while_running(finished):
    lines = finished.printed.splitlines()
    assert lines[2] == "[2/3] ranks/short  started …"
    assert re.fullmatch(r"\[2/3\] ranks/short  \d+\.\d s \(compile \d+\.\d s\)", lines[3])
    labels = [line[:16].strip() for line in lines[7:] if line[:16].strip()]
    assert labels == ["report", "seconds", "device", "on a GPU", "at paper scale"]
    assert str(finished.result.report) in finished.printed
    assert "jaxpapers reproduce games ranks --scale paper" in finished.printed
    assert "cuda13" in finished.printed


def test_paper_estimate_is_the_stated_sum(finished):
    from jaxpapers.experiments.elsewhere import paper_seconds

    records = [entry.record for entry in finished.result.outcomes[1:]]
    expected = sum(entry.seconds_compile + 10.0 * entry.seconds_run for entry in records)
    assert paper_seconds(finished.result) == pytest.approx(expected)
    assert paper_seconds(dataclasses.replace(finished.result, scale="paper")) is None


def test_checkpoints_are_removed(finished):
    assert [path.name for path in (finished.folder / ".checkpoints").iterdir()] == ["broken"]


def test_finished_experiments_are_not_run_again(tmp_path):
    runs = []

    def count(context):
        runs.append(context.scale)
        return answer(context)

    experiment = recipe(count)
    run_quietly([experiment], tmp_path)
    result, printed = run_quietly([experiment], tmp_path)
    assert runs == ["quick"]
    assert "auctions/probe  finished before (" in printed
    assert result.exit_code == 0
    assert not result.outcomes[0].ran
    assert not (tmp_path / ".checkpoints").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"scale": "paper"},
        {"settings": {**SETTINGS, "quick": {"size": 7}}},
        {"remove": "probe.csv"},
        {"remove": "record.json"},
    ],
    ids=str,
)
def test_anything_else_is_run_again(tmp_path, change):
    runs = []

    def count(context):
        runs.append(context.settings["size"])
        return answer(context)

    run_quietly([recipe(count)], tmp_path)
    if "remove" in change:
        (tmp_path / "auctions" / "probe" / change["remove"]).unlink()
    experiment = recipe(count, settings=change.get("settings", SETTINGS))
    run_quietly(
        [experiment], tmp_path, scale=change.get("scale", "quick"), seed=change.get("seed", 0)
    )
    assert len(runs) == 2


def test_edited_source_is_another_fingerprint(tmp_path):
    def load(text):
        path = tmp_path / "recipes.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("recipes", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return fingerprint_of(recipe(module.run), scale="quick", seed=0)

    first = load("def run(context):\n    return 1\n")
    assert load("def run(context):\n    return 1\n") == first
    assert load("def run(context):\n    return 2\n") != first


def test_outdated_files_are_removed(tmp_path):
    def other(context):
        return ExperimentResult("Again.", (), tables={"later": Table([{"a": 1}], "Later.")})

    run_quietly([recipe(answer)], tmp_path)
    mine = tmp_path / "auctions" / "probe" / "notes.txt"
    mine.write_text("of the user")
    run_quietly([recipe(other)], tmp_path)
    names = {path.name for path in mine.parent.iterdir()}
    assert names == {"later.csv", "record.json", "notes.txt"}


def test_verb_computes_in_double_precision(tmp_path, x64):
    run_quietly([recipe(answer)], tmp_path)
    text = (tmp_path / "auctions" / "probe" / "probe.csv").read_text()
    assert text == "dtype\nfloat64\n"
    assert jnp.ones(()).dtype == (jnp.float64 if x64 else jnp.float32)


def test_keys_depend_on_seed_and_name_only(tmp_path):
    keys = {}

    def note(context):
        keys[context.name, context.seed] = tuple(map(int, jax.random.key_data(context.key)))
        return answer(context)

    run_quietly([recipe(note, "one"), recipe(note, "two")], tmp_path, seed=5)
    both = dict(keys)
    keys.clear()
    run_quietly([recipe(note, "two")], tmp_path / "again", seed=5)
    run_quietly([recipe(note, "two")], tmp_path / "again", seed=6)
    assert keys["two", 5] == both["two", 5]
    assert len({both["one", 5], both["two", 5], keys["two", 6]}) == 3


def unregistered(context):
    return ExperimentResult("x", (pi_recipes.PI.found(1.0, verdict="short"),))


def without_rows(context):
    return ExperimentResult("x", (), tables={"t": Table([], "Empty")})


def untitled(context):
    from matplotlib.figure import Figure

    return ExperimentResult("x", (), figures={"f": Picture(Figure(), "Nothing.")})


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda context: {"a": 1}, "return an ExperimentResult"),
        (lambda context: ExperimentResult(" ", ()), "sentence is empty"),
        (lambda context: ExperimentResult("x", (), tables={"T 1": None}), "name of a table"),
        (unregistered, "not registered"),
        (without_rows, "no rows"),
        (untitled, "lacks a title"),
    ],
)
def test_faulty_results_are_failures(tmp_path, run, message):
    result, _ = run_quietly([recipe(run)], tmp_path)
    assert message in result.failed[0].message


def test_claim_left_open_is_a_failure(tmp_path):
    experiment = dataclasses.replace(recipe(answer), claims=(pi_recipes.PI,))
    result, _ = run_quietly([experiment], tmp_path)
    assert "without a verdict: ['The quarter circle" in result.failed[0].message


def test_current_folder_as_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result, _ = run_quietly([recipe(answer)], ".")
    assert result.report == tmp_path / "index.html"
    assert "--scale paper --output paper" in result.paper_command


def test_user_mistakes(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"unknown scale 'quik': did you mean 'quick'"):
        run_quietly([recipe(answer)], tmp_path, scale="quik")
    with pytest.raises(ValueError, match="which is a file"):
        run_quietly([recipe(answer)], tmp_path / "file")
    with pytest.raises(TypeError, match=r"seed is 0\.5: it must be a whole number"):
        run_quietly([recipe(answer)], tmp_path, seed=0.5)
    with pytest.raises(ValueError, match="nothing to reproduce"):
        run_quietly([], tmp_path)


def test_interruption_is_passed_on(tmp_path):
    def interrupt(context):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_quietly([recipe(interrupt)], tmp_path)


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_tables(finished, tmp_path):
    folder = tmp_path / "report"
    log = folder / "ranks" / "long" / "steps.log"
    command = [sys.executable, pi_recipes.__file__, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120.0
    while not (log.exists() and log.read_text().count("\n") >= 150):
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "ranks" / "long" / "record.json").exists()
    short_before = (folder / "ranks" / "short" / "record.json").read_bytes()
    lines_before = log.read_text().count("\n")

    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"\[1/2\] ranks/short  finished before \(", again.stdout)
    assert "[2/2] ranks/long  resumed …" in again.stdout
    assert (folder / "ranks" / "short" / "record.json").read_bytes() == short_before
    first_count = re.match(r"draws: (\d+)/600", log.read_text().splitlines()[lines_before])
    assert int(first_count[1]) > 100
    record = read_record(folder / "ranks" / "long")
    assert record.resumed
    assert not (folder / ".checkpoints").exists()
    for name in ("long/shares.csv", "short/shares.csv", "short/running-mean.png"):
        path = Path("ranks") / name
        assert (folder / path).read_bytes() == (finished.folder / path).read_bytes()
