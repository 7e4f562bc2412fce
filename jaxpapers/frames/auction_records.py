"""Texts that were sold as xarray DataTrees."""

import dataclasses
import importlib.metadata
import json
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import auctions, engine
from .auction_settings import AuctionSettings

if TYPE_CHECKING:
    import xarray

    from .auction_results import TokenAuctionResult

FORMAT = 1
PACKAGES = ("jaxpapers", "jax", "numpy", "xarray")
AXES = ("text", "position", "agent")
VARIABLES = {
    "tokens": 2,
    "bids": 3,
    "probabilities": 3,
    "probability": 2,
    "payments": 3,
    "influence": 3,
    "switch_bids": 3,
    "counterfactuals": 3,
    "is_expected": 2,
    "status": 2,
    "switch_status": 3,
}
"""Fields of a generation and how many of the axes each has."""


def to_datatree(result: "TokenAuctionResult") -> "xarray.DataTree":
    """What was sold as labelled arrays; see `TokenAuctionResult.to_datatree`.

    Args:
        result: what was sold.

    Returns:
        The tree.
    """
    xarray = engine.require_extra("xarray", "io")
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    attributes = {
        "jaxpapers_auction_format": FORMAT,
        "versions": json.dumps({"python": platform.python_version(), **versions}),
        "settings": json.dumps(dataclasses.asdict(result.settings)),
        "status": result.status.name,
        "status_message": result.status_message,
    }
    vocabulary = {"word": ("token", _texts(result.tokenizer.words))}
    return xarray.DataTree.from_dict(
        {
            "/": xarray.Dataset(attrs=attributes),
            "generation": xarray.Dataset(**_generation(result)),
            "vocabulary": xarray.Dataset(vocabulary),
        }
    )


def _generation(result):
    found, words = result.generation, _texts(result.tokenizer.words)
    variables: dict[str, Any] = {
        name: (AXES[:num_axes], getattr(found, name)) for name, num_axes in VARIABLES.items()
    }
    variables["words"] = (AXES[:2], words[found.tokens])
    variables["counterfactual_words"] = (AXES, words[found.counterfactuals])
    variables["is_moved"] = (AXES, result.is_moved)
    coordinates = {
        "text": np.arange(result.num_texts),
        "position": np.arange(result.num_tokens),
        "agent": _texts(result.agents),
    }
    return {"data_vars": variables, "coords": coordinates}


def from_datatree(
    tree: "xarray.DataTree",
) -> tuple[auctions.Generation, tuple[str, ...], auctions.WordTokenizer, AuctionSettings]:
    """The parts of a result.

    Args:
        tree: as `to_datatree` makes it.

    Returns:
        Generation, names of the agents, tokenizer and settings.

    Raises:
        ValueError: a tree of something else, or of a later version.
    """
    version = tree.attrs.get("jaxpapers_auction_format")
    if version is None:
        raise ValueError("it is no auction: it has no attribute 'jaxpapers_auction_format'")
    if version > FORMAT:
        raise ValueError(
            f"it has format {version}, this version reads up to {FORMAT}: update jaxpapers"
        )
    group = tree["generation"]
    arrays: dict[str, Any] = {name: group[name].to_numpy() for name in VARIABLES}
    arrays["is_expected"] = arrays["is_expected"].astype(bool)
    names = tuple(str(name) for name in group["agent"].to_numpy())
    words = tuple(str(word) for word in tree["vocabulary"]["word"].to_numpy())
    settings = AuctionSettings(**json.loads(tree.attrs["settings"]))
    return auctions.Generation(**arrays), names, auctions.WordTokenizer(words), settings


def _texts(names):
    return np.asarray(names, object)
