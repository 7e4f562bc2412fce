"""Markets in plain NumPy and scipy, by their definitions: what the package is compared with."""

import numpy as np
from scipy.optimize import minimize_scalar


def linear_quantities(prices, intercept, own, cross):
    """Best point of the consumer's problem among the four active sets; `(..., 2)` prices."""
    slack = np.asarray(intercept)[..., None] - prices
    own, cross = (np.asarray(x)[..., None] for x in (own, cross))
    both = (own * slack - cross * slack[..., ::-1]) / (own**2 - cross**2)
    single = slack / own
    zero = np.zeros_like(single)
    first, second = single * np.array([1.0, 0.0]), single * np.array([0.0, 1.0])
    points = np.stack([zero, first, second, both])
    worth = np.sum(slack * points - 0.5 * own * points**2, axis=-1)
    worth = worth - cross[..., 0] * points[..., 0] * points[..., 1]
    worth = np.where((points >= 0).all(axis=-1), worth, -np.inf)
    best = np.argmax(worth, axis=0)[None, ..., None]
    return np.take_along_axis(points, best, axis=0)[0]


def logit_quantities(prices, quality, outside, scale):
    power = np.exp((quality - prices) / scale)
    return power / (power.sum(axis=-1, keepdims=True) + np.exp(outside / scale))


def best_price(profit, lower, upper, num_points=2001):
    """Highest point of a function of one price: the best of a grid, made finer around it."""
    grid = np.linspace(lower, upper, num_points)
    near = np.argmax(profit(grid))
    ends = grid[max(near - 1, 0)], grid[min(near + 1, num_points - 1)]
    found = minimize_scalar(
        lambda x: -profit(np.array([x]))[0], bounds=ends, method="bounded", options={"xatol": 1e-12}
    )
    return found.x if -found.fun > profit(grid[near : near + 1])[0] else grid[near]


def firm_profit(quantities, firm, costs, prices):
    """Profit of one firm as a function of its own prices, those of the others given."""

    def profit(own):
        table = np.repeat(np.asarray(prices, float)[None], len(own), axis=0)
        table[:, firm] = own
        return (own - costs[firm]) * quantities(table)[:, firm]

    return profit


def iterated_best_responses(quantities, costs, highest, num_rounds=40):
    """Firms answer each other in turn from cost; the last two profiles of prices."""
    prices = np.array(costs, float)
    for _ in range(num_rounds):
        before = prices.copy()
        for firm, cost in enumerate(costs):
            profit = firm_profit(quantities, firm, costs, prices)
            best = best_price(profit, cost, max(highest, cost + 1e-9), num_points=401)
            earns = profit(np.array([best]))[0] > 0
            prices[firm] = best if earns else cost
    return before, prices
