"""Regressions with ranks and consistent inference for them (Chetverikov and Wilhelm).

Start with `RankRegression` (what is ranked), `fit` (estimates, consistent covariance, influence
functions), `bootstrap` and `multiplier_bootstrap`; then mobility measures, tests, predictions.
With data frames and formulas: `jaxpapers.frames.rank_regression`.

Promises, *jit · vmap · grad · shard*:

``fit``                  | yes: `num_groups` given | yes | no: ranks are steps | yes: by sample
``rank_order``           | yes | yes | no: integers | yes: by sample
``bootstrap``            | yes: no checkpoint | yes | no: ranks are steps | yes: `mesh`
``multiplier_bootstrap`` | yes: no checkpoint | yes | yes: in the influence | yes: `mesh`
``coverage``             | no: counts the truth on the host | no: as jit | no: as jit | yes: `mesh`
``contrast``             | yes | yes | yes | yes
``relative_mobility``    | yes | yes | yes | yes
``absolute_mobility``    | yes | yes | yes | yes
``wald_test``            | yes | yes | no: a rank decision | yes
``equality_test``        | yes | yes | no: a rank decision | yes
``predict``              | yes | yes | no: ranks are steps | yes
"""

from ..numerics import RankOrder
from .bootstrap import bootstrap
from .draws import BootstrapDraws, MultiplierDraws
from .inference import (
    WaldTest,
    absolute_mobility,
    contrast,
    equality_test,
    relative_mobility,
    wald_test,
)
from .model import RankRegression
from .multiplier import (
    GaussianMultiplier,
    Multiplier,
    RademacherMultiplier,
    multiplier_bootstrap,
)
from .order import rank_order
from .populations import (
    DiagonalBlocks,
    DiscretisedGaussian,
    Flip,
    GaussianCopula,
    Parabola,
    Population,
    Regions,
)
from .prediction import Prediction, predict
from .results import Estimate, RankRegressionFit
from .simulate import CoverageDraws, coverage
from .solve import fit

__all__ = [
    "BootstrapDraws",
    "CoverageDraws",
    "DiagonalBlocks",
    "DiscretisedGaussian",
    "Estimate",
    "Flip",
    "GaussianCopula",
    "GaussianMultiplier",
    "Multiplier",
    "MultiplierDraws",
    "Parabola",
    "Population",
    "Prediction",
    "RademacherMultiplier",
    "RankOrder",
    "RankRegression",
    "RankRegressionFit",
    "Regions",
    "WaldTest",
    "absolute_mobility",
    "bootstrap",
    "contrast",
    "coverage",
    "equality_test",
    "fit",
    "multiplier_bootstrap",
    "predict",
    "rank_order",
    "relative_mobility",
    "wald_test",
]
