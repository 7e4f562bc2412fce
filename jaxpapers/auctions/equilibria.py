"""Equilibria of bidding for one token, by best-response play."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from ..engine import Algorithm, Status
from .bidding import Market, as_grid, as_market, check_bidding, evaluate, respond
from .model import Rule, as_number, check_weight
from .payments import Payment


class Equilibrium(eqx.Module):
    """Bids that are best responses to each other.

    Attributes:
        bids: by agent.
        utilities: `v_i x_i` less the expected payment.
        influence: share of text that each agent moves.
        payments: expected.
        is_attained: as in `BestResponse`; False where more or less than the grid's ends would be
            better still, so that bids are an equilibrium on the grid only.
        gap: largest distance of a bid to a best response, as a share of the largest value, in the
            last step.
        num_steps: steps taken, int32.
        status: CONVERGED; MAX_STEPS where the gap is still above the tolerance, then take more
            steps or a smaller `damping`; else as in `Utilities`.
    """

    bids: Float[Array, " agent"]
    utilities: Float[Array, " agent"]
    influence: Float[Array, " agent"]
    payments: Float[Array, " agent"]
    is_attained: Bool[Array, " agent"]
    gap: Float[Array, ""]
    num_steps: Int[Array, ""]
    status: Int[Array, ""]


class PlayState(eqx.Module):
    """Where best-response play stands.

    Attributes:
        bids: by agent.
        is_attained: of their best responses before the last step.
        gap: largest distance of a bid to a best response before the last step, as a share of the
            largest value.
    """

    bids: Float[Array, " agent"]
    is_attained: Bool[Array, " agent"]
    gap: Float[Array, ""]


class BestResponsePlay(Algorithm):
    """All agents move towards their best responses at once.

    Model is the rule, data a `Market` of one token. With many agents undamped steps can cycle: an
    all-pay auction of n equal agents needs a damping below 4 / n.

    Attributes:
        payment: what is charged.
        grid: as in `best_response`.
        damping: share of the way that is taken in a step, in (0, 1].
        tolerance: it stops where the gap is below.
    """

    payment: Payment
    grid: Float[Array, " bid"]
    damping: Float[Array, ""] = eqx.field(converter=as_number)
    tolerance: Float[Array, ""] = eqx.field(converter=as_number)

    def init(self, key: Any, model: Rule, data: Market) -> PlayState:
        """Everybody bids half the value."""
        del key, model
        bids = 0.5 * jnp.maximum(data.values, 0)
        return PlayState(bids, jnp.ones(bids.shape, bool), jnp.asarray(jnp.inf, bids.dtype))

    def step(self, key, model, data, state):
        """A part of the way to the best responses."""
        del key
        best = respond(model, self.payment, data, state.bids, self.grid)
        moves = best.bids - state.bids
        scale = jnp.max(jnp.abs(data.values))
        gap = jnp.max(jnp.abs(moves)) / jnp.where(scale > 0, scale, 1)
        bids = state.bids + self.damping.astype(moves.dtype) * moves
        return PlayState(bids, best.is_attained, gap), gap

    def status(self, state, info):
        """CONVERGED where bids are best responses."""
        del info
        is_finite = jnp.all(jnp.isfinite(state.bids))
        found = jnp.where(state.gap <= self.tolerance, Status.CONVERGED, Status.RUNNING)
        return jnp.where(is_finite, found, Status.NON_FINITE).astype(jnp.int32)


def equilibrium(
    rule: Rule,
    values: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment,
    num_steps: int = 200,
    damping: float | Float[Array, ""] = 0.5,
    tolerance: float | Float[Array, ""] | None = None,
    grid: Float[ArrayLike, " bid"] | None = None,
) -> Equilibrium:
    """Bids that are best responses to each other, by damped best-response play from half the value.

    Source: derived by us. Two agents under the linear rule: first price and equal values, `v / 3`;
    all-pay, `V_i^2 V_j / (V_i + V_j)^2` with `V_i = v_i TV(p_i, p_j)`. Other equilibria may exist.

    Args:
        rule: how distributions are aggregated.
        values: of a unit of influence, in the unit of bids.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: as `utility`.
        num_steps: largest number of steps.
        damping: as in `BestResponsePlay`.
        tolerance: largest gap to a best response, as a share of the largest value; by default 8
            times the square root of the precision, 1e-7 in f64 and 3e-3 in f32.
        grid: as `best_response`.

    Returns:
        The equilibrium, with a status.

    Raises:
        TypeError: as `utility`.
        ValueError: as `best_response`, a count below 1, a damping or tolerance that is not above 0
            and finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.75, 0.25], [0.25, 0.75]]))
        >>> found = auctions.equilibrium(
        ...     auctions.LinearRule(),
        ...     jnp.asarray([3.0, 3.0]),
        ...     p,
        ...     payment=auctions.FirstPrice(),
        ...     tolerance=1e-6,
        ... )
        >>> print(found.bids.round(3))
        [1. 1.]
    """
    check_bidding(rule, payment)
    engine.check_count("num_steps", num_steps)
    market = as_market(values, log_probs, platform, has_rounds=False)
    if tolerance is None:
        tolerance = 8 * float(jnp.finfo(market.values.dtype).eps) ** 0.5
    check_weight("damping", damping, is_zero_allowed=False)
    check_weight("tolerance", tolerance, is_zero_allowed=False)
    numbers = as_number(damping), as_number(tolerance)
    play = BestResponsePlay(payment, as_grid(grid, market.values), *numbers)
    return _equilibrium(rule, play, market, num_steps)


@eqx.filter_jit
def _equilibrium(rule, play, market, num_steps):
    key = jax.random.key(0)  # no step draws anything
    run = engine.unroll(key, play, rule, market, num_steps=num_steps)
    bids = run.state.bids
    got = evaluate(rule, play.payment, market, bids)
    status = jnp.where(run.status == Status.OK, Status.MAX_STEPS, run.status)
    is_fine = (got.status == Status.OK) | (run.status == Status.NON_FINITE)
    return Equilibrium(
        bids=bids,
        utilities=got.utilities,
        influence=got.influence,
        payments=got.payments,
        is_attained=run.state.is_attained,
        gap=run.state.gap,
        num_steps=run.num_steps,
        status=jnp.where(is_fine, status, got.status).astype(jnp.int32),
    )
