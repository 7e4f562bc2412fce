"""Safeguarded root finding for functions of one variable, with implicit derivatives."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Bool, Float, Int, PyTree

from .status import Status
from .varying import vary, varying_axes


class Root(eqx.Module):
    """A root of a function of one variable and how the search for it ended.

    Attributes:
        value: the end of the last bracket with the smaller residual.
        status: a `Status`: CONVERGED; DEGENERATE where the root is right but the function has no
            slope there, so that derivatives of `value` are reported as 0; NO_BRACKET, NON_FINITE
            or MAX_STEPS where `value` is not a root.
        num_steps: evaluations after those at the two ends of the interval.
        residual: the function at `value`; large where it jumps through zero without a root.

    Example:
        >>> from jaxpapers import numerics
        >>> root = numerics.find_root(lambda x, a: x**2 - a, 0.0, 2.0, 2.0)
        >>> print(root.value, numerics.status_message(root.status))
        1.4142135 Converged: the stopping rule of the algorithm was met.
    """

    value: Float[Array, ""]
    status: Int[Array, ""]
    num_steps: Int[Array, ""]
    residual: Float[Array, ""]


class _Point(NamedTuple):
    x: Float[Array, ""]
    residual: Float[Array, ""]
    slope: Float[Array, ""]


class _Search(NamedTuple):
    near: _Point  # has the sign of the function at the lower end
    far: _Point
    candidate: Float[Array, ""]
    last_step: Float[Array, ""]
    num_steps: Int[Array, ""]
    status: Int[Array, ""]


def find_root(
    function: Callable[[Float[Array, ""], Any], Float[Array, ""]],
    lower: ArrayLike,
    upper: ArrayLike,
    args: PyTree = (),
    *,
    tolerance: ArrayLike | None = None,
    max_steps: int = 100,
) -> Root:
    """Finds x between two ends of opposite sign with `function(x, args) = 0`.

    Newton's method inside a bracket: a step that leaves the bracket or does not halve the one
    before it is replaced by bisection, so that any function that changes sign is solved, smooth
    or not. It stops when the bracket, not the step, is small enough.

    The value can be differentiated any number of times, forward and reverse, with respect to
    `args` and to what `function` closes over: by the implicit function theorem, not through the
    search. The ends have no derivative. Safe under `vmap`, where cases stop one by one.

    Args:
        function: pure function of a scalar and of `args`, with a scalar result.
        lower: one end of the interval; the root may lie on it.
        upper: the other end; may be the smaller one.
        args: arrays that the function depends on.
        tolerance: the root is at most `tolerance + 4 * eps * abs(value)` away from `value`, eps
            that of the dtype; by default `4 * eps`.
        max_steps: largest number of evaluations after the two at the ends.

    Returns:
        The root in the dtype of the ends and `args`, and how the search ended. Accuracy by
        default, as far as the function itself is right: 5e-7 in float32 and 9e-16 in float64,
        times `1 + abs(value)`.

    Raises:
        TypeError: `max_steps` is not an integer.
        ValueError: an end, `tolerance` or the result of `function` is not a scalar, or
            `max_steps` is not positive.

    Example:
        >>> from jaxpapers import engine, numerics
        >>> root = numerics.find_root(lambda x, a: x**2 - a, 0.0, 2.0, 2.0)
        >>> print(root.value, engine.Status(int(root.status)).name)
        1.4142135 CONVERGED
    """
    _check_max_steps(max_steps)
    dtype = _common_dtype(lower, upper, args)
    lower, upper = _scalar("lower", lower, dtype), _scalar("upper", upper, dtype)
    eps = float(jnp.finfo(dtype).eps)
    tolerance = _scalar("tolerance", 4 * eps if tolerance is None else tolerance, dtype)

    def search(residual_at, start):
        ends = _evaluate(residual_at, lower), _evaluate(residual_at, upper)
        return _bracketed_newton(residual_at, *ends, start, tolerance, eps, max_steps)

    def residual_at(x):
        return _scalar("the result of function", function(x, args), dtype)

    middle = 0.5 * lower + 0.5 * upper
    value, (status, num_steps, residual) = jax.lax.custom_root(
        residual_at, middle, search, _divide_by_slope, has_aux=True
    )
    return Root(value, status.astype(jnp.int32), num_steps.astype(jnp.int32), residual)


def _bracketed_newton(residual_at, near, far, start, tolerance, eps, max_steps):
    def unfinished(search: _Search):
        return (search.status == Status.RUNNING) & (search.num_steps < max_steps)

    def advance(search: _Search):
        point = _evaluate(residual_at, search.candidate)
        return vary(_advance(search, point, tolerance, eps), axes)

    first = _Search(
        near=near,
        far=far,
        candidate=start,
        last_step=jnp.abs(far.x - near.x),
        num_steps=jnp.asarray(0, jnp.int32),
        status=_status_of_ends(near, far),
    )
    axes = varying_axes(first)
    last = jax.lax.while_loop(unfinished, advance, vary(first, axes))
    value, residual, slope = _closer(last)
    status = _final_status(last.status, slope)
    # custom_root makes zero tangents of its auxiliary outputs in their own dtype, which JAX
    # refuses for integers: counts travel as floats.
    return value, (status.astype(value.dtype), last.num_steps.astype(value.dtype), residual)


def _advance(search: _Search, point: _Point, tolerance, eps) -> _Search:
    near, far = _narrowed(search, point)
    width = jnp.abs(far.x - near.x)
    allowed = tolerance + 4 * eps * jnp.abs(point.x)
    # A step below half the tolerance is lengthened, once in a row, to nearly all of it: it passes
    # the root and so brings the far end of the bracket in, where plain Newton would creep towards
    # the root from one side.
    step = -point.residual / point.slope
    is_short = jnp.abs(step) < 0.5 * allowed
    step = jnp.where(is_short, jnp.copysign(0.99 * allowed, step), step)
    newton = point.x + step
    is_inside = (newton > jnp.minimum(near.x, far.x)) & (newton < jnp.maximum(near.x, far.x))
    is_faster = jnp.where(is_short, search.last_step > 0, jnp.abs(step) <= 0.5 * search.last_step)
    is_newton = is_inside & is_faster
    is_done = (point.residual == 0) | (width <= allowed)
    status = jnp.where(is_done, int(Status.CONVERGED), int(Status.RUNNING))
    return _Search(
        near=near,
        far=far,
        candidate=jnp.where(is_newton, newton, 0.5 * near.x + 0.5 * far.x),
        last_step=jnp.where(is_newton, jnp.where(is_short, 0, jnp.abs(step)), 0.5 * width),
        num_steps=search.num_steps + 1,
        status=_status(jnp.where(jnp.isnan(point.residual), int(Status.NON_FINITE), status)),
    )


def _evaluate(residual_at, x: Float[Array, ""]) -> _Point:
    residual, slope = jax.jvp(residual_at, (x,), (jnp.ones_like(x),))
    return _Point(x, residual, slope)


def _narrowed(search: _Search, point: _Point) -> tuple[_Point, _Point]:
    is_near = jnp.sign(point.residual) == jnp.sign(search.near.residual)
    is_far = ~is_near & ~jnp.isnan(point.residual)
    return _choose(is_near, point, search.near), _choose(is_far, point, search.far)


def _closer(search: _Search) -> _Point:
    is_near = _distance_from_zero(search.near) <= _distance_from_zero(search.far)
    return _choose(is_near, search.near, search.far)


def _distance_from_zero(point: _Point) -> Float[Array, ""]:
    is_usable = jnp.isfinite(point.x) & ~jnp.isnan(point.residual)
    return jnp.where(is_usable, jnp.abs(point.residual), jnp.inf)


def _choose(condition: Bool[Array, ""], chosen: _Point, other: _Point) -> _Point:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), chosen, other)


def _status_of_ends(near: _Point, far: _Point) -> Int[Array, ""]:
    is_finite = jnp.isfinite(near.x) & jnp.isfinite(far.x)
    is_finite &= ~(jnp.isnan(near.residual) | jnp.isnan(far.residual))
    product = jnp.sign(near.residual) * jnp.sign(far.residual)
    status = jnp.where(product > 0, int(Status.NO_BRACKET), int(Status.RUNNING))
    status = jnp.where(product == 0, int(Status.CONVERGED), status)
    return _status(jnp.where(is_finite, status, int(Status.NON_FINITE)))


def _final_status(status: Int[Array, ""], slope: Float[Array, ""]) -> Int[Array, ""]:
    is_flat = (status == Status.CONVERGED) & ~_has_slope(slope)
    status = jnp.where(status == Status.RUNNING, int(Status.MAX_STEPS), status)
    return _status(jnp.where(is_flat, int(Status.DEGENERATE), status))


def _status(code: Array) -> Int[Array, ""]:
    return code.astype(jnp.int32)


def _has_slope(slope: Float[Array, ""]) -> Bool[Array, ""]:
    return jnp.isfinite(slope) & (slope != 0)


def _divide_by_slope(linear_map, right_side: Float[Array, ""]) -> Float[Array, ""]:
    slope = linear_map(jnp.ones_like(right_side))
    has_slope = _has_slope(slope)
    return jnp.where(has_slope, right_side / jnp.where(has_slope, slope, 1), 0)


def _common_dtype(lower: ArrayLike, upper: ArrayLike, args: PyTree) -> DTypeLike:
    numbers = [leaf for leaf in jax.tree.leaves(args) if isinstance(leaf, ArrayLike)]
    floats = [leaf for leaf in numbers if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]
    return jnp.result_type(lower, upper, 1.0, *floats)


def _scalar(name: str, value: ArrayLike, dtype: DTypeLike) -> Float[Array, ""]:
    if jnp.ndim(value):
        raise ValueError(f"{name} must be a scalar, got shape {jnp.shape(value)}; use jax.vmap")
    return jnp.asarray(value, dtype)


def _check_max_steps(max_steps: int) -> None:
    if isinstance(max_steps, bool) or not isinstance(max_steps, int):
        raise TypeError(f"max_steps must be an int, got {type(max_steps).__name__}")
    if max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, got {max_steps}")
