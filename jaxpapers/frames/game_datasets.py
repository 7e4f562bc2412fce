"""Results of agent games as labelled arrays."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .. import engine, games
from ..engine import Status

if TYPE_CHECKING:
    import xarray

Axes = Mapping[str, Sequence[str]]
Variables = dict[str, tuple[tuple[str, ...], np.ndarray]]

TRAIT_AXES = ("capability", "mental")
CURVE_AXES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("escaped", "num_switches", "num_talking"), ("round",)),
    "escaped_by_cell": ("round", "exit_cell"),
    "escaped_by_trait": ("round", *TRAIT_AXES),
    **dict.fromkeys(("mean", "variance", "target", "num_winners"), ("round",)),
    **dict.fromkeys(("price", "profit", "collusion_index", "price_spread"), ("round",)),
}
"""Axes of what the games' own records average."""

UNITS: dict[str, str] = {
    **dict.fromkeys(("escaped", "escaped_by_cell", "escaped_by_trait"), "agents"),
    **dict.fromkeys(("num_talking", "num_winners"), "agents"),
    "num_switches": "changes of an exit",
    "positions": "flat index of a cell, row * width + column",
    "exits": "index of an exit",
    **dict.fromkeys(("choices", "mean", "target"), "units of choices"),
    "variance": "squared units of choices",
    **dict.fromkeys(("price", "prices", "price_spread"), "price units"),
    **dict.fromkeys(("price_grid", "undisturbed_price", "before"), "price units"),
    "quantities": "quantity units",
    **dict.fromkeys(("profit", "profits", "undisturbed_profit"), "price units * quantity units"),
    **dict.fromkeys(("competitive_profit", "collusive_profit"), "price units * quantity units"),
    "collusion_index": "1: 0 competitive, 1 cartel",
    **dict.fromkeys(("num_periods", "cycle_length"), "periods"),
    "strategies": "index into price_grid",
    "cycle_state": "index of a state",
}
ERROR, DEVIATION = "_standard_error", "_standard_deviation"


def to_dataset(result: Any, *, axes: Axes | None = None) -> "xarray.Dataset":
    """Gives the arrays of a result names of axes, coordinates and units.

    A play has axes round and agent and those of its record. Moments over worlds have, for each
    reported quantity, its mean and `..._standard_error` and `..._standard_deviation` (of one
    world); a sweep besides the axes of its grid, with their values. Sessions have session and
    agent, mean impulse responses period and agent.

    Args:
        result: a `games.Play`, `engine.Moments`, `games.Sweep`, `games.Sessions` or
            `games.MeanResponse`.
        axes: of moments and sweeps: names of the axes of quantities that are not those of the
            games' own records, by quantity; numbered names where none are given.

    Returns:
        NumPy arrays with names; the file format of `.to_netcdf` can hold all of it.

    Raises:
        TypeError: something else.
        ValueError: another number of names than of axes, names that mean two things, or many
            plays at once.
        ImportError: without the extra `io`.

    Example:
        >>> import jax
        >>> from jaxpapers import frames, games
        >>> cloud = games.replicate(
        ...     jax.random.key(0),
        ...     games.BeautyContest(),
        ...     games.MedianTalk(),
        ...     num_rounds=4,
        ...     num_worlds=50,
        ... )
        >>> found = frames.to_dataset(cloud)
        >>> print(found.variance.dims, found.variance_standard_error.shape, found.num_worlds)
        ('round',) (4,) 50
    """
    xarray = engine.require_extra("xarray", "io")
    labellers = {
        games.Play: _of_play,
        engine.Moments: lambda found: _of_moments(found, axes or {}),
        games.Sweep: lambda found: _of_sweep(found, axes or {}),
        games.Sessions: _of_sessions,
        games.MeanResponse: _of_response,
    }
    for kind, labelled in labellers.items():
        if isinstance(result, kind):
            with engine.double_precision():
                variables, coordinates, attributes = labelled(result)
            return _dataset(xarray, variables, coordinates, attributes)
    kinds = ", ".join(kind.__name__ for kind in labellers)
    raise TypeError(f"result is a {type(result).__name__}; needed is one of {kinds}")


def record_axes(record: games.Record) -> dict[str, tuple[str, ...]]:
    """Axes of the fields of a record that a play holds, from their shape annotations.

    Args:
        record: with a leading axis of rounds.

    Returns:
        Field to names, `round` first; numbered names where an annotation has none.
    """
    return {
        field.name: ("round", *_own_axes(field, np.ndim(getattr(record, field.name)) - 1))
        for field in dataclasses.fields(record)
    }


def _own_axes(field: dataclasses.Field, ndim: int) -> tuple[str, ...]:
    names = getattr(field.type, "dim_str", "").split()
    if field.name == "escaped_by_trait":
        names = TRAIT_AXES
    elif len(names) != ndim or not all(name.isidentifier() for name in names):
        names = _numbered(field.name, ndim)
    return tuple(names)


def _numbered(name: str, ndim: int) -> tuple[str, ...]:
    return tuple(f"{name}_axis_{place}" for place in range(ndim))


def _of_play(play: games.Play):
    actions = np.asarray(play.actions)
    if actions.ndim != 2:
        raise ValueError(f"result must be one play, got actions of shape {actions.shape}")
    variables: Variables = {
        "actions": (("round", "agent"), actions),
        "rewards": (("round", "agent"), np.asarray(play.rewards)),
    }
    for name, names in record_axes(play.records).items():
        variables[name] = (names, np.asarray(getattr(play.records, name)))
    return variables, {}, {"result": "play of one world"}


def _of_moments(moments: engine.Moments, axes: Axes, grid: tuple[str, ...] = ()):
    means = _by_name(moments.mean)
    counts = np.asarray(moments.num_worlds)
    variables: Variables = {}
    for (name, mean), variance in zip(
        means.items(), _by_name(moments.variance).values(), strict=True
    ):
        names = grid + _names_of(name, mean.ndim - len(grid), axes)
        worlds = counts.reshape(counts.shape + (1,) * (mean.ndim - counts.ndim))
        variables[name] = (names, mean)
        variables[name + ERROR] = (names, np.sqrt(variance / worlds))
        variables[name + DEVIATION] = (names, np.sqrt(variance))
    unknown = [name for name in axes if name not in means]
    if unknown:
        raise ValueError(f"axes names {unknown[0]!r}, which is not reported: {', '.join(means)}")
    return variables, {}, {"result": "means over worlds", "num_worlds": int(counts.max())}


def _of_sweep(sweep: games.Sweep, axes: Axes):
    variables, _, attributes = _of_moments(sweep.moments, axes, tuple(sweep.axes))
    taken = {name for names, _ in variables.values() for name in names[len(sweep.axes) :]}
    for name in sweep.axes:
        if name in taken or name in variables:
            raise ValueError(
                f"the axis {name!r} of the sweep has the name of a reported quantity or its axis; "
                "give `build` another name for it"
            )
    coordinates = {name: _labels(values) for name, values in sweep.axes.items()}
    return variables, coordinates, {**attributes, "result": "means over worlds on a grid"}


def _of_sessions(sessions: games.Sessions):
    grid = sessions.grid
    session, both = ("session",), ("session", "agent")
    variables: Variables = {
        "collusion_index": (session, np.asarray(sessions.collusion_index)),
        "num_periods": (session, np.asarray(sessions.num_periods)),
        "cycle_length": (session, np.asarray(sessions.cycle_length)),
        "prices": (both, np.asarray(sessions.prices)),
        "profits": (both, np.asarray(sessions.profits)),
        "cycle_state": (session, np.asarray(sessions.state)),
        "status": (session, np.asarray(sessions.status)),
        "price_grid": (("agent", "price_index"), np.asarray(grid.prices)),
        "competitive_profit": (("agent",), np.asarray(grid.competitive)),
        "collusive_profit": (("agent",), np.asarray(grid.collusive)),
    }
    if sessions.strategies is not None:
        variables["strategies"] = (("session", "agent", "state"), np.asarray(sessions.strategies))
    return variables, {}, {"result": "sessions of Q-learning firms"}


def _of_response(response: games.MeanResponse):
    both = ("period", "agent")
    names = {
        "price": ("prices", both),
        "undisturbed_price": ("undisturbed", both),
        "profit": ("profits", both),
        "undisturbed_profit": ("undisturbed_profits", both),
        "before": ("before", ("agent",)),
    }
    variables: Variables = {}
    for name, (field, axes) in names.items():
        variables[name] = (axes, np.asarray(getattr(response.mean, field)))
        variables[name + ERROR] = (axes, np.asarray(getattr(response.standard_error, field)))
    return variables, {}, {"result": "means over sessions after a price cut in period 0"}


def _dataset(xarray, variables, coordinates, attributes):
    """The dataset, with a number for each place of an axis that has no values."""
    sizes = {
        name: size
        for names, values in variables.values()
        for name, size in zip(names, values.shape, strict=True)
    }
    counted = {name: np.arange(size) for name, size in sizes.items() if name not in coordinates}
    described = {
        name: (names, values, _attributes(name)) for name, (names, values) in variables.items()
    }
    return xarray.Dataset(described, {**counted, **coordinates}, attributes)


def _attributes(name: str) -> dict[str, Any]:
    """Unit of a variable; the meaning of the numbers of a status."""
    if name == "status":
        return {
            "flag_values": [int(status) for status in Status],
            "flag_meanings": " ".join(status.name for status in Status),
        }
    unit = UNITS.get(name.removesuffix(ERROR).removesuffix(DEVIATION))
    return {"units": unit} if unit else {}


def _names_of(name: str, ndim: int, axes: Axes) -> tuple[str, ...]:
    """Names of the axes of a reported quantity."""
    names = tuple(axes[name]) if name in axes else CURVE_AXES.get(name, ())
    if len(names) == ndim:
        return names
    if name in axes:
        raise ValueError(f"axes has {len(names)} names for {name!r}, which has {ndim} axes")
    return _numbered(name, ndim)


def _by_name(report: Any) -> dict[str, np.ndarray]:
    """The arrays of a report by the way to them; `value` where it is one array."""
    return {
        "_".join(str(_key_of(part)) for part in path) or "value": np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(report)
    }


def _key_of(part: Any) -> Any:
    return next(getattr(part, name) for name in ("key", "name", "idx") if hasattr(part, name))


def _labels(values: Sequence[Any]) -> np.ndarray:
    """Values of an axis: numbers and texts as they are, others by what they print."""
    plain = [value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value
             for value in values]  # fmt: skip
    if all(isinstance(value, bool | int | float | str) for value in plain):
        return np.asarray(plain)
    return np.asarray([str(value) for value in plain])
