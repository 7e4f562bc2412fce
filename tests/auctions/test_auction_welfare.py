"""Welfare, regrets and power means against their definitions."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import auctions, engine
from jaxpapers.auctions.welfare import PowerMean, measure, regret, total_value

pytestmark = pytest.mark.usefixtures("quick_compiles")
RNG = np.random.default_rng(21)
PROBS = RNG.dirichlet(np.full(6, 0.6), 3)
PLATFORM = RNG.dirichlet(np.full(6, 0.6))
BIDS = np.array([1.0, 0.5, 2.0])
RULES = {
    "linear": (auctions.LinearRule(0.75), lambda b: oracle.linear(b, PROBS, PLATFORM, 0.75)),
    "log-linear": (
        auctions.LogLinearRule(0.75),
        lambda b: oracle.log_linear(b, PROBS, PLATFORM, 0.75),
    ),
    "base": (auctions.BaseModelRule(1.5), lambda b: oracle.base_model(b, PROBS, PLATFORM, 1.5)),
}


@pytest.fixture(autouse=True)
def _double_precision():
    with engine.double_precision():
        yield


def welfare(name, q, bids=BIDS):
    if name == "base":
        gains = sum(b * q @ np.log(p / PLATFORM) for b, p in zip(bids, PROBS, strict=True))
        return gains - 1.5 * oracle.divergence(q, PLATFORM)
    pairs = [(p, q) if name == "linear" else (q, p) for p in (*PROBS, PLATFORM)]
    weights = (*bids, 0.75)
    return -sum(w * oracle.divergence(*pair) for w, pair in zip(weights, pairs, strict=True))


def found_regret(name, q, bids=BIDS):
    return regret(RULES[name][0], bids, np.log(PROBS), q, np.log(PLATFORM)).regret


@pytest.mark.parametrize("name", RULES)
def test_measures_are_those_of_the_definition(name):
    rule, reference = RULES[name]
    found = measure(rule, BIDS, np.log(PROBS), np.log(PLATFORM))
    q = reference(BIDS)
    to_own = [oracle.divergence(p, q) for p in PROBS]
    from_own = [oracle.divergence(q, p) for p in PROBS]
    np.testing.assert_allclose(found.divergences_to, to_own, rtol=1e-12)
    np.testing.assert_allclose(found.divergences_from, from_own, rtol=1e-12)
    np.testing.assert_allclose(found.distances, [oracle.distance(p, q) for p in PROBS], rtol=1e-12)
    assert found.pretraining == pytest.approx(-BIDS @ to_own, rel=1e-12)
    assert found.rlhf == pytest.approx(-BIDS @ from_own, rel=1e-12)
    assert found.platform_distance == pytest.approx(oracle.distance(q, PLATFORM), rel=1e-12)
    assert found.platform_divergence == pytest.approx(oracle.divergence(q, PLATFORM), rel=1e-12)
    assert found.entropy == pytest.approx(-q @ np.log(q), rel=1e-12)
    assert found.status == engine.Status.OK


def test_measures_in_single_precision_of_close_distributions():
    close = PROBS[0] * (1 + 1e-3 * np.array([1, -1, 1, -1, 1, -1]))
    probs = np.stack([PROBS[0], close / close.sum()])
    with jax.enable_x64(False):
        logs = np.asarray(np.log(probs), np.float32)
        found = measure(auctions.LinearRule(), np.array([0.0, 1.0], np.float32), logs)
    wanted = np.exp(np.float64(logs))
    wanted /= wanted.sum(axis=1, keepdims=True)
    exact = oracle.divergence(wanted[0], wanted[1])  # 5e-7, seven times the precision
    assert float(found.divergences_to[0]) == pytest.approx(exact, rel=2e-3)
    assert float(found.divergences_from[1]) < 1e-12


def test_without_a_platform_nothing_is_said_of_it():
    found = measure(auctions.LinearRule(), BIDS, np.log(PROBS))
    assert found.platform_distance is None
    assert found.platform_divergence is None


def test_zeros_make_welfare_infinite_only_where_somebody_bids():
    with np.errstate(divide="ignore"):
        logs = np.log([[0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]])
    both = measure(auctions.LinearRule(), np.array([1.0, 1.0, 0.0]), logs)
    assert both.rlhf == -np.inf
    assert both.pretraining == pytest.approx(-2 * (0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.5)))
    assert both.divergences_to[2] == np.inf
    one = measure(auctions.LinearRule(), np.array([1.0, 0.0, 0.0]), logs)
    assert one.rlhf == one.pretraining == 0
    assert not any(np.isnan(leaf).any() for leaf in jax.tree.leaves((both, one)))
    product = measure(auctions.LogLinearRule(), np.array([1.0, 1.0, 0.0]), logs)
    assert product.pretraining == -np.inf
    assert product.rlhf == pytest.approx(-2 * np.log(2))


def test_measures_pass_on_what_is_wrong():
    wrong = measure(auctions.LinearRule(), -BIDS, np.log(PROBS))
    assert wrong.status == engine.Status.INVALID_BIDS
    off = measure(auctions.LinearRule(), BIDS, np.log(2 * PROBS))
    assert off.status == engine.Status.NOT_A_DISTRIBUTION


@pytest.mark.parametrize("name", RULES)
def test_regret_is_the_loss_of_welfare_and_nothing_beats_the_rule(name):
    best = RULES[name][1](BIDS)
    others = np.random.default_rng(3).dirichlet(np.full(6, 0.6), 200)
    near = 0.999 * best + 0.001 * others[:20]
    mixtures = np.vstack([others, near, [q(BIDS) for _, q in RULES.values()]])
    found = np.asarray(jax.jit(jax.vmap(lambda q: found_regret(name, q)))(jnp.asarray(mixtures)))
    losses = welfare(name, best) - np.array([welfare(name, q) for q in mixtures])
    np.testing.assert_allclose(found, losses, rtol=1e-9, atol=1e-13)
    assert (found >= 0).all()
    assert (found[:200] > 0).all()
    assert found_regret(name, best) < 1e-15


@pytest.mark.parametrize("name", RULES)
def test_vcg_payment_is_the_regret_of_the_others(name):
    rule, reference = RULES[name]
    auctioned = rule, BIDS, np.log(PROBS), np.log(PLATFORM)
    _, paid = auctions.expected_charges(*auctioned, payment=auctions.VCG())
    for agent in range(3):
        others = np.where(np.arange(3) == agent, 0, BIDS)
        lost = found_regret(name, reference(BIDS), others)
        assert lost == pytest.approx(float(paid[agent]), rel=1e-11)


def test_regret_says_what_is_wrong():
    def status(rule, q, logs=None):
        logs = np.log(PROBS) if logs is None else logs
        return regret(rule, BIDS, logs, q)

    assert status(auctions.LinearRule(), 2 * PLATFORM).status == engine.Status.NOT_A_DISTRIBUTION
    negative = np.array([1.5, -0.5, 0, 0, 0, 0])
    assert status(auctions.LinearRule(), negative).status == engine.Status.NOT_A_DISTRIBUTION
    with np.errstate(divide="ignore"):
        logs = np.log(np.eye(3, 6))
    apart = status(auctions.LogLinearRule(), PLATFORM, logs)
    assert (apart.status, apart.regret) == (engine.Status.DISJOINT, 0)
    missing = np.array([0.5, 0.5, 0, 0, 0, 0])
    assert status(auctions.LinearRule(), missing).regret == np.inf


def test_regret_has_derivatives():
    def of(mixture):
        return regret(auctions.LinearRule(), BIDS, np.log(PROBS), mixture).regret

    mixture, move = jnp.asarray(PLATFORM), 1e-6 * np.array([1, -1, 0, 0, 0, 0])
    found = jax.jit(jax.grad(of))(mixture) @ move
    assert found == pytest.approx(float(of(mixture + move) - of(mixture - move)) / 2, rel=1e-7)


@jax.jit
def power_mean(exponent, bids=BIDS, probs=PROBS):
    return jnp.exp(PowerMean(exponent)(jnp.asarray(bids), jnp.log(probs), None))


def test_power_mean_is_that_of_the_definition():
    weights = BIDS / BIDS.sum()
    for exponent in (1.0, 0.5, 2e-3, 5e-4, 1e-9, 0.0, -5e-4, -0.7, -1.0, 2.0):
        if abs(exponent) < 1e-8:
            wanted = np.exp(weights @ np.log(PROBS))
        else:
            wanted = (weights @ PROBS**exponent) ** (1 / exponent)
        found = power_mean(jnp.asarray(exponent))
        np.testing.assert_allclose(found, wanted / wanted.sum(), rtol=1e-7)


def test_power_mean_minimises_its_divergence():
    exponent = 0.4

    def loss(q):
        gaps = [(1 - np.sum(p**exponent * q ** (1 - exponent))) for p in PROBS]
        return BIDS @ gaps / (exponent * (1 - exponent))

    best = np.asarray(power_mean(jnp.asarray(exponent)))
    others = np.random.default_rng(4).dirichlet(np.full(6, 0.6), 300)
    near = 0.99 * best + 0.01 * others
    assert all(loss(best) < loss(q) for q in (*others, *near))


def test_power_mean_at_the_edges():
    mean = jax.jit(lambda *arrays: PowerMean(-1.0)(*arrays))
    log_probs, platform = jnp.log(jnp.asarray(PROBS)), jnp.log(jnp.asarray(PLATFORM))
    nothing = jnp.zeros(3)
    np.testing.assert_allclose(np.exp(mean(nothing, log_probs, None)), PROBS.mean(axis=0))
    np.testing.assert_array_equal(mean(nothing, log_probs, platform), platform)
    apart = jnp.log(jnp.eye(3, 6))
    assert (mean(jnp.asarray(BIDS), apart, None) == -jnp.inf).all()
    moved = auctions.influence(auctions.CalledRule(PowerMean(-1.0)), BIDS, apart)
    assert moved.status == engine.Status.NOT_A_DISTRIBUTION


def test_total_value():
    np.testing.assert_array_equal(total_value(np.ones((2, 3)), np.full((2, 3), 0.25)), [0.75, 0.75])
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(2,\)"):
        total_value(np.ones(3), np.ones(2))


def test_mistakes():
    logs = np.log(PROBS)
    with pytest.raises(TypeError, match="rule must be a Rule"):
        measure("linear", BIDS, logs)
    with pytest.raises(TypeError, match="rule must be a Rule"):
        regret("linear", BIDS, logs, PLATFORM)
    called = auctions.CalledRule(PowerMean(1.0))
    with pytest.raises(TypeError, match="which maximise a welfare that is known; got CalledRule"):
        regret(called, BIDS, logs, PLATFORM)
    with pytest.raises(ValueError, match=r"mixture must have shape \(6,\), got \(2,\)"):
        regret(auctions.LinearRule(), BIDS, logs, np.ones(2))
    with pytest.raises(ValueError, match="bids and log_probs must agree in 'agent'"):
        measure(auctions.LinearRule(), np.ones(2), logs)
