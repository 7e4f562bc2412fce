"""Sweeps over rules against single auctions by definition."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import auctions, engine
from jaxpapers.auctions.frontier import frontier, pareto_efficient
from jaxpapers.auctions.welfare import PowerMean

pytestmark = pytest.mark.usefixtures("quick_compiles")
RNG = np.random.default_rng(61)
PROBS = RNG.dirichlet(np.full(6, 0.6), (4, 2))
PLATFORM = RNG.dirichlet(np.full(6, 0.6), 4)
BIDS = RNG.uniform(0.5, 2, (4, 2))
RESERVES = np.array([0.1, 0.5, 2.0])
TEMPERATURES = np.array([0.8, 3.0])


@pytest.fixture(autouse=True)
def _double_precision():
    with engine.double_precision():
        yield


def grids(scale=1.0):
    reserves, temperatures = jnp.asarray(scale * RESERVES), jnp.asarray(scale * TEMPERATURES)
    return [
        jax.vmap(auctions.LinearRule)(reserves),
        jax.vmap(auctions.LogLinearRule)(reserves),
        jax.vmap(auctions.BaseModelRule)(temperatures),
    ]


def swept(rules, bids=BIDS, platform=PLATFORM, **settings):
    base = None if platform is None else np.log(platform)
    return frontier(rules, bids, np.log(PROBS), base, **settings)


def by_definition(rule, number, auction):
    arrays = PROBS[auction], PLATFORM[auction], number
    return {
        "linear": lambda b: oracle.linear(b, *arrays),
        "log-linear": lambda b: oracle.log_linear(b, *arrays),
        "base": lambda b: oracle.base_model(b, *arrays),
    }[rule]


def settings():
    pairs = [(name, number) for name in ("linear", "log-linear") for number in RESERVES]
    return pairs + [("base", number) for number in TEMPERATURES]


def test_every_setting_is_the_mean_over_its_auctions():
    found = swept(grids(), payment=auctions.FirstPrice())
    for place, (name, number) in enumerate(settings()):
        rows = []
        for auction in range(4):
            bids, reference = BIDS[auction], by_definition(name, number, auction)
            q, base = reference(bids), PLATFORM[auction]
            value = sum(bids[i] * oracle.influence(reference, bids, i) for i in range(2))
            to_own = [oracle.divergence(p, q) for p in PROBS[auction]]
            from_own = [oracle.divergence(q, p) for p in PROBS[auction]]
            distances = oracle.distance(q, base), oracle.divergence(q, base)
            rows.append((value, -bids @ to_own, -bids @ from_own, *distances, -q @ np.log(q)))
        names = ("revenue", "pretraining", "rlhf")
        names += ("platform_distance", "platform_divergence", "entropy")
        for column, field in enumerate(names):
            wanted = np.mean(rows, axis=0)[column]
            assert getattr(found, field)[place] == pytest.approx(wanted, rel=1e-10), (name, field)
    np.testing.assert_allclose(found.value, found.revenue, rtol=1e-12)
    np.testing.assert_array_equal(found.status, engine.Status.OK)


def test_revenue_is_the_expected_second_price_by_default():
    found = swept(grids())
    for place, (name, number) in enumerate(settings()):
        if number == RESERVES[1]:
            continue
        rows = [
            oracle.myerson(by_definition(name, number, auction), BIDS[auction], agent)
            for auction in range(4)
            for agent in range(2)
        ]
        assert found.revenue[place] == pytest.approx(sum(rows) / 4, rel=1e-7)
    aims = np.stack([found.revenue, found.pretraining], axis=1)
    np.testing.assert_array_equal(found.is_efficient, efficient(aims))


def efficient(aims):
    return [not any((other >= own).all() and (other > own).any() for other in aims) for own in aims]


def test_pareto_efficiency_is_that_of_the_definition():
    aims = np.random.default_rng(0).integers(0, 5, (40, 3)).astype(float)
    aims[7] = -np.inf
    np.testing.assert_array_equal(pareto_efficient(jnp.asarray(aims)), efficient(aims))
    assert 0 < np.sum(efficient(aims)) < 40


def test_single_rules_rules_of_the_user_and_no_platform():
    power = jax.vmap(lambda r: auctions.CalledRule(PowerMean(r)))(jnp.asarray([1.0, 0.0]))
    found = swept([auctions.LinearRule(), power], platform=None, payment=auctions.FirstPrice())
    assert found.platform_distance is None
    assert found.revenue.shape == (3,)
    assert found.revenue[0] == pytest.approx(float(found.revenue[1]), rel=1e-12)
    assert found.entropy[0] == pytest.approx(float(found.entropy[1]), rel=1e-12)
    entropies = []
    for probs, bids in zip(PROBS, BIDS, strict=True):
        q = oracle.log_linear(bids, probs)
        entropies.append(-q @ np.log(q))
    assert found.entropy[2] == pytest.approx(np.mean(entropies), rel=1e-12)


def test_the_most_serious_status_of_a_setting_is_kept():
    bids = BIDS.copy()
    bids[2, 1] = -1
    found = swept(grids(), bids, payment=auctions.FirstPrice())
    np.testing.assert_array_equal(found.status, engine.Status.INVALID_BIDS)


def test_batches_and_single_precision():
    payment = auctions.FirstPrice()
    found = swept(grids()[:1], payment=payment)
    with jax.enable_x64(False):
        arrays = (np.float32(x) for x in (BIDS, np.log(PROBS), np.log(PLATFORM)))
        single = frontier(grids()[:1], *arrays, payment=payment, batch_size=3)
    assert single.revenue.dtype == jnp.float32
    np.testing.assert_allclose(single.revenue, found.revenue, rtol=2e-5)


def test_new_numbers_do_not_compile(count_compiles):
    swept(grids(), payment=auctions.FirstPrice())
    grid = grids(1.5)
    with count_compiles() as compiles:
        swept(grid, 2 * BIDS, payment=auctions.FirstPrice())
    assert compiles.total == 0


def test_mistakes():
    with pytest.raises(TypeError, match="rules must be a Rule"):
        swept(["linear"])
    with pytest.raises(TypeError, match="payment must be a Payment"):
        swept(grids(), payment="first")
    with pytest.raises(ValueError, match="rules must hold at least one rule"):
        swept([])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        swept(grids(), batch_size=0)
    with pytest.raises(ValueError, match="bids and log_probs must agree in 'agent'"):
        swept(grids(), np.ones((4, 3)))
    with pytest.raises(ValueError, match="give at least one auction"):
        frontier(grids(), np.ones((0, 2)), np.ones((0, 2, 6)))
    with pytest.raises(ValueError, match="CalledRule has no number to sweep"):
        swept([auctions.CalledRule(lambda b, p, o: p[0])])
    with pytest.raises(ValueError, match="reserve must be finite and at least 0"):
        swept([jax.vmap(auctions.LinearRule)(jnp.asarray([0.5, -0.5]))])
    with pytest.raises(ValueError, match="temperature must be finite and above 0"):
        swept([jax.vmap(auctions.BaseModelRule)(jnp.zeros(2))])
    with pytest.raises(ValueError, match="reserves above 0 but platform is None"):
        swept(grids()[:1], platform=None)
