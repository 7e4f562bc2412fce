"""Demand against the consumer's problem, and best prices against a search by scipy."""

import jax
import jax.numpy as jnp
import market_reference as reference
import numpy as np
import pytest
import tolerances

from jaxpapers import engine
from jaxpapers.games.demand import as_number, common_dtype
from jaxpapers.games.linear_demand import LinearDemand
from jaxpapers.games.logit_demand import LogitDemand
from jaxpapers.games.solve import best_response

pytestmark = pytest.mark.usefixtures("quick_compiles")
NUM_CASES = 3_000
GOODS = np.array([2.0, 1.5, 2.4])


def linear_cases(seed, num_cases):
    """Intercepts, slopes (substitutes and complements), costs and prices, ties among them."""
    rng = np.random.default_rng(seed)
    intercept = rng.uniform(5, 20, num_cases)
    own = np.exp(rng.uniform(np.log(0.003), np.log(0.03), num_cases))
    cross = own * rng.uniform(-0.95, 0.95, num_cases)
    costs = intercept[:, None] * rng.uniform(0, 1.15, (num_cases, 2))
    prices = intercept[:, None] * rng.uniform(0, 1.4, (num_cases, 2))
    tied = rng.uniform(size=num_cases) < 0.1
    prices[tied, 1] = prices[tied, 0]
    return intercept, own, cross, costs, prices


@jax.jit
@jax.vmap
def linear_sold(intercept, own, cross, prices):
    return LinearDemand(intercept, own, cross).quantities(prices)


@jax.jit
@jax.vmap
def linear_best(intercept, own, cross, costs, prices):
    return best_response(LinearDemand(intercept, own, cross), costs, prices)


def logit(dtype=None, quality=GOODS):
    return LogitDemand(jnp.asarray(quality, dtype), outside=0.1, scale=0.3)


def test_corner_demand_solves_the_consumers_problem():
    intercept, own, cross, _, prices = linear_cases(1, NUM_CASES)
    expected = reference.linear_quantities(prices, intercept, own, cross)
    kinds = [(expected > 0).sum(axis=1) == count for count in range(3)]
    assert min(np.sum(kind & sign) for kind in kinds for sign in (cross > 0, cross < 0)) > 50
    with engine.double_precision():
        found = jax.device_get(linear_sold(intercept, own, cross, prices))
    size = (intercept / (own - abs(cross)))[:, None]
    np.testing.assert_allclose(found / size, expected / size, atol=tolerances.EXACT_ARITHMETIC)
    assert (found >= 0).all()


def test_an_unclipped_line_would_be_seen():
    """The straight lines alone, as in the public code of the paper, are far off."""
    intercept, own, cross, _, prices = linear_cases(1, NUM_CASES)
    expected = reference.linear_quantities(prices, intercept, own, cross)
    slack, own, cross = intercept[:, None] - prices, own[:, None], cross[:, None]
    lines = (own * slack - cross * slack[:, ::-1]) / (own**2 - cross**2)
    assert (np.abs(lines - expected).max(axis=1) > 1).mean() > 0.4


def test_numbers_by_hand(x64):
    rtol = 1e-12 if x64 else 2e-6
    demand = LinearDemand()
    np.testing.assert_allclose(demand.quantities(jnp.asarray([14.0, 2.0])), [0, 1800], rtol=rtol)
    np.testing.assert_allclose(demand.quantities(jnp.asarray([6.0, 6.0])), [800, 800], rtol=rtol)
    costs = jnp.asarray([2.0, 2.0])
    np.testing.assert_allclose(
        demand.profits(jnp.asarray([6.5, 8.0]), costs), [4050, 2700], rtol=rtol
    )
    assert demand.profits(jnp.asarray([6.5, 8.0]), costs).dtype == jnp.result_type(float)
    assert demand.num_firms == 2


def test_homogeneous_goods():
    demand = LinearDemand(10.0, 0.01, 0.01)
    for prices, expected in [
        ([4.0, 5.0], [600, 0]),
        ([5.0, 4.0], [0, 600]),
        ([4.0, 4.0], [300, 300]),
        ([11.0, 12.0], [0, 0]),
        ([11.0, 11.0], [0, 0]),
    ]:
        np.testing.assert_allclose(demand.quantities(jnp.asarray(prices)), expected, rtol=1e-6)


def test_slopes_are_mapped_through_the_homogeneous_case():
    cross = jnp.asarray([-0.008, 0.0, 0.009, 0.01])
    sold = jax.vmap(lambda d: LinearDemand(10.0, 0.01, d).quantities(jnp.asarray([4.0, 5.0])))
    slopes = jax.vmap(jax.grad(lambda d: LinearDemand(10.0, 0.01, d).quantities(PAIR).sum()))
    expected = reference.linear_quantities(
        np.tile([4.0, 5.0], (3, 1)), np.full(3, 10.0), np.full(3, 0.01), np.asarray(cross[:3])
    )
    np.testing.assert_allclose(sold(cross), np.vstack([expected, [600, 0]]), rtol=2e-6, atol=1e-3)
    assert np.isfinite(slopes(cross)).all()


PAIR = np.array([4.0, 5.0], np.float32)


def test_logit_shares(x64):
    prices = np.array([1.4, 1.1, 1.9], np.result_type(float) if x64 else np.float32)
    expected = reference.logit_quantities(prices, GOODS, 0.1, 0.3)
    demand = logit(prices.dtype)
    np.testing.assert_allclose(demand.quantities(prices), expected, rtol=1e-13 if x64 else 1e-6)
    assert demand.num_firms == 3


def test_logit_does_not_overflow():
    demand = LogitDemand(jnp.asarray([2.0, 2.0]), outside=0.0, scale=1e-3)
    prices = jnp.asarray([-1e4, 1e4])
    np.testing.assert_array_equal(demand.quantities(prices), [1, 0])
    slopes = jax.jacobian(demand.quantities)(prices)
    np.testing.assert_array_equal(slopes, np.zeros((2, 2)))


def test_best_prices_of_linear_demand():
    intercept, own, cross, costs, prices = linear_cases(2, 120)
    with engine.double_precision():
        found = np.array(linear_best(intercept, own, cross, costs, prices))
    num_inside = 0
    for case in range(120):

        def sold(table, case=case):
            return reference.linear_quantities(
                table, *(np.full(len(table), x[case]) for x in (intercept, own, cross))
            )

        for firm in range(2):
            profit = reference.firm_profit(sold, firm, costs[case], prices[case])
            highest = max(2.5 * intercept[case], costs[case, firm] + 1)
            best = reference.best_price(profit, costs[case, firm], highest)
            ours, theirs = (profit(np.array([x]))[0] for x in (found[case, firm], best))
            # At a kink the enumeration cannot tell its active sets apart: 2e-9 of the profit.
            assert ours >= theirs - 1e-8 * abs(theirs)
            if theirs > 0:
                assert found[case, firm] == pytest.approx(best, rel=2e-6)
                num_inside += 1
            else:
                assert found[case, firm] == costs[case, firm]
    assert 60 < num_inside < 230


def test_best_answers_to_homogeneous_goods():
    """Monopoly price, the limit of undercutting, or cost."""
    demand, costs = LinearDemand(10.0, 0.01, 0.01), np.array([2.0, 4.0], np.float32)
    for prices, expected in [
        ([5.0, 9.0], [6.0, 5.0]),  # 9 is above 6, and 5 above the cost of 4
        ([3.0, 5.5], [5.5, 4.0]),
        ([12.0, 1.0], [2.0, 7.0]),
    ]:
        found = best_response(demand, costs, np.array(prices, np.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_best_answers_by_hand():
    """The interior line, the limit price, the price of a monopolist of a substitute; cost."""
    demand, costs = LinearDemand(10.0, 0.01, 0.009), np.array([1.0, 6.0], np.float32)
    shared = (10 * 0.001 + 0.009 * 3 + 0.01) / 0.02
    for prices, expected in [
        ([7.0, 3.0], [shared, 10 - 3 / 0.9]),
        ([0.0, 5.9], [10 - 4.1 / 0.9, 6.0]),
        ([9.9, 5.95], [5.5, 8.0]),
        ([12.0, 11.0], [5.5, 8.0]),
    ]:
        found = best_response(demand, costs, np.array(prices, np.float32))
        np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_best_prices_of_logit_demand(x64):
    dtype = np.float64 if x64 else np.float32
    demand, prices = logit(dtype), np.array([1.4, 1.1, 1.9], dtype)
    costs = np.array([1.0, 0.7, 1.6], dtype)
    found = best_response(demand, costs, prices)
    assert found.dtype == dtype

    def sold(table):
        return reference.logit_quantities(table, GOODS, 0.1, 0.3)

    for firm in range(3):
        profit = reference.firm_profit(sold, firm, costs, np.asarray(prices, float))
        best = reference.best_price(profit, costs[firm], costs[firm] + 5)
        assert float(found[firm]) == pytest.approx(best, rel=1e-7 if x64 else 5e-6)


def test_derivatives_of_best_prices():
    with engine.double_precision():
        intercept, own, cross, costs, prices = linear_cases(3, 60)
        flat = np.column_stack([intercept, own, cross, costs, prices])
        check_derivatives(linear_answer, flat)
        flat = np.r_[GOODS, 0.1, 0.3, 1.0, 0.7, 1.6, 1.4, 1.1, 1.9][None]
        check_derivatives(logit_answer, flat)


def linear_answer(flat):
    return best_response(LinearDemand(flat[0], flat[1], flat[2]), flat[3:5], flat[5:7])


def logit_answer(flat):
    return best_response(LogitDemand(flat[:3], flat[3], flat[4]), flat[5:8], flat[8:])


def check_derivatives(function, rows, step=1e-5):
    """Derivatives in relative changes, against central differences; all rows at once."""
    size = rows.shape[1]

    def at(change, row):
        return function(row * (1 + change))

    moves = step * np.concatenate([np.eye(size), -np.eye(size)])
    values = jax.jit(jax.vmap(jax.vmap(at, (0, None)), (None, 0)))(moves, rows)
    expected = (values[:, :size] - values[:, size:]) / (2 * step)
    found = jax.jit(jax.vmap(jax.jacfwd(at), (None, 0)))(np.zeros(size), rows)
    scale = np.abs(values).max(axis=(1, 2), keepdims=True) + np.abs(expected).max()
    np.testing.assert_allclose(
        np.swapaxes(found, 1, 2) / scale, expected / scale, atol=tolerances.DERIVATIVE
    )


def test_numbers_get_a_dtype():
    assert as_number(3).dtype == jnp.result_type(float)
    assert as_number(True) is True
    assert common_dtype(np.int32(1), 2) == jnp.result_type(float)


def test_mistakes_in_linear_demand():
    with pytest.raises(ValueError, match=r"own_slope must be above 0, got 0.0"):
        LinearDemand(own_slope=0.0)
    for cross in (0.02, -0.01):
        with pytest.raises(ValueError, match=r"at most own_slope, got .* with own_slope 0.0"):
            LinearDemand(own_slope=0.01, cross_slope=cross)
    with pytest.raises(ValueError, match="intercept holds 1 non-finite value"):
        LinearDemand(intercept=float("nan"))
    with pytest.raises(ValueError, match=r"intercept must have shape \(\), got \(2,\)"):
        LinearDemand(intercept=jnp.ones(2))
    with pytest.raises(TypeError, match="cross_slope must be an array, got str"):
        LinearDemand(cross_slope="none")
    with pytest.raises(ValueError, match=r"prices must have shape \(2,\), got \(3,\)"):
        LinearDemand().quantities(jnp.ones(3))
    with pytest.raises(ValueError, match=r"costs must have shape \(2,\), got \(1,\)"):
        LinearDemand().profits(jnp.ones(2), jnp.ones(1))
    many = jax.vmap(LinearDemand)(jnp.ones(2), jnp.ones(2), jnp.zeros(2))
    with pytest.raises(ValueError, match=r"intercept must have shape \(\), got \(2,\)"):
        many.quantities(jnp.ones(2))


def test_mistakes_in_logit_demand():
    with pytest.raises(ValueError, match=r"scale must be above 0, got 0.0"):
        LogitDemand(jnp.ones(2), scale=0.0)
    with pytest.raises(ValueError, match="outside holds 1 non-finite value"):
        LogitDemand(jnp.ones(2), outside=float("inf"))
    with pytest.raises(ValueError, match="quality must hold at least one firm"):
        LogitDemand(jnp.ones(0))
    with pytest.raises(ValueError, match=r"quality must have shape \(agent,\), got \(\)"):
        LogitDemand(2.0)
    with pytest.raises(TypeError, match="quality must be an array, got list"):
        LogitDemand([2.0, 2.0])
    with pytest.raises(ValueError, match=r"prices must have shape \(3,\), got \(2,\)"):
        logit().quantities(jnp.ones(2))
    many = jax.vmap(LogitDemand)(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match=r"quality must have shape \(agent,\), got \(2, 2\)"):
        many.quantities(jnp.ones(2))
