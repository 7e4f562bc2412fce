"""Skew-t factor copulas by variational Bayes (Deng, Smith and Maneesoonthorn).

Start with `pseudo_observations` (data to (0, 1)), `SkewTFactorModel` (what is estimated), `fit`
(its posterior), `quantile_dependence` (what it says about pairs). Copulas with known parameters:
`SkewTCopula` and its limits, `GHSkewTCopula`, `SahuSkewTCopula`. The univariate skew-t is
`copulas.skew_t`. With data frames: `jaxpapers.frames.fit_copula`.

Promises, *jit · vmap · grad · shard*:

``fit``, ``resume``     | no: host | no: host | no: host | no: host
``find_modes``          | yes | yes | no: loops | no: loops
``whiten``              | yes | yes | no: loops | yes: one data set a device
``observe``             | yes | yes | yes | yes: one data set a device
``pseudo_observations`` | yes | yes | no: ranks are steps | yes: one data set a device
``kernel_margins``      | yes | yes | yes | yes: one data set a device
``quantile_dependence`` | yes | yes | yes | yes
``posterior_quantile_dependence`` | yes | yes | yes | yes: one posterior a device
``empirical_quantile_dependence`` | yes | yes | no: counts are steps | yes
``tail_dependence``, ``rank_correlation`` | yes | yes | yes | yes
``maximal_asymmetry``, ``maximal_tail_asymmetry`` | no: host | no: host | no: host | no: host
``predictive_draws``    | yes | yes | no: rough in gamma draws | yes: one fit a device
``log_score``           | yes | yes | yes | yes: one fit a device
``crps``, ``lower_tail_crps``, ``energy_score`` | yes | yes | yes | yes
"""

from . import skew_t
from .asymmetry import MaximalAsymmetry, maximal_asymmetry, maximal_tail_asymmetry
from .copula import Copula
from .dependence import (
    QuantileDependence,
    RankCorrelation,
    TailDependence,
    empirical_quantile_dependence,
    posterior_quantile_dependence,
    quantile_dependence,
    rank_correlation,
    tail_dependence,
)
from .families import GaussianCopula, SkewNormalCopula, SkewTCopula, TCopula
from .gh_skew_t import GHSkewTCopula
from .hybrid import HybridVI
from .marginals import KernelMargins, kernel_margins, pseudo_observations
from .mode import Modes, find_modes
from .model import (
    FactorModel,
    FactorParams,
    FactorPrior,
    GaussianFactorModel,
    SkewNormalFactorModel,
    SkewTFactorModel,
    TFactorModel,
)
from .nuts import NUTS
from .observed import Observed, observe
from .predict import crps, energy_score, log_score, lower_tail_crps, predictive_draws
from .results import CopulaFit, FactorMoments
from .sahu_skew_t import SahuSkewTCopula
from .solve import fit, resume
from .vi import FactorGaussianVI, FullRankVI, VIData
from .whitening import Whitening, whiten

__all__ = [
    "NUTS",
    "Copula",
    "CopulaFit",
    "FactorGaussianVI",
    "FactorModel",
    "FactorMoments",
    "FactorParams",
    "FactorPrior",
    "FullRankVI",
    "GHSkewTCopula",
    "GaussianCopula",
    "GaussianFactorModel",
    "HybridVI",
    "KernelMargins",
    "MaximalAsymmetry",
    "Modes",
    "Observed",
    "QuantileDependence",
    "RankCorrelation",
    "SahuSkewTCopula",
    "SkewNormalCopula",
    "SkewNormalFactorModel",
    "SkewTCopula",
    "SkewTFactorModel",
    "TCopula",
    "TFactorModel",
    "TailDependence",
    "VIData",
    "Whitening",
    "crps",
    "empirical_quantile_dependence",
    "energy_score",
    "find_modes",
    "fit",
    "kernel_margins",
    "log_score",
    "lower_tail_crps",
    "maximal_asymmetry",
    "maximal_tail_asymmetry",
    "observe",
    "posterior_quantile_dependence",
    "predictive_draws",
    "pseudo_observations",
    "quantile_dependence",
    "rank_correlation",
    "resume",
    "skew_t",
    "tail_dependence",
    "whiten",
]
