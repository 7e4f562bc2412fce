"""The timing harness on contenders of its own, then on the rank regressions at tiny sizes."""

import importlib
import importlib.util
import json
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import allocator, measure, report, run
from benchmarks.cases import rank_answers, ranks
from benchmarks.compile_clock import compile_clock
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


def test_compiling_is_told_apart_from_what_else_a_first_run_does():
    sine = jax.jit(lambda x: jnp.sin(2.0 * x))
    waits = iter([0.2] + REPEATS * [0.0])

    def compile_and_sleep():
        time.sleep(next(waits))
        return sine(np.float32(1.0)).block_until_ready()

    sleeps = iter([0.2] + REPEATS * [0.0])
    records = measured(
        [
            Contender("compiles", "and sleeps", compile_and_sleep, right, compiler="jax"),
            Contender("sleeps", "at first", lambda: time.sleep(next(sleeps)), right),
        ]
    )
    first = records["compiles"]
    assert 0.0 < first["compile_seconds"] < first["first_run_seconds"] - 0.19
    assert first["wall_median"] < 0.1
    assert records["sleeps"]["compile_seconds"] == 0.0
    assert records["sleeps"]["first_run_seconds"] > 0.19


def test_steps_of_compiling_that_nest_are_counted_once():
    trace, compile_ = (f"/jax/core/compile/{step}" for step in ("trace", "backend_compile"))
    with compile_clock("jax") as clock:
        jax.monitoring.record_event_duration_secs(trace, 0.2)
        jax.monitoring.record_event_duration_secs(trace, 10.0)
        jax.monitoring.record_event_duration_secs("/jax/compilation_cache/cache_misses", 1e3)
        time.sleep(0.02)
        jax.monitoring.record_event_duration_secs(compile_, 0.01)
        assert clock.seconds == pytest.approx(10.01, abs=1e-6)
    before = clock.seconds
    with compile_clock(None) as other:
        jax.jit(lambda x: x - 3.0)(np.float32(1.0))
    assert (clock.seconds, other.seconds) == (before, 0.0)


def test_numba_is_heard_where_it_is_installed():
    if importlib.util.find_spec("numba") is None:
        with pytest.raises(ModuleNotFoundError, match="numba"), compile_clock("numba"):
            return
        return
    with compile_clock("numba") as clock:
        numba = importlib.import_module("numba")
        inner = numba.njit(lambda x: x + 1)
        outer = numba.njit(lambda x: inner(x) + inner(2.0 * x))
        started = time.perf_counter()
        assert outer(1.0) == 5.0
        elapsed = time.perf_counter() - started
    assert 0.0 < clock.seconds <= elapsed


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


def test_contender_without_a_job_is_not_run():
    record = measured([Contender("toy", "absent", why_missing="not here")])["toy"]
    assert record["status"] == "not run"
    with pytest.raises(AssertionError, match="without a job was run; needed is run, or why_miss"):
        measured([Contender("toy", "forgotten")])


def test_contender_may_time_itself():
    contender = Contender("toy", "elsewhere", lambda: (7.0, 8.0), right, seconds=tuple)
    record = measured([contender])["toy"]
    assert (record["wall_median"], record["cpu_median"]) == (7.0, 8.0)


def test_memory_and_compiling_are_measured_in_a_fresh_process(monkeypatch, tmp_path):
    case = ranks.make_case("fit", 3_000)
    contender = next(c for c in case.build() if c.name == "NumPy")
    found = measure.fresh_run("ranks", case, contender)
    assert found["memory"]["peak_mb"] >= found["memory"]["before_mb"] > 1.0
    assert found["compile_seconds"] == 0.0
    monkeypatch.setattr(measure, "PROBE", tmp_path / "absent.py")
    failed = measure.fresh_run("ranks", case, contender)
    assert list(failed) == ["memory"]
    assert "absent.py" in failed["memory"]["failed"]


def test_a_fresh_process_says_what_it_compiled_and_what_else_it_took():
    found = measure.probe(
        Contender(
            "toy",
            "compiles",
            lambda: jax.jit(lambda x: jnp.cos(3.0 * x))(np.float32(1.0)),
            memory=lambda result: {"result_mb": result.nbytes / 2**20},
            compiler="jax",
        )
    )
    assert found["compile_seconds"] > 0.0
    assert found["memory"]["peak_mb"] >= found["memory"]["before_mb"] > 1.0
    assert found["memory"]["result_mb"] == 4 / 2**20


def test_compiling_of_the_fresh_process_is_what_the_record_has(monkeypatch):
    fresh = {"compile_seconds": 5.0, "memory": {"peak_mb": 7.0}}
    monkeypatch.setattr(measure, "fresh_run", lambda suite, case, contender: fresh)
    case = toy_case([Contender("toy", "a toy", lambda: None, right)])
    record = measure.measure_case("ranks", case, num_repeats=1, with_memory=True)
    assert record["contenders"][0]["compile_seconds"] == 5.0
    assert record["contenders"][0]["memory"] == {"peak_mb": 7.0}


def test_peak_memory_where_the_system_has_no_proc(monkeypatch, tmp_path):
    from_proc = measure.resident_peak()
    monkeypatch.setattr(measure, "PROCESS_STATUS", tmp_path / "absent")
    assert measure.resident_peak() >= 0.9 * from_proc > 1.0
    monkeypatch.setattr(measure, "resource", None)
    with pytest.raises(
        RuntimeError, match=r"not known on \w+; needed is Linux or macOS: .*--no-mem"
    ):
        measure.resident_peak()


def tiny(name):
    """Status of each contender of a case at a tiny size, and its reason where it is not run."""
    case = ranks.make_case(name, 1_200)
    with run.ready_process():
        record = measure.measure_case("ranks", case, num_repeats=1, with_memory=False)
    return {c["name"]: c["why"] if "why" in c else c["status"] for c in record["contenders"]}


@pytest.mark.parametrize("name", ["fit", "bootstrap"])
def test_ranks_at_tiny_sizes_are_right(name, monkeypatch):
    without_numba = {"numba": "numba: left out of this test"}
    monkeypatch.setattr(ranks, "why_missing", without_numba.get)
    monkeypatch.setattr(ranks, "NUM_REPLICATES", 200)
    expected = {
        "jaxpapers, NumPy's order": "ok",
        "jaxpapers": "ok",
        "JAX, side by side" if name == "bootstrap" else "JAX, streamed": "ok",
        "NumPy": "ok",
        "numba": "numba: left out of this test",
        "statsmodels" if name == "bootstrap" else "statsmodels HC1": "ok",
    }
    found = tiny(name)
    csranks = found.pop("csranks")
    assert found == expected
    assert csranks == "ok" or re.match("R is not|the R package|slow: |it has no bootstrap", csranks)


def test_grouped_peers_at_a_tiny_size_are_right():
    contenders = {c.name: c for c in ranks.make_case("grouped-50", 1_200).build()}
    for name in ("NumPy", "statsmodels HC1"):
        answer = contenders[name].run()
        assert contenders[name].error(answer) <= 1.0
        wrong = contenders["statsmodels HC1" if name == "NumPy" else "NumPy"]
        assert wrong.error(answer) > 1e3


def test_every_case_has_every_peer_or_says_why_not():
    for name, reason in {
        "fit": None,
        "covariates": None,
        "grouped-50": "slow: at 1e5 a fit of 50 groups takes 140 s",
        "grouped-700": "slow: at 1e5 a fit of 50 groups takes 140 s",
        "bootstrap": "it has no bootstrap",
        "bootstrap-studentised": "it has no bootstrap",
    }.items():
        contenders = {c.name: c for c in ranks.make_case(name, 3_000).build()}
        peers = [peer.split(" ")[0] for peer in contenders if not peer.startswith("JAX, ")]
        assert peers == ["jaxpapers,", "jaxpapers", "NumPy", "numba", "statsmodels", "csranks"]
        assert reason is None or contenders["csranks"].why_missing.startswith(reason)
    naive = contenders["statsmodels"].why_missing
    assert naive == "its standard errors are not those of the draw"


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
    monkeypatch.setattr(run, "LEAST_REPEATS", 2)
    path = tmp_path / "records" / "ranks.json"
    arguments = ["ranks", "--sizes", "1e2", "2e2", "--no-memory", "--cases", "toy"]
    run.main([*arguments, "--output", str(path)])
    record = json.loads(path.read_text())
    assert record["publishable"]
    assert [case["num_repeats"] for case in record["cases"]] == [2, 2]
    assert [case["size"] for case in record["cases"]] == [100, 200]
    assert record["environment"]["versions"]["jax"]
    assert record["environment"]["x64"]
    capsys.readouterr()
    report.main([str(path)])
    printed = capsys.readouterr().out
    assert "### toy (median of 2, float64)" in printed
    assert "- toy, n = 200: peer takes" in printed
    assert f"; allocator {allocator.current()}, transparent huge pages " in printed
    assert "Not to be published" not in printed
    quick = ["ranks", "--sizes", "1e2", "--no-memory", "--quick", "--repeats", "1"]
    run.main([*quick, "--output", str(path)])
    assert not json.loads(path.read_text())["publishable"]
    capsys.readouterr()
    report.main([str(path)])
    printed = capsys.readouterr().out
    assert printed.startswith("**Not to be published: a quick run")
    assert "### toy (median of 1, float64, quick run)" in printed


def test_names_of_cases_are_those_that_the_probe_can_build():
    cases = ranks.make_cases([1_000])
    assert {case.name for case in cases} <= set(ranks.BUILDERS)
    assert all(run.find_case("ranks", case.name, case.size).name == case.name for case in cases)
