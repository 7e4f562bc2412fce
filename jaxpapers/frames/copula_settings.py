"""How a factor copula is fitted: choices by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .. import copulas, engine

Family = Literal["skew-t", "skew-normal", "t", "gaussian"]
AlgorithmName = Literal["vi", "full-rank", "hybrid", "nuts"]
Values = Literal["prices", "returns"]
Precision = Literal["double", "single"]

MODELS: dict[str, Callable[..., copulas.FactorModel]] = {
    "skew-t": copulas.SkewTFactorModel,
    "skew-normal": copulas.SkewNormalFactorModel,
    "t": copulas.TFactorModel,
    "gaussian": copulas.GaussianFactorModel,
}
NUM_STEPS = {"vi": 2_000, "full-rank": 2_000, "hybrid": 5_000, "nuts": 1_000}
WITH_RANK = ("vi", "hybrid")
RANK = 5


@dataclass(frozen=True)
class CopulaSettings:
    """How a factor copula was fitted.

    Attributes:
        family: "skew-t", "skew-normal", "t" or "gaussian".
        num_factors: K.
        values: what the table held, "prices" or "returns".
        algorithm: "vi", "full-rank", "hybrid" or "nuts".
        num_steps: steps of the optimiser, or draws of each chain.
        rank: factors of the approximation; None without.
        num_chains: chains of "nuts"; 1 for the others.
        precision: "double" or "single".
        seed: of all randomness; None where a key was given.
    """

    family: Family
    num_factors: int
    values: Values
    algorithm: AlgorithmName
    num_steps: int
    rank: int | None
    num_chains: int
    precision: Precision
    seed: int | None

    def model(self, num_assets: int) -> copulas.FactorModel:
        """The model, with the paper's priors.

        Args:
            num_assets: d.

        Returns:
            A model of the family.

        Raises:
            ValueError: as many factors as assets.
        """
        return MODELS[self.family](num_assets=num_assets, num_factors=self.num_factors)


def chosen_algorithm(name: str, family: str, rank: int | None) -> engine.Algorithm:
    """The algorithm of a name.

    Args:
        name: "vi", "full-rank", "hybrid" or "nuts".
        family: of the copula.
        rank: factors of the approximation; None for 5 where it has any.

    Returns:
        The algorithm.

    Raises:
        TypeError: a rank that is not an int.
        ValueError: a rank for an algorithm without one, or below 1; the hybrid for another family
            than the skew-t.
    """
    if rank is not None and name not in WITH_RANK:
        raise ValueError(f"rank is for algorithm 'vi' and 'hybrid'; leave it out for {name!r}")
    if name == "hybrid" and family != "skew-t":
        raise ValueError(f"algorithm 'hybrid' is for family 'skew-t', got {family!r}; take 'vi'")
    if name == "full-rank":
        return copulas.FullRankVI()
    if name == "nuts":
        return copulas.NUTS()
    kind = copulas.HybridVI if name == "hybrid" else copulas.FactorGaussianVI
    return kind(rank=RANK if rank is None else rank)
