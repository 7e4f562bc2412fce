"""Equilibria and cartels against published numbers, and against searches by scipy."""

import jax
import jax.numpy as jnp
import market_reference as reference
import numpy as np
import pytest
import tolerances
from scipy.optimize import fsolve, minimize
from scipy.special import wrightomega

from jaxpapers import engine
from jaxpapers.engine import Status
from jaxpapers.games.linear_demand import LinearDemand
from jaxpapers.games.logit_demand import LogitDemand, _odds, _wright_omega
from jaxpapers.games.market import collusion_index, price_index
from jaxpapers.games.solve import best_response, cartel, equilibrium

pytestmark = pytest.mark.usefixtures("quick_compiles")
CONSTANT_COSTS = np.array([2.0, 2.0], np.float32)


def linear(case, solve):
    """Market with parameters a, beta, d and two costs."""
    return solve(LinearDemand(case[0], case[1], case[2]), case[3:])


linear_equilibria = jax.jit(jax.vmap(lambda case: linear(case, equilibrium)))
linear_cartels = jax.jit(jax.vmap(lambda case: linear(case, cartel)))


def linear_cases(seed, num_cases, highest_cost=1.1):
    rng = np.random.default_rng(seed)
    intercept = rng.uniform(5, 20, num_cases)
    own = np.exp(rng.uniform(np.log(0.003), np.log(0.03), num_cases))
    cross = own * rng.uniform(-0.9, 0.98, num_cases)
    costs = intercept[:, None] * rng.uniform(0, highest_cost, (num_cases, 2))
    return np.column_stack([intercept, own, cross, costs])


def sold_in(case):
    def sold(table):
        return reference.linear_quantities(table, *(np.full(len(table), x) for x in case[:3]))

    return sold


NASH = [  # a, beta, d, costs; prices, profits
    ((14, 1 / 150, 1 / 300, 2, 2), (6, 6), (3200, 3200)),
    ((20, 0.005, 0.002, 1.5, 3), (8.59375, 9.21875), (11981.25930060, 9207.82180060)),
    ((14, 0.0067, 0.0066, 2, 2), (2.17647059, 2.17647059), (156.88008950,) * 2),
    ((10, 0.01, 0.009, 1, 9.5), (5.5, 9.5), (2025, 0)),
    ((14, 0.0067, 0.0066, 2, 4), (3.84848485, 4), (1.84848485 * 1515.1515152, 0)),
    ((10, 0.01, 0.01, 2, 4), (4, 4), (1200, 0)),  # homogeneous: at the rival's cost
    ((10, 0.01, 0.01, 8, 1), (8, 5.5), (0, 4.5**2 / 0.01)),  # at the monopoly price
    ((10, 0.01, 0.01, 3, 3), (3, 3), (0, 0)),
    ((10, 0.01, 0.01, 12, 11), (12, 11), (0, 0)),
    ((10, 0.01, 0.0, 2, 4), (6, 7), (1600, 900)),
]


def test_published_equilibria_of_linear_demand(x64):
    dtype = np.float64 if x64 else np.float32
    found = linear_equilibria(np.array([case for case, _, _ in NASH], dtype))
    prices, profits = (np.array([row[i] for row in NASH]) for i in (1, 2))
    # 4e-6 of the price scale; where goods are close profits cancel 70 times over.
    np.testing.assert_allclose(found.prices, prices, rtol=5e-9 if x64 else 4e-6)
    np.testing.assert_allclose(found.profits, profits, rtol=5e-9 if x64 else 2e-4)
    assert found.prices.dtype == dtype
    assert (found.status == Status.OK).all()
    assert found.status.dtype == jnp.int32


def test_equal_firms_share_and_unequal_ones_do_not():
    found = linear_equilibria(np.array([case for case, _, _ in NASH], np.float32))
    np.testing.assert_allclose(found.quantities[5], [600, 0], rtol=1e-6)
    np.testing.assert_allclose(found.quantities[6], [0, 450], rtol=1e-6)
    np.testing.assert_allclose(found.quantities[7], [350, 350], rtol=1e-6)
    tie = LinearDemand(10.0, 0.01, 0.01).quantities(found.prices[5])
    np.testing.assert_allclose(tie, [300, 300], rtol=1e-6)  # demand splits, the limit does not


def test_equal_costs_of_close_substitutes_stay_equal():
    """`d` a rounding below `beta` may not drop one of two equal firms."""
    own = np.float32(0.01)
    cases = np.array([[10, own, np.nextafter(own, np.float32(0)), c, c] for c in (3, 3.3, 7.7)])
    found = linear_equilibria(cases.astype(np.float32))
    np.testing.assert_array_equal(found.quantities[:, 0], found.quantities[:, 1])
    assert (found.quantities > 100).all()


def test_published_cartels(x64):
    dtype = np.float64 if x64 else np.float32
    cases = np.array([row[0] for row in NASH], dtype)
    found = linear_cartels(cases)
    np.testing.assert_allclose(found.prices, (cases[:, :1] + cases[:, 3:]) / 2, rtol=1e-6)
    np.testing.assert_allclose(found.profits[0], [3600, 3600], rtol=1e-9 if x64 else 2e-6)
    np.testing.assert_allclose(found.quantities[3], [450, 0], rtol=2e-6)
    np.testing.assert_allclose(found.quantities[5], [400, 0], rtol=2e-6)


LOGIT = {  # by number of firms: Nash price, cartel price
    2: (1.47292666, 1.92498092),
    3: (1.37016273, 2.00000000),
    4: (1.33146069, 2.05441118),
}


def test_published_equilibria_of_two_logit_firms(x64):
    dtype = np.float64 if x64 else np.float32
    demand, costs = LogitDemand(np.full(2, 2, dtype)), np.ones(2, dtype)
    found, best = equilibrium(demand, costs), cartel(demand, costs)
    np.testing.assert_allclose(found.prices, LOGIT[2][0], rtol=4e-9 if x64 else 5e-7)
    np.testing.assert_allclose(best.prices, LOGIT[2][1], rtol=4e-9 if x64 else 5e-7)
    np.testing.assert_allclose(found.profits, 0.22292666, rtol=3e-8 if x64 else 2e-6)
    np.testing.assert_allclose(best.profits, 0.33749046, rtol=3e-8 if x64 else 2e-6)
    assert found.prices.dtype == dtype
    assert found.status == Status.CONVERGED
    assert best.status == Status.OK


def test_no_firm_gains_by_another_price():
    """Profits of a grid of deviations, in the demand by enumeration; corners and complements."""
    cases = linear_cases(5, 400)
    with engine.double_precision():
        found = jax.device_get(linear_equilibria(cases))
    is_found = found.status == Status.OK
    assert is_found.mean() > 0.95
    assert (~is_found <= (cases[:, 2] < 0)).all()  # only complements may have none
    num_corners = 0
    for case, prices, profits in zip(
        cases[is_found], found.prices[is_found], found.profits[is_found], strict=True
    ):
        num_corners += int(profits.min() == 0)
        for firm in range(2):
            profit = reference.firm_profit(sold_in(case), firm, case[3:], prices)
            highest = max(profit(np.linspace(case[3 + firm], 3 * case[0], 1_500)))
            assert highest <= profits[firm] + 1e-9 * profits.max() + 1e-9
            assert profit(prices[firm : firm + 1])[0] == pytest.approx(profits[firm], abs=1e-8)
    assert num_corners > 100


def test_iterated_best_responses_end_where_we_are():
    cases = linear_cases(6, 12, highest_cost=0.9)
    with engine.double_precision():
        found = linear_equilibria(cases)
    for case, prices in zip(cases, found.prices, strict=True):
        _, ends = reference.iterated_best_responses(sold_in(case), case[3:], 1.5 * case[0], 25)
        np.testing.assert_allclose(prices, ends, rtol=1e-6)


def test_complements_without_equilibrium():
    """Best responses of the reference go round for ever, and we say that there is none."""
    case = np.array([2.0, 1.0, -0.9, 1.0, 2.6])
    before, after = reference.iterated_best_responses(sold_in(case), case[3:], 6.0, 40)
    assert np.abs(before - after).max() > 0.01
    with engine.double_precision():
        found = jax.device_get(linear(case, equilibrium))
        kept = jax.device_get(linear(np.array([2.0, 1.0, -0.9, 1.0, 2.3]), equilibrium))
        left = jax.device_get(linear(np.array([2.0, 1.0, -0.9, 1.0, 2.65]), equilibrium))
    assert found.status == Status.NO_EQUILIBRIUM
    assert np.isfinite(found.prices).all()
    assert kept.status == left.status == Status.OK
    assert kept.quantities[1] > 0
    np.testing.assert_allclose(left.prices, [1.5, 2.65])
    np.testing.assert_allclose(left.quantities, [0.5, 0])


def test_joint_maximum_of_linear_demand():
    """No point of a grid of prices earns more, up to costs above the intercept."""
    cases = linear_cases(8, 60)
    with engine.double_precision():
        found = jax.device_get(linear_cartels(cases))
    for case, prices, profits in zip(cases, found.prices, found.profits, strict=True):
        grid = np.linspace(0, 1.2 * max(case[0], *case[3:]), 120)
        table = np.vstack([np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2), prices[None]])
        joint = ((table - case[3:]) * sold_in(case)(table)).sum(axis=1)
        assert joint.max() <= profits.sum() * (1 + 1e-10) + 1e-9
        assert joint[-1] == pytest.approx(profits.sum(), rel=1e-10, abs=1e-9)


def logit_case(num_firms, scale=0.25):
    rng = np.random.default_rng(num_firms)
    return rng.uniform(1, 3, num_firms), 0.2, scale, rng.uniform(0.5, 1.5, num_firms)


@pytest.mark.parametrize("num_firms", [1, 2, 3, 4])
def test_logit_against_scipy(num_firms):
    quality, outside, scale, costs = logit_case(num_firms)

    def sold(prices):
        return reference.logit_quantities(prices, quality, outside, scale)

    nash = fsolve(lambda p: (p - costs) * (1 - sold(p)) - scale, costs + 2 * scale, xtol=1e-13)
    joint = minimize(
        lambda p: -np.sum((p - costs) * sold(p)), costs + 0.5, options={"gtol": 1e-9}
    ).x
    with engine.double_precision():
        demand = LogitDemand(quality, outside, scale)
        found, best = equilibrium(demand, costs), cartel(demand, costs)
        again = best_response(demand, costs, found.prices)
    np.testing.assert_allclose(found.prices, nash, rtol=1e-10)
    np.testing.assert_allclose(found.quantities, sold(nash), rtol=1e-8)
    np.testing.assert_allclose(found.profits, (nash - costs) * sold(nash), rtol=1e-8)
    np.testing.assert_allclose(again, nash, rtol=1e-10)
    np.testing.assert_allclose(best.prices, joint, rtol=2e-6)
    assert found.status == Status.CONVERGED
    if num_firms in LOGIT:
        with engine.double_precision():
            demand, costs = LogitDemand(np.full(num_firms, 2.0)), np.ones(num_firms)
            prices = [solve(demand, costs).prices[-1] for solve in (equilibrium, cartel)]
        np.testing.assert_allclose(prices, LOGIT[num_firms], rtol=4e-9)


def test_logit_at_the_edges(x64):
    """Shares near 0 and 1, no outside good to speak of, very close substitutes."""
    dtype = np.float64 if x64 else np.float32
    for quality, outside, scale in [
        ([2.0, 2.0], -1e6, 0.25),
        ([2.0, 2.0], 1e3, 0.25),
        ([2.0, -300.0], 0.0, 0.25),
        ([2.0, 1.9], 0.0, 1e-3),
        ([90.0, 1.0], 0.0, 0.25),
    ]:
        demand = LogitDemand(np.array(quality, dtype), dtype(outside), dtype(scale))
        costs = np.ones(2, dtype)
        found, best = equilibrium(demand, costs), cartel(demand, costs)
        assert found.status == Status.CONVERGED
        assert best.status == Status.OK
        assert (found.prices >= costs + demand.scale * 0.999).all()
        again = best_response(demand, costs, found.prices)
        np.testing.assert_allclose(found.prices, again, rtol=1e-10 if x64 else 5e-4)
    symmetric = LogitDemand(np.full(2, 2, dtype), dtype(-1e6), dtype(0.25))
    np.testing.assert_allclose(equilibrium(symmetric, costs).prices, 1.5, rtol=1e-6)


def test_solutions_of_the_exponents(x64):
    x = np.concatenate([np.linspace(-80, 60, 701), [1e3, 1e6]])
    x = x.astype(np.float64 if x64 else np.float32)
    rtol = 5e-15 if x64 else 4e-6
    np.testing.assert_allclose(
        jax.jit(_wright_omega)(x), wrightomega(np.asarray(x, float)), rtol=10 * rtol
    )
    odds = np.asarray(jax.jit(_odds)(x), float)
    back = odds + np.log(odds) - np.log1p(odds)
    np.testing.assert_allclose(back, x, atol=10 * rtol, rtol=rtol)


def test_derivatives_of_linear_demand():
    """Of prices, quantities and profits in every parameter, where both sell and at corners."""

    def at(change, row):
        intercept, own, ratio, *costs = row * (1 + change)
        return benchmarks(LinearDemand(intercept, own, own * ratio), jnp.stack(costs))

    with engine.double_precision():
        cases = np.vstack([np.array([row[0] for row in NASH[:7]], float), linear_cases(9, 40)])
        cases[:, 2] /= cases[:, 1]
        found, expected = jax.vmap(jax.jacfwd(at), (None, 0)), by_differences(at, cases)
        found = np.array(jax.jit(found)(np.zeros(5), cases))
    is_homogeneous = cases[:, 2] == 1
    assert is_homogeneous.sum() == 2
    expected[is_homogeneous, ..., 2] = found[is_homogeneous, ..., 2] = 0  # no larger ratio
    scale = np.abs(expected).max(axis=-1, keepdims=True) + 1e-3
    np.testing.assert_allclose(found / scale, expected / scale, atol=tolerances.DERIVATIVE)


def test_derivatives_of_logit_demand():
    """In reverse mode, for the transposed root."""

    def at(change, row):
        row = row * (1 + change)
        return benchmarks(LogitDemand(row[:3], row[3], row[4]), row[5:])

    quality, outside, scale, costs = logit_case(3)
    row = np.r_[quality, outside, scale, costs]
    with engine.double_precision():
        expected = by_differences(at, row[None])[0]
        found = np.asarray(jax.jit(jax.jacrev(at))(np.zeros(8), row))
    np.testing.assert_allclose(found, expected, atol=tolerances.DERIVATIVE)


def benchmarks(demand, costs):
    both = equilibrium(demand, costs), cartel(demand, costs)
    return jnp.stack([x for found in both for x in (found.prices, found.quantities, found.profits)])


def by_differences(at, rows, step=1e-5):
    """Central differences in relative changes of a row's numbers, the last axis; all at once."""
    size = rows.shape[1]
    moves = step * np.concatenate([np.eye(size), -np.eye(size)])
    values = np.asarray(jax.jit(jax.vmap(jax.vmap(at, (0, None)), (None, 0)))(moves, rows))
    return np.moveaxis((values[:, :size] - values[:, size:]) / (2 * step), 1, -1)


def test_parameters_are_mapped_one_by_one():
    cases = np.array([row[0] for row in NASH[:6]], np.float32)
    mapped = linear_equilibria(cases)
    for index in (0, 3, 5):
        one = linear(jnp.asarray(cases[index]), equilibrium)
        np.testing.assert_allclose(mapped.prices[index], one.prices, rtol=1e-6)


def test_new_numbers_do_not_compile(count_compiles):
    def ask(number):
        costs = np.full(2, number, np.float32)
        for demand in (
            LinearDemand(10.0 + number, 0.01, 0.005),
            LogitDemand(2 + costs, number, 0.2 + number),
        ):
            equilibrium(demand, costs)
            cartel(demand, costs)
            best_response(demand, costs, 2 * costs)

    ask(0.25)
    with count_compiles() as compiles:
        ask(0.5)
    assert compiles.total == 0


def test_indices():
    profits = np.array([[3200.0, 3200.0], [3600.0, 3600.0], [3500.0, 3300.0]], np.float32)
    nash, joint = np.full(2, 3200, np.float32), np.full(2, 3600, np.float32)
    np.testing.assert_allclose(collusion_index(profits, nash, joint), [0, 1, 0.5], rtol=1e-6)
    prices = np.array([8.0, 7.0], np.float32)
    low, high = np.full(2, 6, np.float32), np.full(2, 8, np.float32)
    assert float(price_index(prices, low, high)) == pytest.approx(0.75)
    assert collusion_index(profits[0], nash, nash) == 0


def test_values_that_are_traced_get_a_status():
    @jax.jit
    def solved(cross, cost):
        costs = jnp.stack([cost, cost])
        markets = LinearDemand(14.0, 0.01, cross), LogitDemand(costs + 1, scale=0.01 - cross)
        return [solve(market, costs) for solve in (equilibrium, cartel) for market in markets]

    for cross, cost in [(0.02, 1.0), (0.005, np.nan), (np.nan, 1.0), (0.005, np.inf)]:
        for found in solved(np.float32(cross), np.float32(cost)):
            assert found.status == Status.NON_FINITE
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))
    assert all(found.status < Status.NON_FINITE for found in solved(0.005, 1.0))


def test_mistakes():
    demand = LinearDemand()
    for solve in (equilibrium, cartel):
        with pytest.raises(TypeError, match="demand must be a Demand, got float"):
            solve(14.0, CONSTANT_COSTS)
        with pytest.raises(ValueError, match=r"costs must have shape \(2,\), got \(3,\)"):
            solve(demand, np.ones(3, np.float32))
        with pytest.raises(ValueError, match=r"costs must be at least 0, got -1.0"):
            solve(demand, np.array([1, -1], np.float32))
        with pytest.raises(ValueError, match="costs holds 1 non-finite value"):
            solve(demand, np.array([1, np.nan], np.float32))
        with pytest.raises(TypeError, match="costs must be an array, got list"):
            solve(demand, [2.0, 2.0])
    with pytest.raises(TypeError, match="demand must be a Demand, got NoneType"):
        best_response(None, CONSTANT_COSTS, CONSTANT_COSTS)
    with pytest.raises(ValueError, match=r"prices must have shape \(2,\), got \(1,\)"):
        best_response(demand, CONSTANT_COSTS, np.ones(1, np.float32))
    with pytest.raises(ValueError, match="prices holds 1 non-finite value"):
        best_response(demand, CONSTANT_COSTS, np.array([1, np.inf], np.float32))
    with pytest.raises(ValueError, match="profits and competitive must agree in 'agent'"):
        collusion_index(np.ones(2), np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"prices must have shape \(agent,\), got \(\)"):
        price_index(1.0, np.ones(2), np.ones(2))
