"""Other formulations of our algorithms give the package's numbers, with ties and any tie weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.formulations import bootstrap_columns, fit_streamed, worlds_in_step
from jaxpapers import games, ranks

NUM_OBS = 500


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def tied_sample():
    generator = np.random.default_rng(8)
    regressor = generator.integers(0, 40, NUM_OBS).astype(float)
    return np.round(regressor / 5 + generator.standard_normal(NUM_OBS), 1), regressor


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(fit_streamed, "BLOCK_SIZE", 64)
    monkeypatch.setattr(bootstrap_columns, "COLUMNS", 10)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("tie_weight", [0.3, 1.0])
def test_other_formulations_agree_with_the_package(tie_weight):
    outcome, regressor = map(jnp.asarray, tied_sample())
    orders = ranks.rank_order(outcome), ranks.rank_order(regressor)
    weight = jnp.asarray(tie_weight)
    model = ranks.RankRegression(tie_weight=tie_weight)
    fit = ranks.fit(model, outcome, regressor)
    params, cov, _, residuals = fit_streamed.fit(*orders, weight, num_obs=NUM_OBS)
    np.testing.assert_allclose(params, fit.params, rtol=1e-12)
    np.testing.assert_allclose(cov, fit.cov, rtol=1e-10)
    np.testing.assert_allclose(residuals, fit.working_residuals, atol=1e-12)
    key = jax.random.key(4)
    draws = ranks.bootstrap(key, model, outcome, regressor, num_replicates=20)
    other = bootstrap_columns.bootstrap(key, *orders, weight, num_replicates=20)
    np.testing.assert_allclose(other, draws.params, rtol=1e-10)


def test_worlds_in_step_are_those_of_the_package():
    key, policy = jax.random.key(5), games.NearestExit()
    with jax.enable_x64(False):
        game = games.Evacuation(100)
        curves = worlds_in_step.escaped(key, game, policy, num_rounds=20, num_worlds=4)
        settings = {"num_rounds": 20, "num_worlds": 4, "batch_size": 4}
        found = games.replicate(key, game, policy, **settings)
    np.testing.assert_allclose(curves.mean(axis=0), found.mean["escaped"], rtol=1e-6)


def test_sessions_in_step_are_those_of_the_package():
    key = jax.random.key(6)
    with jax.enable_x64(False):
        market = games.QLearningMarket(decay=1e-3)
        greedy, states = worlds_in_step.sessions(key, market, num_sessions=2, num_periods=3_000)
        for index, own in enumerate(worlds_in_step.keys_of(key, 2)):
            settings = {"num_sessions": 1, "max_periods": 3_000, "patience": 3_001}
            found = games.q_learning_sessions(own, market, **settings)
            np.testing.assert_array_equal(greedy[index], found.strategies[0])
            assert states[index] == found.state[0]
