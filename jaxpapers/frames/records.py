"""What a rank regression reports, as plain numbers and texts."""

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from .inference import VCOV_TYPES

if TYPE_CHECKING:
    from .results import RankRegressionResult

PACKAGES = ("jaxpapers", "jax", "numpy", "formulaic")


def to_record(result: "RankRegressionResult") -> dict[str, Any]:
    """Everything that a result reports.

    Args:
        result: the fit.

    Returns:
        A dict that JSON can hold; None stands for missing numbers.
    """
    shares = result.tie_shares
    return {
        "formula": result.formula.text,
        "by": result.formula.group,
        "groups": list(result.groups),
        "names": list(result.names),
        "params": _plain(result.params.to_numpy()),
        "bse": _plain(result.bse.to_numpy()),
        "cov": _plain(result.covariance(result.vcov_type)),
        "vcov": result.vcov_type,
        "bse_by_kind": {kind: _plain(result.standard_errors(kind)) for kind in VCOV_TYPES},
        "n": result.nobs,
        "n_ranked": result.num_ranked,
        "num_dropped": result.num_dropped,
        "tie_weight": result.tie_weight,
        "tie_shares": {name: float(share) for name, share in shares.items()},
        "r_squared": result.rsquared,
        "status": result.status.name,
        "message": result.status_message,
        "precision": result.precision,
        "versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in PACKAGES},
        },
    }


def _plain(values: np.ndarray) -> list[Any]:
    """Nested lists with None in the place of numbers that JSON does not have."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
