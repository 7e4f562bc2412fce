"""The timing harness on contenders of its own, then on the rank regressions at tiny sizes."""

import json
import time

import numpy as np
import pytest

from benchmarks import measure, report, run
from benchmarks.cases import rank_answers, ranks
from benchmarks.contenders import Case, Contender

REPEATS = 3


def right(result):
    del result
    return 0.0


def toy_case(contenders):
    return Case("toy", 10, "float64", lambda: contenders)


def measured(contenders):
    record = measure.measure_case(
        "ranks", toy_case(contenders), num_repeats=REPEATS, with_memory=False
    )
    return {contender["name"]: contender for contender in record["contenders"]}


def test_contenders_take_turns_after_their_first_run():
    turns = []
    contenders = [
        Contender(name, "a toy", lambda name=name: turns.append(name), right) for name in "AB"
    ]
    records = measured(contenders)
    assert "".join(turns) == "AB" + REPEATS * "AB"
    assert all(len(records[name]["wall_seconds"]) == REPEATS for name in "AB")


def test_wall_and_cpu_seconds_are_told_apart():
    def sleep_then_work():
        time.sleep(0.05)
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    record = measured([Contender("toy", "sleeps and works", sleep_then_work, right)])["toy"]
    assert record["wall_median"] > record["cpu_median"] + 0.03
    assert 0.02 <= record["cpu_median"] < 0.05
    low, high = record["wall_range"]
    assert low <= record["wall_median"] <= high


def test_first_run_is_kept_apart_from_the_timed_ones():
    waits = iter([0.2] + REPEATS * [0.0])
    contender = Contender("toy", "compiles", lambda: time.sleep(next(waits)), right)
    record = measured([contender])["toy"]
    assert record["compile_seconds"] > 0.15
    assert record["wall_median"] < 0.1


@pytest.mark.parametrize("error", [1.5, float("nan")])
def test_wrong_answer_is_not_timed(error):
    record = measured([Contender("toy", "is wrong", lambda: None, lambda result: error)])["toy"]
    assert record["status"] == "wrong"
    assert "of what is tolerated" in record["why"]
    assert "wall_median" not in record


def test_absent_contender_says_why():
    contender = Contender("toy", "absent", lambda: 1 / 0, right, why_missing="not here")
    record = measured([contender])["toy"]
    assert (record["status"], record["why"]) == ("not run", "not here")


def test_contender_may_time_itself():
    contender = Contender("toy", "elsewhere", lambda: (7.0, 8.0), right, seconds=tuple)
    record = measured([contender])["toy"]
    assert (record["wall_median"], record["cpu_median"]) == (7.0, 8.0)


def test_memory_of_a_contender_is_measured_in_its_own_process(monkeypatch, tmp_path):
    case = ranks.make_case("fit", 200_000)
    contender = next(c for c in case.build() if c.name == "NumPy")
    memory = measure.peak_memory("ranks", case, contender)
    assert memory["peak_mb"] > memory["before_mb"] > 0
    monkeypatch.setattr(measure, "PROBE", tmp_path / "absent.py")
    assert "absent.py" in measure.peak_memory("ranks", case, contender)["failed"]


@pytest.mark.parametrize("name", ["fit", "bootstrap"])
def test_ranks_at_tiny_sizes_are_right(name, monkeypatch):
    monkeypatch.setattr(ranks, "why_missing", lambda module: f"{module}: left out of this test")
    case = ranks.make_case(name, 1_200)
    with run.ready_process():
        record = measure.measure_case("ranks", case, num_repeats=1, with_memory=False)
    status = {contender["name"]: contender["status"] for contender in record["contenders"]}
    assert status["NumPy"] == "ok"
    assert status["jaxpapers, NumPy's order"] == "ok"
    assert status["numba"] == "not run"


def test_planted_defects_are_found():
    outcome, regressor = ranks.draw_sample(2_000)
    expected = rank_answers.Expected(outcome, regressor)
    params, cov = expected.fit
    assert rank_answers.fit_error((params, cov), expected.fit) == 0.0
    assert rank_answers.fit_error((params * (1 + 1e-8), cov), expected.fit) > 1.0
    assert rank_answers.fit_error(expected.hc1, expected.fit) > 1e3
    draws = np.random.default_rng(1).multivariate_normal(params, cov, 2_000)
    assert rank_answers.draws_error(draws, None, expected.fit) < 1.0
    wide = params + 1.3 * (draws - params)
    assert rank_answers.draws_error(wide, None, expected.fit) > 1.0
    errors = np.tile(np.sqrt(np.diag(cov)), (2_000, 1))
    assert rank_answers.draws_error(draws, errors, expected.fit) < 1.0
    assert rank_answers.draws_error(draws, 1.2 * errors, expected.fit) > 1.0
    with pytest.raises(AssertionError, match="off its definition by 2 tolerances"):
        rank_answers.require(2.0)


def test_run_writes_a_record_that_the_report_reads(tmp_path, monkeypatch, capsys):
    def cases(sizes):
        fast = Contender("jaxpapers", "ours", lambda: time.sleep(0.01), right)
        faster = Contender("peer", "theirs", lambda: None, right)
        return [Case("toy", size, "float64", lambda: [fast, faster]) for size in sizes]

    monkeypatch.setattr(ranks, "make_cases", cases)
    path = tmp_path / "records" / "ranks.json"
    arguments = ["ranks", "--sizes", "1e2", "2e2", "--repeats", "2", "--no-memory"]
    run.main([*arguments, "--cases", "toy", "--output", str(path)])
    record = json.loads(path.read_text())
    assert [case["size"] for case in record["cases"]] == [100, 200]
    assert record["environment"]["versions"]["jax"]
    assert record["environment"]["x64"]
    capsys.readouterr()
    report.main([str(path)])
    printed = capsys.readouterr().out
    assert "### toy (median of 2, float64)" in printed
    assert "- toy, n = 200: peer takes" in printed


def test_unknown_cases_and_sizes_are_refused(capsys):
    with pytest.raises(ValueError, match="case is 'nothing'; needed is one of fit"):
        ranks.make_case("nothing", 10)
    with pytest.raises(SystemExit, match="--cases: nothing; needed are some of toy"):
        run.select([toy_case([])], ["nothing"])
    with pytest.raises(SystemExit):
        run.parse_arguments(["ranks", "--output", "x.json", "--sizes", "0.5"])
    assert "needed is a whole number of at least 1" in capsys.readouterr().err


def test_names_of_cases_are_those_that_the_probe_can_build():
    cases = ranks.make_cases([1_000])
    assert {case.name for case in cases} <= set(ranks.BUILDERS)
    assert all(run.find_case("ranks", case.name, case.size).name == case.name for case in cases)
