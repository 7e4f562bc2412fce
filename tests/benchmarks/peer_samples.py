"""Small samples for the benchmark peers, and how far two fits are apart."""

import numpy as np

TOLERANCE = 1e-10
SIZE = 90
NUM_GROUPS = 4
TIE_WEIGHTS = (0.0, 0.3, 1.0)


def samples():
    """Outcome and regressor: neither tied, both tied with runs of zeros, one of them tied."""
    generator = np.random.default_rng(5)
    regressor = generator.standard_normal(SIZE)
    outcome = 0.5 * regressor + generator.standard_normal(SIZE)
    tied = np.round(2.0 * outcome), np.round(2.0 * regressor)
    return {
        "untied": (outcome, regressor),
        "tied": tied,
        "outcome tied": (tied[0], regressor),
        "regressor tied": (outcome, tied[1]),
    }


def covariates():
    return np.random.default_rng(6).standard_normal((SIZE, 2))


def groups():
    return np.random.default_rng(7).integers(0, NUM_GROUPS, SIZE)


def gap(answer, expected):
    """Largest difference of parameters, and of covariances in standard errors."""
    (params, cov), (right_params, right_cov) = answer, expected
    scale = np.sqrt(np.diag(right_cov))
    return max(
        np.max(np.abs(params - right_params)),
        np.max(np.abs(cov - right_cov) / np.outer(scale, scale)),
    )


def hard_to_sort():
    """Samples whose values differ in bits that packed keys cut off, and the two zeros."""
    generator = np.random.default_rng(8)
    size = 3_000
    return [
        generator.standard_normal(size),
        1.0 + generator.integers(0, 40, size) * 2.0**-52,
        1e6 + generator.integers(0, 2_000, size) * 2.0**-32,
        np.where(generator.random(size) < 0.5, -0.0, 0.0),
        np.concatenate([generator.integers(-3, 4, size).astype(float), [-5e-324, 5e-324, -0.0]]),
        np.array([2.0, 1.0]),
    ]
