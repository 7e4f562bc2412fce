"""What rules, reserves and temperatures bring: revenue against welfare, in one sweep."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from .checks import check_kind
from .model import Rule
from .payments import Payment, SecondPrice
from .solve import expected_charges
from .welfare import measure


class Frontier(eqx.Module):
    """Means over auctions by setting: settings of the first rule, then of the second, and so on.

    Attributes:
        revenue: expected payments of all agents per token, in the unit of bids.
        value: sum of bids times influence, what agents get by their bids.
        pretraining: `-sum b_i KL(p_i || q)`, in the unit of bids times nats; may be minus infinity.
        rlhf: `-sum b_i KL(q || p_i)`; may be minus infinity.
        platform_distance: total variation between q and the platform's; None without a platform.
        platform_divergence: `KL(q || p_0)` in nats; None without a platform.
        entropy: of q, in nats.
        is_efficient: whether no other setting has at least the revenue and at least the
            pre-training welfare, and more of one of them; see `pareto_efficient` for other aims.
        status: the most serious one of a setting's auctions, as in `Influence`.
    """

    revenue: Float[Array, " setting"]
    value: Float[Array, " setting"]
    pretraining: Float[Array, " setting"]
    rlhf: Float[Array, " setting"]
    platform_distance: Float[Array, " setting"] | None
    platform_divergence: Float[Array, " setting"] | None
    entropy: Float[Array, " setting"]
    is_efficient: Bool[Array, " setting"]
    status: Int[Array, " setting"]


def frontier(
    rules: Sequence[Rule],
    bids: Float[ArrayLike, "auction agent"],
    log_probs: Float[ArrayLike, "auction agent vocab"],
    platform: Float[ArrayLike, "auction vocab"] | None = None,
    *,
    payment: Payment | None = None,
    batch_size: int = 64,
) -> Frontier:
    """Revenue, welfare and distance to the platform over grids of rules, all in one program.

    Bids are held fixed: with second-price payments they are the values, at every reserve and
    temperature. Source: derived by us.

    Args:
        rules: each with a grid of its number, as `jax.vmap(LinearRule)(reserves)` or
            `jax.vmap(BaseModelRule)(temperatures)` makes it, or one rule for a single setting.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: as `utility`; `SecondPrice()` by default.
        batch_size: auctions computed at once for one setting; memory grows with it.

    Returns:
        Means over auctions for each setting, with a status.

    Raises:
        TypeError: rules or a payment that are none, arrays of the wrong kind.
        ValueError: no rules, shapes that do not fit, numbers of a rule out of range, a reserve
            without a platform.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p, base = jnp.log(jnp.asarray([[[0.9, 0.1]]])), jnp.log(jnp.asarray([[0.5, 0.5]]))
        >>> rules = [jax.vmap(auctions.LinearRule)(jnp.asarray([0.1, 0.46, 2.0]))]
        >>> found = auctions.frontier(rules, jnp.asarray([[1.0]]), p, base)
        >>> print(found.revenue.round(4), found.is_efficient)
        [0.0596 0.0865 0.0577] [ True  True False]
    """
    for rule in rules:
        check_kind("rules", rule, Rule)
    payment = SecondPrice() if payment is None else payment
    check_kind("payment", payment, Payment)
    engine.check_count("batch_size", batch_size)
    arrays = _auctions(bids, log_probs, platform)
    grids = tuple(_as_grid(rule, platform) for rule in rules)
    if not grids:
        raise ValueError("rules must hold at least one rule")
    return _frontier(grids, payment, arrays, min(batch_size, arrays[0].shape[0]))


@eqx.filter_jit
def _frontier(grids, payment, arrays, batch_size):
    parts = [_over_settings(grid, payment, arrays, batch_size) for grid in grids]
    means = jax.tree.map(lambda *pieces: jnp.concatenate(pieces), *parts)
    aims = jnp.stack([means["revenue"], means["pretraining"]], axis=1)
    return Frontier(**means, is_efficient=pareto_efficient(aims))


def _over_settings(grid, payment, arrays, batch_size):
    """Means over auctions for each setting of one rule."""
    numbers, static = eqx.partition(grid, eqx.is_array)

    def of_setting(own):
        rule = eqx.combine(own, static)
        found = jax.lax.map(
            lambda one: _of_auction(rule, payment, *one), arrays, batch_size=batch_size
        )
        status = jnp.max(found.pop("status"))
        return jax.tree.map(jnp.mean, found) | {"status": status}

    return jax.lax.map(of_setting, numbers)


def _of_auction(rule, payment, bids, log_probs, platform=None):
    moved, paid = expected_charges(rule, bids, log_probs, platform, payment=payment)
    found = measure(rule, bids, log_probs, platform)
    return {
        "revenue": jnp.sum(paid),
        "value": jnp.sum(bids * moved),
        "pretraining": found.pretraining,
        "rlhf": found.rlhf,
        "platform_distance": found.platform_distance,
        "platform_divergence": found.platform_divergence,
        "entropy": found.entropy,
        "status": found.status,
    }


def pareto_efficient(aims: Float[Array, "setting aim"]) -> Bool[Array, " setting"]:
    """Which settings no other setting beats.

    Args:
        aims: numbers of which more is better; minus infinity is the worst there is.

    Returns:
        True where no other row is at least as large in all aims and larger in one. Rows that are
        equal do not beat each other.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> print(auctions.pareto_efficient(jnp.asarray([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]])))
        [ True  True False]
    """
    mine, theirs = aims[:, None], aims[None]
    is_beaten = jnp.all(theirs >= mine, axis=2) & jnp.any(theirs > mine, axis=2)
    return ~jnp.any(is_beaten, axis=1)


def _auctions(bids, log_probs, platform):
    """Checks shapes, and gives all of it one floating dtype."""
    shapes: dict[str, Any] = {
        "bids": (bids, ("auction", "agent")),
        "log_probs": (log_probs, ("auction", "agent", "vocab")),
    }
    arrays = [bids, log_probs]
    if platform is not None:
        shapes["platform"] = (platform, ("auction", "vocab"))
        arrays.append(platform)
    sizes = engine.check_shapes(shapes, "real")
    if min(sizes.values()) < 1:
        raise ValueError(f"log_probs has shape {jnp.shape(log_probs)}: give at least one auction")
    dtype = jnp.result_type(*arrays, float)
    return tuple(jnp.asarray(array, dtype) for array in arrays)


def _as_grid(rule, platform):
    """A rule whose arrays have a leading axis of settings."""
    arrays = jax.tree.leaves(eqx.filter(rule, eqx.is_array))
    if not arrays:
        raise ValueError(f"{type(rule).__name__} has no number to sweep: give it one as an array")
    _check_numbers(rule, platform)
    if all(array.ndim for array in arrays):
        return rule
    return jax.tree.map(lambda x: x[None] if eqx.is_array(x) else x, rule)


def _check_numbers(rule, platform):
    """Checks reserves and temperatures that are known; rules of the user's have neither."""
    for name, least in (("reserve", "at least 0"), ("temperature", "above 0")):
        numbers = getattr(rule, name, None)
        if numbers is None or not engine.is_concrete(numbers):
            continue
        numbers = np.asarray(numbers)
        is_in_range = numbers >= 0 if name == "reserve" else numbers > 0
        if not (np.isfinite(numbers) & is_in_range).all():
            raise ValueError(f"{name} must be finite and {least}, got {numbers}")
        if name == "reserve" and platform is None and (numbers > 0).any():
            raise ValueError(
                "a rule has reserves above 0 but platform is None: give the platform's "
                "log-probabilities, or reserves of 0"
            )
