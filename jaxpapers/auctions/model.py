"""Aggregation rules: how bids and next-token distributions become one distribution."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .. import engine
from .aggregation import Aggregation
from .called import CalledAggregation
from .linear import LinearAggregation
from .log_linear import TiltAggregation
from .rivals import Rivals


def as_number(value: Any) -> Any:
    """Gives a Python number JAX's default float dtype, and leaves arrays as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return jnp.asarray(value, jnp.result_type(float))


class Rule(eqx.Module):
    """Aggregation rule: from bids and distributions to the distribution that is sampled.

    `platform` is the platform's own distribution where it takes part, and None where not. All
    methods take one auction; `jax.vmap` takes several.
    """

    @abc.abstractmethod
    def aggregate(
        self,
        bids: Float[Array, " agent"],
        log_probs: Float[Array, "agent vocab"],
        platform: Float[Array, " vocab"] | None = None,
    ) -> Aggregation:
        """What the rule makes of one auction: the mixture, and what it were without each agent.

        Args:
            bids: at least 0.
            log_probs: natural logarithms of probabilities, one row per agent.
            platform: those of the platform, or None.

        Returns:
            The aggregation.

        Raises:
            TypeError: arrays of the wrong kind.
            ValueError: shapes that do not fit, or a platform that is missing.
        """

    def log_mixture(
        self,
        bids: Float[ArrayLike, " agent"],
        log_probs: Float[ArrayLike, "agent vocab"],
        platform: Float[ArrayLike, " vocab"] | None = None,
    ) -> Float[Array, " vocab"]:
        """Logarithm of the aggregated distribution.

        Args:
            bids: at least 0.
            log_probs: natural logarithms of probabilities, one row per agent.
            platform: those of the platform, or None.

        Returns:
            Log-probabilities; minus infinity where a token cannot be drawn.

        Raises:
            TypeError: arrays of the wrong kind.
            ValueError: shapes that do not fit, or a platform that is missing.
        """
        bids, log_probs, platform = auction(bids, log_probs, platform)
        return self.aggregate(bids, log_probs, platform).log_mixture()


class LinearRule(Rule):
    """Weighted mean of distributions, `q = sum b_i p_i / sum b_i`.

    Maximises `-sum b_i KL(p_i || q)`, and is monotone for robust preferences. With a platform it
    takes part like an agent whose bid is the reserve. Where nobody bids, the platform's
    distribution is sampled, without one the plain mean of all agents'.

    Source: Duetting et al. (2024), linear aggregation; the reserve is our reading of a platform
    that takes part with a fixed weight.

    Attributes:
        reserve: weight of the platform, at least 0.

    Raises:
        ValueError: a reserve below 0 or not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.8, 0.2], [1.0, 0.0], [0.0, 1.0]]))
        >>> print(jnp.exp(auctions.LinearRule().log_mixture(jnp.asarray([1.0, 2.0, 2.0]), p)))
        [0.56 0.44]
    """

    reserve: Float[Array, ""] = eqx.field(converter=as_number, default=0.0)

    def __check_init__(self):
        """Checks the reserve."""
        check_weight("reserve", self.reserve, is_zero_allowed=True)

    def aggregate(self, bids, log_probs, platform=None) -> LinearAggregation:
        """Weights of the mean, and of the means without each agent."""
        check_reserve(self.reserve, platform)
        return LinearAggregation(_rows(log_probs, platform), bids, self._rivals(bids, platform))

    def _rivals(self, bids, platform):
        return Rivals.of(bids, self.reserve, has_platform=platform is not None)


class LogLinearRule(Rule):
    """Weighted geometric mean, `q ∝ prod p_i^(b_i / sum b)`.

    Maximises `-sum b_i KL(q || p_i)`. Not monotone for robust preferences when there are more than
    two tokens. A token that somebody with a positive bid excludes is excluded; a bid of 0 excludes
    nothing. Platform and reserve as in `LinearRule`.

    Source: Duetting et al. (2024), log-linear aggregation; the reserve as in `LinearRule`.

    Attributes:
        reserve: weight of the platform, at least 0.

    Raises:
        ValueError: a reserve below 0 or not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]]))
        >>> q = auctions.LogLinearRule().log_mixture(jnp.ones(2), p)
        >>> print(jnp.exp(q).round(6))  # both say .09 for the middle token
        [0.339135 0.321731 0.339135]
    """

    reserve: Float[Array, ""] = eqx.field(converter=as_number, default=0.0)

    def __check_init__(self):
        """Checks the reserve."""
        check_weight("reserve", self.reserve, is_zero_allowed=True)

    def aggregate(self, bids, log_probs, platform=None) -> TiltAggregation:
        """Normalised geometric means, with and without each agent."""
        check_reserve(self.reserve, platform)
        rows = _rows(log_probs, platform)
        rivals = Rivals.of(bids, self.reserve, has_platform=platform is not None)
        weights = jnp.concatenate([rivals.weights[None], rivals.without])
        is_idle = jnp.concatenate([rivals.is_idle[None], rivals.is_alone])
        return TiltAggregation.of(
            rows,
            bids,
            weights,
            is_idle,
            jnp.where(is_idle[1:], 0, rivals.total),
            has_platform=platform is not None,
            is_relative=False,
        )


class BaseModelRule(Rule):
    """Base model tilted by bids, `q ∝ p_0 prod (p_i / p_0)^(b_i / temperature)`.

    Maximises `sum b_i E_q[log(p_i / p_0)] - temperature KL(q || p_0)`. Not monotone for robust
    preferences: it goes past an agent's distribution. The platform is the base model. Tokens that
    it excludes are excluded.

    Source: derived by us from the objective of Duetting et al. (2024).

    Attributes:
        temperature: how strongly q is held to the base model, above 0; in the unit of bids.

    Raises:
        ValueError: a temperature that is not above 0 and finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> base = jnp.log(jnp.asarray([0.5, 0.25, 0.25]))
        >>> p = jnp.log(jnp.asarray([[0.8, 0.1, 0.1]]))
        >>> rule = auctions.BaseModelRule(temperature=1.0)
        >>> print(jnp.exp(rule.log_mixture(jnp.ones(1), p, base)).round(6))
        [0.8 0.1 0.1]
    """

    temperature: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)

    def __check_init__(self):
        """Checks the temperature."""
        check_weight("temperature", self.temperature, is_zero_allowed=False)

    def aggregate(self, bids, log_probs, platform=None) -> TiltAggregation:
        """The tilted base model, with and without each agent.

        Args:
            bids: at least 0.
            log_probs: natural logarithms of probabilities, one row per agent.
            platform: those of the base model.

        Returns:
            The aggregation.

        Raises:
            ValueError: no platform.
        """
        if platform is None:
            raise ValueError(
                "BaseModelRule needs platform: the log-probabilities of the base model"
            )
        shares = bids / self.temperature.astype(bids.dtype)
        own = jnp.eye(bids.shape[0], dtype=bids.dtype)
        agents = jnp.concatenate([shares[None], (1 - own) * shares[None]])
        weights = jnp.concatenate([agents, 1 - jnp.sum(agents, axis=1, keepdims=True)], axis=1)
        scale = jnp.broadcast_to(self.temperature.astype(bids.dtype), bids.shape)
        return TiltAggregation.of(
            _rows(log_probs, platform),
            bids,
            weights,
            jnp.zeros(bids.shape[0] + 1, bool),
            scale,
            has_platform=True,
            is_relative=True,
        )


class CalledRule(Rule):
    """Any rule of the user's, as a function of bids and log-probabilities.

    Payments of it are expected Myerson payments with the share of text that a bid moves as the
    allocation; they charge right where that share rises with the bid (`check_monotonicity`).

    Attributes:
        function: `(bids, log_probs, platform) -> log q`, pure; a module with arrays in it is
            traced, a plain function is static. `platform` is None where there is none.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> def loudest(bids, log_probs, platform):
        ...     return log_probs[jnp.argmax(bids)]
        >>> rule = auctions.CalledRule(loudest)
        >>> p = jax.nn.log_softmax(jnp.asarray([[1.0, 0.0], [0.0, 1.0]]))
        >>> print(auctions.influence(rule, jnp.asarray([1.0, 2.0]), p).influence.round(4))
        [0.     0.4621]
    """

    function: Any

    def aggregate(self, bids, log_probs, platform=None) -> CalledAggregation:
        """The function's values with each bid in turn set to 0."""
        return CalledAggregation.of(self.function, bids, log_probs, platform)


def auction(
    bids: Any, log_probs: Any, platform: Any
) -> tuple[Float[Array, " agent"], Float[Array, "agent vocab"], Float[Array, " vocab"] | None]:
    """Checks the shapes of one auction and gives all of it one floating dtype.

    Args:
        bids: `(agent,)`.
        log_probs: `(agent, vocab)`.
        platform: `(vocab,)` or None.

    Returns:
        The three as arrays.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit, or no agents or tokens.
    """
    shapes: dict[str, Any] = {
        "bids": (bids, ("agent",)),
        "log_probs": (log_probs, ("agent", "vocab")),
    }
    if platform is not None:
        shapes["platform"] = (platform, ("vocab",))
    sizes = engine.check_shapes(shapes, "real")
    if min(sizes.values()) < 1:
        raise ValueError(f"log_probs has shape {jnp.shape(log_probs)}: give an agent and a token")
    dtype = jnp.result_type(bids, log_probs, *([] if platform is None else [platform]), float)
    arrays = [jnp.asarray(x, dtype) for x in (bids, log_probs)]
    return arrays[0], arrays[1], None if platform is None else jnp.asarray(platform, dtype)


def check_weight(name: str, value: Any, *, is_zero_allowed: bool) -> None:
    """Checks a number that must be finite and at least or above 0; a traced one passes.

    Args:
        name: what the caller calls it.
        value: the number.
        is_zero_allowed: whether it may be 0.

    Raises:
        TypeError: not a real scalar.
        ValueError: out of range.
    """
    engine.check_array(name, value, ())
    if not engine.is_concrete(value):
        return
    number = float(value)
    if not (0 <= number < float("inf")) or (number == 0 and not is_zero_allowed):
        least = "at least 0" if is_zero_allowed else "above 0"
        raise ValueError(f"{name} must be finite and {least}, got {number}")


def check_reserve(reserve: Any, platform: Any) -> None:
    """Checks that a positive reserve has a platform to go with.

    Args:
        reserve: the reserve of a rule.
        platform: log-probabilities or None.

    Raises:
        ValueError: a positive reserve without a platform.
    """
    if platform is None and engine.is_concrete(reserve) and float(reserve) > 0:
        raise ValueError(
            f"the rule has reserve {float(reserve)} but platform is None: give the platform's "
            "log-probabilities, or a reserve of 0"
        )


def _rows(log_probs, platform):
    """Distributions of agents, and that of the platform below them."""
    return log_probs if platform is None else jnp.concatenate([log_probs, platform[None]])
