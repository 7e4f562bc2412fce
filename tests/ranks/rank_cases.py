"""Small samples and settings shared by the tests of rank regressions.

All have the same size, so that tests of one setting share one compiled program.
"""

import dataclasses

import numpy as np
from rank_definition import Sample, Setting

from jaxpapers import ranks

NUM_OBS = 48
CHUNKED = 300  # more than one chunk of the grouped kernels
LARGE = 2_000
NUM_GROUPS = 3


def sample(*, seed, ties=False, covariates=False, groups=False, regressor=True, num_obs=NUM_OBS):
    """A correlated pair with optional covariates, unequal groups, heavy ties."""
    random = np.random.default_rng(seed)
    x = random.normal(size=num_obs)
    w = random.normal(size=(num_obs, 2)) + 0.5 * x[:, None]
    y = 0.6 * x + 0.3 * w[:, 0] + random.normal(size=num_obs)
    if ties:
        x, y = np.round(1.5 * x), np.round(1.2 * y)
    group = random.permutation(np.searchsorted([0.25, 0.6], np.arange(num_obs) / num_obs))
    return Sample(
        outcome=y,
        regressor=x if regressor else None,
        covariates=w if covariates else None,
        groups=group if groups else None,
        num_groups=NUM_GROUPS if groups else 1,
    )


def arguments(case):
    """Positional and keyword arguments of `ranks.fit` and `ranks.bootstrap` for a sample."""
    keywords = {"covariates": case.covariates}
    if case.groups is not None:
        keywords |= {"groups": case.groups, "num_groups": case.num_groups}
    return (case.outcome, case.regressor), keywords


def model(setting):
    """The package's model of a setting."""
    return ranks.RankRegression(**dataclasses.asdict(setting))


def fit(setting, case):
    """The package's fit of a setting to a sample."""
    positional, keywords = arguments(case)
    return ranks.fit(model(setting), *positional, **keywords)


SETTINGS = {
    "rank on rank": (Setting(), {}),
    "rank on rank, covariates": (Setting(), {"covariates": True}),
    "level on rank": (Setting(outcome="level", increasing=(True, False)), {"covariates": True}),
    "rank on level": (
        Setting(regressor="level", increasing=(False, True)),
        {"covariates": True},
    ),
    "no intercept": (Setting(intercept=False, increasing=(True, False)), {"covariates": True}),
    "no regressor": (Setting(), {"covariates": True, "regressor": False}),
    "constant only": (Setting(), {"regressor": False}),
    "groups, covariates": (Setting(), {"groups": True, "covariates": True}),
    "groups, level on rank": (
        Setting(outcome="level", increasing=(True, False)),
        {"groups": True, "covariates": True},
    ),
    "groups, no intercept": (
        Setting(increasing=(False, True), intercept=False),
        {"groups": True, "covariates": True},
    ),
}
