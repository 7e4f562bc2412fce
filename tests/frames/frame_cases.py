"""One table for the tests of results, and the estimator written down from its definition.

All fits have the same number of complete rows, so that tests of one form share one program.
"""

import numpy as np
import pandas as pd

NUM_ROWS = 60
NUM_MISSING = 3
STEP = 1e-5


def make_table():
    """Sixty complete rows with ties, three with something missing, in three unequal groups."""
    random = np.random.default_rng(11)
    num_rows = NUM_ROWS + NUM_MISSING
    x = np.round(2 * random.normal(size=num_rows))
    w = random.normal(size=num_rows) + 0.3 * x
    y = np.round(0.7 * x - 0.4 * w + 2 * random.normal(size=num_rows), 1)
    g = random.permutation(np.repeat(["north", "east", "west"], [16, 20, 27]))
    table = pd.DataFrame({"y": y, "x": x, "w": w, "g": g, "keep": random.random(num_rows) < 0.6})
    table.loc[5, "y"] = np.nan
    table.loc[20, "x"] = np.nan
    table.loc[41, "w"] = np.nan
    return table


def complete():
    return make_table().dropna()


def ranks_of(values, weights, tie_weight, new=None):
    """Weighted ranks of R1 with the constant (1 - w) held where it is at equal weights."""
    at = values if new is None else new
    below = (values[None] < at[:, None]) @ weights
    level = (values[None] <= at[:, None]) @ weights
    total = weights.sum()
    return (tie_weight * level + (1 - tie_weight) * (below + 1)) / total


def estimate(weights, *, y, x, covariates, tie_weight, members=None, new=None):
    """Coefficients (intercept, slope, covariates) of `members`, ranks over all rows.

    With `new`, values of the regressor and covariates at which the regression is predicted.
    """
    members = np.ones(len(y), bool) if members is None else members
    ranked = ranks_of(x, weights, tie_weight)
    design = np.column_stack([np.ones(len(y)), ranked, covariates])[members]
    outcome = ranks_of(y, weights, tie_weight)[members]
    inside = weights[members]
    gram = design.T @ (design * inside[:, None])
    coefficients = np.linalg.solve(gram, design.T @ (outcome * inside))
    if new is None:
        return coefficients
    levels, others = new
    rows = np.column_stack([np.ones(len(levels)), ranks_of(x, weights, tie_weight, levels), others])
    return rows @ coefficients


def influence(function, num_rows):
    """`n` times the derivative by each row's weight, by central differences."""
    rows = []
    for row in range(num_rows):
        up, down = np.ones(num_rows), np.ones(num_rows)
        up[row] += STEP
        down[row] -= STEP
        rows.append((function(up) - function(down)) / (2 * STEP) * num_rows)
    return np.array(rows)
