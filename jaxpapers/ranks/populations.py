"""Populations with known rank-rank slopes, and regions of known mobility."""

import abc
import itertools
import math
from statistics import NormalDist
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Int, PRNGKeyArray

NUM_NODES = 100


class Population(eqx.Module):
    """A joint distribution of outcome and regressor with a known rank-rank slope."""

    @abc.abstractmethod
    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Draws independent observations.

        Args:
            key: a typed key.
            num_obs: sample size.

        Returns:
            Outcome and regressor.
        """

    @abc.abstractmethod
    def slope(self, tie_weight: float) -> float:
        """True slope of the rank-rank regression without covariates.

        Args:
            tie_weight: w in [0, 1]; matters with ties only.

        Returns:
            The estimand.
        """


def _number(value: Any) -> Any:
    return value if isinstance(value, jax.Array) else np.asarray(value, np.float64)


class GaussianCopula(Population):
    """Standard normal pair with a correlation.

    Attributes:
        correlation: in (-1, 1).
    """

    correlation: Float[Array, ""] = eqx.field(converter=_number)

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Draws independent observations.

        Args:
            key: a typed key.
            num_obs: sample size.

        Returns:
            Outcome and regressor.
        """
        regressor, noise = jax.random.normal(key, (2, num_obs))
        correlation = jnp.asarray(self.correlation, regressor.dtype)
        return correlation * regressor + jnp.sqrt(1 - correlation**2) * noise, regressor

    def slope(self, tie_weight: float) -> float:
        """Spearman's correlation of a Gaussian copula, `6 / pi arcsin(correlation / 2)`.

        Args:
            tie_weight: has no effect, there are no ties.

        Returns:
            The estimand.
        """
        return 6 / math.pi * math.asin(float(self.correlation) / 2)


class DiagonalBlocks(Population):
    """Both uniform, independent within the same half: two independent blocks on the diagonal."""

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Draws independent observations.

        Args:
            key: a typed key.
            num_obs: sample size.

        Returns:
            Outcome and regressor.
        """
        regressor, within = jax.random.uniform(key, (2, num_obs))
        return (jnp.floor(2 * regressor) + within) / 2, regressor

    def slope(self, tie_weight: float) -> float:
        """Three quarters.

        Args:
            tie_weight: has no effect, there are no ties.

        Returns:
            The estimand.
        """
        return 0.75


class Parabola(Population):
    """Uniform regressor, outcome `(U - 1/2)^2`: fully dependent, uncorrelated in ranks."""

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Draws independent observations.

        Args:
            key: a typed key.
            num_obs: sample size.

        Returns:
            Outcome and regressor.
        """
        regressor = jax.random.uniform(key, (num_obs,))
        return (regressor - 0.5) ** 2, regressor

    def slope(self, tie_weight: float) -> float:
        """Zero.

        Args:
            tie_weight: has no effect, there are no ties.

        Returns:
            The estimand.
        """
        return 0.0


class Flip(Population):
    """Uniform regressor; outcome `U` in both tails and `1 - U` in the middle.

    Attributes:
        tail: probability L of each tail, in (0, 1/2).
    """

    tail: Float[Array, ""] = eqx.field(converter=_number)

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Draws independent observations.

        Args:
            key: a typed key.
            num_obs: sample size.

        Returns:
            Outcome and regressor.
        """
        regressor = jax.random.uniform(key, (num_obs,))
        in_tail = (regressor < self.tail) | (regressor > 1 - self.tail)
        return jnp.where(in_tail, regressor, 1 - regressor), regressor

    def slope(self, tie_weight: float) -> float:
        """`1 - 2 (1 - 2 L)^3`.

        Args:
            tie_weight: has no effect, there are no ties.

        Returns:
            The estimand.
        """
        return 1 - 2 * (1 - 2 * float(self.tail)) ** 3


class DiscretisedGaussian(Population):
    """A Gaussian copula cut into cells of given probabilities: all observations are tied.

    Attributes:
        correlation: of the underlying normal pair, in (-1, 1).
        outcome_cells: probabilities of the outcome's cells, low to high, summing to 1; static.
        regressor_cells: likewise of the regressor; static.
    """

    correlation: Float[Array, ""] = eqx.field(converter=_number)
    outcome_cells: tuple[float, ...] = eqx.field(static=True, default=(0.45, 0.25, 0.2, 0.1))
    regressor_cells: tuple[float, ...] = eqx.field(static=True, default=(0.2,) * 5)

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        """Draws independent observations.

        Args:
            key: a typed key.
            num_obs: sample size.

        Returns:
            Cell numbers of outcome and regressor.
        """
        outcome, regressor = GaussianCopula(self.correlation).sample(key, num_obs)
        return _cells(outcome, self.outcome_cells), _cells(regressor, self.regressor_cells)

    def slope(self, tie_weight: float) -> float:
        """Covariance of population ranks over the variance of the regressor's.

        Args:
            tie_weight: w, part of the estimand here.

        Returns:
            The estimand by quadrature of the cell probabilities: accurate to 1e-12 for
            correlations up to .99 in size, to 1e-7 up to .999.
        """
        joint = self._cell_probabilities()
        outcome, regressor = joint.sum(axis=1), joint.sum(axis=0)
        outcome_rank = np.cumsum(outcome) - (1 - tie_weight) * outcome
        regressor_rank = np.cumsum(regressor) - (1 - tie_weight) * regressor
        centred = regressor_rank - regressor_rank @ regressor
        return float(outcome_rank @ joint @ centred / (centred**2 @ regressor))

    def _cell_probabilities(self):
        """Joint probabilities (outcome cell, regressor cell), by quadrature over the regressor."""
        nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
        outcome, regressor = _edges(self.outcome_cells), _edges(self.regressor_cells)
        correlation = float(self.correlation)
        spread = math.sqrt(1 - correlation**2)
        columns = []
        for low, high in itertools.pairwise(regressor):
            normal = (low + high) / 2 + (high - low) / 2 * nodes
            density = weights * np.exp(-(normal**2) / 2) / math.sqrt(2 * math.pi)
            below = _normal_cdf((outcome[:, None] - correlation * normal) / spread)
            columns.append(np.diff(below @ density) * (high - low) / 2)
        return np.stack(columns, axis=1)


def _edges(probabilities):
    """Edges of the cells of a standard normal; the outer ones at 9 standard deviations."""
    inner = [NormalDist().inv_cdf(share) for share in np.cumsum(probabilities)[:-1]]
    return np.array([-9.0, *inner, 9.0])


def _normal_cdf(values):
    return np.vectorize(lambda value: math.erfc(-value / math.sqrt(2)) / 2)(values)


def _cells(normal, probabilities):
    """Cell number of each standard normal value."""
    edges = ndtri(jnp.asarray(np.cumsum(probabilities)[:-1], normal.dtype))
    return jnp.searchsorted(edges, normal).astype(normal.dtype)


class Regions(eqx.Module):
    """Incomes of parents and children in regions that differ in mobility.

    Log incomes are normal; region g has its own correlation, `low` to `high` evenly, and its own
    mean; a share of the parents has no income at all, so the lowest rank is tied.

    Attributes:
        num_regions: static.
        low: smallest correlation, in (-1, 1).
        high: largest correlation, in (-1, 1).
        zero_share: probability of an income of zero, in [0, 1).
    """

    num_regions: int = eqx.field(static=True)
    low: Float[Array, ""] = eqx.field(converter=_number, default=0.2)
    high: Float[Array, ""] = eqx.field(converter=_number, default=0.6)
    zero_share: Float[Array, ""] = eqx.field(converter=_number, default=0.02)

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"], Int[Array, " obs"]]:
        """Draws families.

        Args:
            key: a typed key.
            num_obs: number of families.

        Returns:
            Incomes of child and parent in currency units, and the region.
        """
        normal_key, region_key, zero_key, mean_key = jax.random.split(key, 4)
        regions = jax.random.randint(region_key, (num_obs,), 0, self.num_regions, jnp.int32)
        parent, noise = jax.random.normal(normal_key, (2, num_obs))
        share = jnp.linspace(0.0, 1.0, self.num_regions, dtype=parent.dtype)
        correlation = (self.low + (self.high - self.low) * share)[regions].astype(parent.dtype)
        mean = 0.2 * jax.random.normal(mean_key, (self.num_regions,))[regions]
        child = mean + correlation * parent + jnp.sqrt(1 - correlation**2) * noise
        earns = jax.random.uniform(zero_key, (2, num_obs)) >= self.zero_share
        levels = jnp.exp(10.5 + 0.8 * jnp.stack([child, parent])) * earns
        return levels[0], levels[1], regions
