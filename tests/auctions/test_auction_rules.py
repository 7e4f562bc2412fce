"""Aggregation rules against their definitions, and the conventions at their edges."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import EXACT_ARITHMETIC

from jaxpapers import auctions, engine

BIDS = np.array([0.7, 0.0, 2.5])
RULES = {
    "linear": (auctions.LinearRule(0.5), lambda b, p, o: oracle.linear(b, p, o, 0.5)),
    "log-linear": (auctions.LogLinearRule(0.5), lambda b, p, o: oracle.log_linear(b, p, o, 0.5)),
    "base": (auctions.BaseModelRule(1.25), lambda b, p, o: oracle.base_model(b, p, o, 1.25)),
}


@pytest.fixture(autouse=True)
def _double_precision():
    with engine.double_precision():
        yield


def dirichlet(seed, *shape):
    return np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.7), shape[:-1])


def mixture(rule, bids, probs, platform=None):
    logs = None if platform is None else np.log(platform)
    with np.errstate(divide="ignore"):
        return np.exp(rule.log_mixture(bids, np.log(probs), logs))


@pytest.mark.parametrize("name", RULES)
def test_mixture_is_that_of_the_definition(name):
    rule, reference = RULES[name]
    probs, platform = dirichlet(0, 3, 6), dirichlet(1, 6)
    found = mixture(rule, BIDS, probs, platform)
    np.testing.assert_allclose(found, reference(BIDS, probs, platform), rtol=EXACT_ARITHMETIC)


def test_linear_example_of_the_paper():
    probs = np.array([[0.8, 0.2], [1, 0], [0, 1]])
    found = mixture(auctions.LinearRule(), np.array([1.0, 2, 2]), probs)
    np.testing.assert_allclose(found, [0.56, 0.44], rtol=EXACT_ARITHMETIC)


def test_log_linear_counter_example():
    probs = np.array([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]])
    found = mixture(auctions.LogLinearRule(), np.ones(2), probs)
    assert found[1] == pytest.approx(0.321731, abs=1e-6)


def test_called_rule_is_its_function():
    probs = dirichlet(2, 3, 5)

    def harmonic(bids, log_probs, platform):
        weights = bids / jnp.sum(bids)
        return jax.nn.log_softmax(-jnp.log(jnp.sum(weights[:, None] / jnp.exp(log_probs), axis=0)))

    found = mixture(auctions.CalledRule(harmonic), BIDS, probs)
    wanted = 1 / np.sum(BIDS[:, None] / probs, axis=0)
    np.testing.assert_allclose(found, wanted / wanted.sum(), rtol=EXACT_ARITHMETIC)


@pytest.mark.parametrize("rule", [auctions.LinearRule(), auctions.LogLinearRule()])
def test_nobody_bids(rule):
    probs, platform = dirichlet(3, 3, 5), dirichlet(4, 5)
    nothing = np.zeros(3)
    np.testing.assert_allclose(mixture(rule, nothing, probs), probs.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mixture(rule, nothing, probs, platform), platform, rtol=1e-12)


@pytest.mark.parametrize("rule", [auctions.LinearRule(), auctions.LogLinearRule()])
def test_bid_of_zero_vetoes_nothing(rule):
    probs = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    bids = np.array([0.0, 2.0])
    np.testing.assert_allclose(mixture(rule, bids, probs), probs[1], rtol=EXACT_ARITHMETIC)


@pytest.mark.parametrize(
    "rule", [auctions.LinearRule(), auctions.LogLinearRule(), auctions.BaseModelRule(2.0)]
)
def test_bids_of_very_different_size_in_single_precision(rule):
    with jax.enable_x64(False):
        probs, platform = dirichlet(5, 2, 6), dirichlet(6, 6)
        bids = np.array([1e-6, 1.0])
        logs = [jnp.asarray(np.log(x), jnp.float32) for x in (probs, platform)]
        found = auctions.influence(rule, jnp.asarray(bids, jnp.float32), *logs).influence
    reference = {
        auctions.LinearRule: lambda b: oracle.linear(b, probs, platform, 0.0),
        auctions.LogLinearRule: lambda b: oracle.log_linear(b, probs, platform, 0.0),
        auctions.BaseModelRule: lambda b: oracle.base_model(b, probs, platform, 2.0),
    }[type(rule)]
    wanted = [oracle.influence(reference, bids, i) for i in range(2)]
    np.testing.assert_allclose(found, wanted, rtol=2e-5)


def test_disjoint_supports_have_a_status():
    probs = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    with np.errstate(divide="ignore"):
        logs = np.log(probs)
    sold = auctions.clear(jax.random.key(0), auctions.LogLinearRule(), np.ones(2), logs)
    assert sold.status == engine.Status.DISJOINT
    np.testing.assert_allclose(sold.mixture, probs.mean(axis=0), rtol=EXACT_ARITHMETIC)
    np.testing.assert_array_equal(sold.payments, 0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(sold))


@pytest.mark.parametrize(
    ("bids", "probs", "status"),
    [
        ([1.0, -0.1], [[0.5, 0.5], [0.2, 0.8]], engine.Status.INVALID_BIDS),
        ([1.0, np.nan], [[0.5, 0.5], [0.2, 0.8]], engine.Status.INVALID_BIDS),
        ([1.0, np.inf], [[0.5, 0.5], [0.2, 0.8]], engine.Status.INVALID_BIDS),
        ([1.0, 0.0], [[0.5, 0.5], [0.2, 0.9]], engine.Status.NOT_A_DISTRIBUTION),
        ([1.0, 0.0], [[0.5, np.nan], [0.2, 0.8]], engine.Status.NOT_A_DISTRIBUTION),
    ],
)
@pytest.mark.parametrize("rule", [auctions.LinearRule(), auctions.LogLinearRule()])
def test_kernels_report_bad_values(rule, bids, probs, status):
    bids, logs = np.array(bids), np.log(np.array(probs))
    assert auctions.clear(jax.random.key(0), rule, bids, logs).status == status
    assert auctions.influence(rule, bids, logs).status == status
    assert auctions.expected_payments(rule, bids, logs).status == status


def test_identical_agents_move_nothing_and_pay_nothing():
    probs = np.tile(dirichlet(7, 6), (3, 1))
    for rule in (auctions.LinearRule(), auctions.LogLinearRule()):
        sold = auctions.clear(jax.random.key(1), rule, BIDS, np.log(probs))
        np.testing.assert_allclose(sold.influence, 0, atol=1e-14)
        np.testing.assert_allclose(sold.payments, 0, atol=1e-14)
        np.testing.assert_array_equal(sold.counterfactuals, sold.token)
        np.testing.assert_array_equal(sold.switch_status, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: auctions.LinearRule(-1.0), "reserve must be finite and at least 0, got -1.0"),
        (lambda: auctions.BaseModelRule(0.0), "temperature must be finite and above 0, got 0.0"),
        (lambda: auctions.LinearRule(1.0).log_mixture(np.ones(1), np.zeros((1, 1))),
         "the rule has reserve 1.0 but platform is None"),
        (lambda: auctions.BaseModelRule().log_mixture(np.ones(1), np.zeros((1, 1))),
         "BaseModelRule needs platform"),
        (lambda: auctions.LinearRule().log_mixture(np.ones(2), np.zeros((1, 1))),
         "bids and log_probs must agree in 'agent', got 2 and 1"),
        (lambda: auctions.LinearRule().log_mixture(np.ones(1), np.zeros((1, 3)), np.zeros(2)),
         "log_probs and platform must agree in 'vocab', got 3 and 2"),
        (lambda: auctions.LinearRule().log_mixture(np.ones(0), np.zeros((0, 3))),
         r"log_probs has shape \(0, 3\)"),
        (lambda: auctions.CalledRule(lambda b, p, o: b).aggregate(jnp.ones(1), jnp.zeros((1, 3))),
         r"function must give log q of shape \(3,\), got \(1,\)"),
    ],
)  # fmt: skip
def test_bad_rules_and_shapes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_things_that_are_no_rule_payment_or_sampler():
    args = jax.random.key(0), auctions.LinearRule(), np.ones(1), np.zeros((1, 1))
    with pytest.raises(TypeError, match="rule must be a Rule, got str"):
        auctions.clear(args[0], "linear", *args[2:])
    with pytest.raises(TypeError, match="payment must be a Payment, got str"):
        auctions.clear(*args, payment="second")
    with pytest.raises(TypeError, match="sampler must be a Sampler, got int"):
        auctions.clear(*args, sampler=3)
    with pytest.raises(TypeError, match="it needs a LinearRule"):
        auctions.clear(args[0], auctions.LogLinearRule(), *args[2:], sampler=auctions.Ancestral())
