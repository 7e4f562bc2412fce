"""The copula benchmarks at tiny sizes: each case runs and checks its answer, and finds defects."""

import dataclasses
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import measure, run, summary, whole_fit
from benchmarks.calls import repeated
from benchmarks.cases import copula_answers, copula_contenders, copula_data, copula_fresh, copulas
from benchmarks.contenders import Case, Contender
from benchmarks.peers import copula_fits
from benchmarks.peers.copula_numpyro import LowRankSVI

REPOSITORY = run.SCRIPT.parents[1]
NUM_OBS = 40
NUM_ASSETS = 3


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(copula_data, "NUM_OBS", NUM_OBS)
    monkeypatch.setattr(copula_contenders, "NUM_CALLS", 2)
    monkeypatch.setattr(copula_contenders, "SCAN_LENGTH", 3)
    monkeypatch.setattr(copulas, "BATCH_ASSETS", NUM_ASSETS)
    with run.ready_process():
        yield


def measured(case):
    record = measure.measure_case("copulas", case, num_repeats=1, with_memory=False)
    return record, {contender["name"]: contender for contender in record["contenders"]}


@pytest.fixture(scope="module")
def exact():
    """A tiny sample and its log posterior by quadrature, compiled once."""
    with pytest.MonkeyPatch.context() as patch, run.ready_process():
        patch.setattr(copula_data, "NUM_OBS", NUM_OBS)
        return copula_answers.Exact(copula_data.draw_sample(NUM_ASSETS))


class Bowl:
    """A model whose posterior is a normal with independent parameters."""

    num_params = 3

    def log_prob(self, params, observed):
        return -0.5 * jnp.sum((params - observed) ** 2)


def test_gradients_are_right(exact, monkeypatch):
    monkeypatch.setattr(copulas, "Exact", lambda sample: exact)
    for name in ("our_scan", "numpyro_step"):
        absent = Contender(name, "tested on a bowl", why_missing="slow to compile")
        monkeypatch.setattr(copulas, name, lambda *problem, absent=absent: absent)
    record, found = measured(copulas.make_case("gradient", NUM_ASSETS))
    assert {name: each["status"] for name, each in found.items()} == {
        "jaxpapers": "ok",
        "our_scan": "not run",
        "quadrature": "ok",
        "numpyro_step": "not run",
    }
    assert (record["size"], record["size_name"]) == (NUM_ASSETS, "d")
    assert record["other_sizes"] == {"n": NUM_OBS, "K": 1, "parameters": 7}
    answer = found["jaxpapers"]["answer"]
    assert answer["relative error"] <= copula_answers.GRADIENT_TOLERANCE
    assert answer["XLA Mflop"] > 0.01


def test_gradients_in_a_scan_are_right():
    observed = jnp.asarray([1.0, -2.0, 0.5])
    sample = copula_data.Sample(Bowl(), jnp.zeros(3), observed)
    for gradient, is_right in ((observed, True), (observed + 1e-4, False)):
        exact = types.SimpleNamespace(gradient=np.asarray(gradient))
        contender = copula_contenders.our_scan(sample, exact, observed)
        calls = contender.run()
        assert calls.answer.shape == (3, 3)
        assert (contender.error(calls) <= 1.0) == is_right
        assert (contender.facts(calls)["answer"]["relative error"] <= 1e-11) == is_right


def test_steps_of_numpyro_are_right():
    observed = jnp.asarray([1.0, -2.0, 0.5])
    sample = copula_data.Sample(Bowl(), jnp.zeros(3), observed)
    exact = types.SimpleNamespace(
        value_error=lambda params, value: float(abs(value - Bowl().log_prob(params, observed)))
    )
    contender = copula_contenders.numpyro_step(sample, exact, observed)
    calls = contender.run()
    assert contender.error(calls) <= 1e-12
    assert contender.seconds(calls) == calls.seconds
    svi = LowRankSVI(Bowl(), learning_rate=0.01)
    state, _ = svi.make_steps(2_000)(svi.start(jax.random.key(0), observed), observed)
    np.testing.assert_allclose(svi.center(state), observed, atol=0.15)
    draws, values, terms = svi.elbo_terms(jax.random.key(1), state, observed, 200, 10)
    np.testing.assert_allclose(values[3], Bowl().log_prob(draws[3], observed), rtol=1e-12)
    evidence = 1.5 * np.log(2 * np.pi)
    assert evidence - 0.3 < np.mean(terms) < evidence + 0.1


@pytest.mark.acceptance
def test_batches_are_right(exact, monkeypatch):
    build = dict(copulas.BUILDERS, batch=lambda size: copulas.build_batch(size, num_assets=3))
    monkeypatch.setattr(copulas, "BUILDERS", build)
    monkeypatch.setattr(copulas, "Exact", lambda sample: exact)
    monkeypatch.setattr(copulas, "ASSETS_OF_BATCHES", {"batch": NUM_ASSETS})
    record, found = measured(copulas.make_case("batch", 2))
    assert [each["status"] for each in found.values()] == ["ok", "ok"]
    assert (record["size_name"], record["other_sizes"]["d"]) == ("vectors", NUM_ASSETS)


def test_planted_defects_are_found(exact, monkeypatch):
    sample, gradient = exact.sample, exact.gradient
    monkeypatch.setattr(copula_answers, "Exact", lambda sample: exact)
    assert copula_answers.gradient_error(gradient, gradient) == 0.0
    assert copula_answers.gradient_error(gradient * (1 + 1e-5), gradient) > 1.0
    value = float(exact.at(sample.params)[0])
    facts = {"ELBO": value - 3, "mode": value + 2}
    pair = sample.params[None], [value]
    assert copula_answers.model_fit_error(sample, facts, *pair) <= 1.0
    assert copula_answers.model_fit_error(sample, facts, pair[0], [value + 0.01]) > 1.0
    below, infinite = {"mode": value - 1}, {"ELBO": float("nan")}
    assert copula_answers.model_fit_error(sample, facts | below, *pair) == float("inf")
    assert copula_answers.model_fit_error(sample, facts | infinite, *pair) == float("inf")


def test_log_likelihoods_of_other_packages_are_held_to_a_gaussian_copula():
    scores = np.random.default_rng(3).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 500)
    u = np.asarray(jax.scipy.special.ndtr(scores))
    expected = -0.5 * 500 * np.log(1 - 0.8**2)
    found = copula_answers.gaussian_log_likelihood(u)
    np.testing.assert_allclose(found, expected, rtol=0.15)
    assert copula_answers.likelihood_error(u, found) <= 1.0
    assert copula_answers.likelihood_error(u, 0.5 * found) > 1.0
    assert copula_answers.likelihood_error(u, float("nan")) == float("inf")


CHILD = """
import json, sys
import numpy as np
given = np.load(sys.argv[2])
words = {"name": sys.argv[1], "shape": given["u"].shape, "steps": int(given["num_steps"])}
print("noise of the fit")
print(json.dumps({"wall": 7.0, "cpu": 8.0, "compile_seconds": 2.0, "memory": {"peak_mb": 3.0},
                  "answer": words, "error": 0.5}))
"""


def test_whole_fits_tell_their_own_seconds(monkeypatch, tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    monkeypatch.setattr(copula_fresh, "SCRIPT", script)
    case = copulas.make_case("fit", NUM_ASSETS)
    assert (case.most_repeats, case.is_fresh) == (3, True)
    contenders = {contender.name: contender for contender in case.build()}
    for name in ("pyvinecopulib", "copulae", "copulax"):
        why = contenders[name].why_missing
        assert why is None or why == f"{name} is not installed"
    only = dataclasses.replace(case, build=lambda: [contenders["jaxpapers"]])
    found = measured(only)[1]["jaxpapers"]
    assert (found["status"], found["wall_seconds"], found["cpu_seconds"]) == ("ok", [7.0], [8.0])
    assert (found["compile_seconds"], found["memory"]) == (2.0, {"peak_mb": 3.0})
    words = {"name": "jaxpapers", "shape": [NUM_OBS, NUM_ASSETS], "steps": copula_fresh.NUM_STEPS}
    assert found["answer"] == words


def test_a_whole_fit_is_measured_and_judged(exact):
    facts = {"ELBO": -1.0}
    fitted = facts, exact.sample.params[None], [0.0]
    found = whole_fit.measured(lambda: fitted, lambda found: (found[0], 0.25))
    assert (found["answer"], found["error"], found["compile_seconds"]) == (facts, 0.25, 0.0)
    assert 0.0 <= found["wall"] < 1.0
    assert found["memory"]["peak_mb"] >= found["memory"]["before_mb"] > 1.0


def test_whole_fits_of_the_factor_model_are_called(monkeypatch, exact):
    def fit(key, u, model, *, num_steps, num_draws):
        del key
        assert (u.shape, model.num_factors, num_steps, num_draws) == ((NUM_OBS, 3), 1, 20, 100)
        value = exact.at(exact.sample.params)[0]
        return {"ELBO": -1.0, "mode": float(value)}, exact.sample.params[None], value[None]

    monkeypatch.setattr(copula_fits, "fit", fit)
    monkeypatch.setattr(copula_answers, "Exact", lambda sample: exact)
    given = {"u": exact.sample.u, "params": exact.sample.params, "num_factors": 1}
    call, judge = whole_fit.fit_model("jaxpapers", given | {"num_steps": 20, "num_draws": 100})
    facts, error = judge(call())
    assert (facts["ELBO"], error <= 1.0) == (-1.0, True)


@pytest.mark.slow
@pytest.mark.benchmark
def test_whole_fits_run_in_a_fresh_process(monkeypatch):
    monkeypatch.setattr(copula_fresh, "NUM_STEPS", 20)
    monkeypatch.setattr(copula_fresh, "NUM_DRAWS", 100)
    for contender in copulas.make_case("fit", NUM_ASSETS).build()[:2]:
        found = contender.run()
        assert contender.error(found) <= 1.0
        assert found["compile_seconds"] > 0.1
        assert np.isfinite(found["answer"]["ELBO"])


def test_large_whole_fits_leave_out_who_would_be_slow():
    assert copula_fresh.missing("json", 17, 17) is None
    assert copula_fresh.missing("json", 30, 17) == "slow: up to 17 assets only"
    assert copula_fresh.missing("nothing_of_this_name", 3, 17).endswith("is not installed")


def test_seconds_are_those_of_one_job():
    calls = []
    found = repeated(lambda: calls.append(0) or 7.0, 4, jobs_per_call=5)
    assert (len(calls), found.answer) == (4, 7.0)
    assert found.seconds == (found.wall, found.cpu)
    assert 0.0 <= found.wall < 0.01


def test_a_case_of_fresh_processes_counts_its_first_run():
    turns = []
    contender = Contender("toy", "a toy", lambda: turns.append(0), lambda result: 0.0)
    case = Case("toy", 1, "float64", lambda: [contender], most_repeats=2, is_fresh=True)
    record = measure.measure_case("copulas", case, num_repeats=9, with_memory=False)
    assert record["num_repeats"] == len(turns) == 2
    assert len(record["contenders"][0]["wall_seconds"]) == 2


def test_names_of_cases_are_those_that_the_probe_can_build():
    cases = copulas.make_cases([10])
    assert {case.name for case in cases} <= set(copulas.BUILDERS)
    assert all(run.find_case("copulas", case.name, case.size).name == case.name for case in cases)
    assert [case.size for case in cases if case.name == "gradient"] == [5, 30, 93]
    assert cases[2].other_sizes == {"n": NUM_OBS, "K": 15, "parameters": 1384}
    with pytest.raises(ValueError, match="case is 'nothing'; needed is one of gradient"):
        copulas.make_case("nothing", 3)


def test_the_short_table_goes_into_its_place_in_a_page(tmp_path, capsys):
    contenders = [
        {"name": "jaxpapers", "status": "ok", "wall_median": 0.004, "cpu_median": 5e-5},
        {"name": "peer", "status": "not run", "why": "peer is not installed"},
    ]
    contenders[0] |= {"compile_seconds": 7.5, "answer": {"relative error": 4.9e-7, "ELBO": 544.64}}
    case = {"case": "gradient", "size": 93, "size_name": "d", "contenders": contenders}
    table = summary.render({"publishable": True, "cases": [case], "environment": ENVIRONMENT})
    assert (
        "| gradient, d = 93 | jaxpapers | 4 ms | 50 us | 7.5 s | 250 "
        "| relative error 4.9e-07, ELBO 544.6 |"
    ) in table
    assert "| gradient, d = 93 | peer | not run |  |  |  | peer is not installed |" in table
    page = "a\n<!-- summary x -->\nold\n<!-- end of summary x -->\nb\n"
    once = summary.insert(page, "x", table)
    assert "old" not in once
    assert summary.insert(once, "x", table) == once
    with pytest.raises(SystemExit, match="it lacks the line <!-- summary y -->"):
        summary.insert(page, "y", table)


ENVIRONMENT = {
    "processor": "P",
    "num_cores": 2,
    "device": "cpu",
    "python": "3",
    "versions": {"jax": "1"},
    "commit": "c",
    "started": "now",
    "load_average": 1.0,
    "allocator": "default",
    "transparent_hugepages": None,
}


def test_core_packages_are_enough_to_start():
    absent = ("pyvinecopulib", "copulae", "copulax", "numba", "pandas", "matplotlib", "statsmodels")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent}))\n"
        "from benchmarks import run, summary, whole_fit\n"
        "from benchmarks.cases import copulas\n"
        "print(len(copulas.make_cases([10])) >= 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
