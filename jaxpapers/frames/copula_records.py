"""Fitted copulas as xarray DataTrees, and netCDF files that are whole or not there."""

import importlib.metadata
import json
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import copulas, engine
from .copula_sample import CopulaSample
from .copula_settings import CopulaSettings

if TYPE_CHECKING:
    import xarray

    from .copula_results import FactorCopulaResult

FORMAT = 1
PACKAGES = ("jaxpapers", "jax", "numpy", "xarray")
SCALARS = (
    "log_posterior",
    "elbo",
    "elbo_se",
    "pareto_k",
    "log_evidence",
    "r_hat",
    "num_rejected",
    "status",
    "num_steps",
)


def to_datatree(result: "FactorCopulaResult") -> "xarray.DataTree":
    """A fit as ArviZ has them; see `FactorCopulaResult.to_datatree`.

    Args:
        result: the fit.

    Returns:
        The tree.
    """
    xarray = engine.require_extra("xarray", "io")
    groups = {
        "posterior": _posterior(result),
        "sample_stats": _sample_stats(result),
        "observed_data": _observed_data(result),
    }
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    attributes = {
        "jaxpapers_format": FORMAT,
        "inference_library": "jaxpapers",
        "inference_library_version": versions["jaxpapers"],
        "versions": json.dumps({"python": platform.python_version(), **versions}),
        "settings": json.dumps(asdict(result.settings)),
        "margins": result.sample.margins,
        "num_dropped": result.num_dropped,
        "status": result.status.name,
        "status_message": result.status_message,
    }
    tree = {name: xarray.Dataset(**group) for name, group in groups.items()}
    return xarray.DataTree.from_dict({"/": xarray.Dataset(attrs=attributes), **tree})


def _posterior(result):
    """Parameters by chain and draw; `unconstrained` is what everything is computed from."""
    posterior, num_chains = result.posterior, result.settings.num_chains
    shapes = {
        "unconstrained": (result.fit.draws, ("param",)),
        "correlation": (posterior.correlation, ("asset", "asset_2")),
        "loadings": (posterior.loadings, ("asset", "factor")),
        "delta": (posterior.delta, ("asset",)),
        "alpha": (posterior.alpha, ("asset",)),
        "nu": (posterior.nu, ()),
    }
    variables = {
        name: (("chain", "draw", *axes), values.reshape(num_chains, -1, *values.shape[1:]))
        for name, (values, axes) in shapes.items()
        if values is not None
    }
    num_draws = result.fit.draws.shape[0] // num_chains
    coordinates = {
        "chain": np.arange(num_chains),
        "draw": np.arange(num_draws),
        "asset": list(result.assets),
        "asset_2": list(result.assets),
        "factor": np.arange(result.settings.num_factors),
        "param": np.arange(result.fit.draws.shape[1]),
    }
    return {"data_vars": variables, "coords": coordinates}


def _sample_stats(result):
    """How the fit went; `lp` of chains by draw, the ELBO of variational fits by step."""
    fit, num_chains = result.fit, result.settings.num_chains
    variables: dict[str, Any] = {name: ((), getattr(fit, name)) for name in SCALARS}
    if result.settings.algorithm == "nuts":
        variables["lp"] = (("chain", "draw"), fit.trace.reshape(num_chains, -1))
    else:
        variables["elbo_trace"] = (("step",), fit.trace)
    variables |= {
        "mode_params": (("start", "param"), fit.modes.params),
        "mode_log_posterior": (("start",), fit.modes.log_posterior),
        "mode_status": (("start",), fit.modes.status),
    }
    return {"data_vars": variables, "coords": {}}


def _observed_data(result):
    sample, axes = result.sample, ("time", "asset")
    label = {} if sample.index.name is None else {"label": str(sample.index.name)}
    time = ("time", np.asarray(sample.index), label)
    coordinates = {"time": time, "asset": list(sample.assets)}
    variables = {"u": (axes, sample.u), "returns": (axes, sample.returns)}
    return {"data_vars": variables, "coords": coordinates}


def from_datatree(
    tree: "xarray.DataTree",
) -> tuple[copulas.CopulaFit, CopulaSample, CopulaSettings]:
    """The parts of a fit.

    Args:
        tree: as `to_datatree` makes it.

    Returns:
        The fit, without what resuming needs: approximation, whitening and state are None; sample
        and settings.

    Raises:
        ValueError: a tree of something else, or of a later version.
    """
    version = tree.attrs.get("jaxpapers_format")
    if version is None:
        raise ValueError("it is not a factor copula: it has no attribute 'jaxpapers_format'")
    if version > FORMAT:
        raise ValueError(
            f"it has format {version}, this version reads up to {FORMAT}: update jaxpapers"
        )
    settings = CopulaSettings(**json.loads(tree.attrs["settings"]))
    posterior, stats, data = (
        {name: variable.to_numpy() for name, variable in tree[group].data_vars.items()}
        for group in ("posterior", "sample_stats", "observed_data")
    )
    assets = tuple(str(name) for name in tree["observed_data"]["asset"].to_numpy())
    draws, time = posterior["unconstrained"], tree["observed_data"]["time"]
    modes: dict[str, Any] = {
        name: stats[f"mode_{name}"] for name in ("params", "log_posterior", "status")
    }
    parts: dict[str, Any] = {
        "model": settings.model(len(assets)),
        "draws": draws.reshape(-1, draws.shape[-1]),
        "modes": copulas.Modes(**modes),
        "trace": stats["lp"].reshape(-1) if "lp" in stats else stats["elbo_trace"],
        **{name: stats[name] for name in SCALARS},
        **dict.fromkeys(("whitening", "approximation", "state")),
    }
    parts.setdefault("weighted", None)
    fit = copulas.CopulaFit(**parts)
    sample = CopulaSample(
        returns=data["returns"],
        u=data["u"],
        assets=assets,
        index=time.to_index().rename(time.attrs.get("label")),
        margins=tree.attrs["margins"],
        num_dropped=int(tree.attrs["num_dropped"]),
    )
    return fit, sample, settings
