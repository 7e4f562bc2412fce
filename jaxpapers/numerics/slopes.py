"""First derivatives given in closed form, for functions that are quadratures in an angle."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float


def with_slopes(value: Callable, slopes: Callable, by_nu: Callable) -> Callable:
    """Gives a function of `(*args, nu)` its first derivatives.

    A quadrature in an angle has kinks (in x at 0, in delta at 0, where x = y) that the function
    itself does not have. Here it is differentiated in nu only; mixed derivatives in nu come from
    the closed forms. Derivatives that are not asked for are not computed.

    Args:
        value: the function.
        slopes: its derivatives in all arguments but nu, a tuple; may call the result.
        by_nu: its derivative in nu.

    Returns:
        The function with its derivatives, right up to the second order.
    """

    @jax.custom_jvp
    def function(*primals):
        return value(*primals)

    @jax.custom_jvp
    def slope_nu(*primals):
        return by_nu(*primals)

    def function_jvp(primals, tangents):
        result = function(*primals)  # of value itself, second derivatives would see the kinks
        found = (*slopes(*primals), slope_nu(*primals))
        return result, _along(result, found, tangents)

    def slope_nu_jvp(primals, tangents):
        *fixed, nu = primals
        one = jnp.ones_like(nu)
        _, mixed = jax.jvp(lambda nu: slopes(*fixed, nu), (nu,), (one,))
        _, curvature = jax.jvp(lambda nu: by_nu(*fixed, nu), (nu,), (one,))
        result = slope_nu(*primals)
        return result, _along(result, (*mixed, curvature), tangents)

    function.defjvp(function_jvp, symbolic_zeros=True)
    slope_nu.defjvp(slope_nu_jvp, symbolic_zeros=True)
    return function


def exp_difference(
    log_slope: Float[Array, "*batch"], log_value: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Derivative of a logarithm, `slope / value`, from the logarithms of the two.

    Args:
        log_slope: of the derivative.
        log_value: of the function.

    Returns:
        The ratio. Its relative error grows like eps times `|log_value|`; where that is 1 or more
        the ratio is wrong, but finite.
    """
    most = 0.9 * math.log(float(jnp.finfo(log_value.dtype).max))
    return jnp.exp(jnp.minimum(log_slope - log_value, most))


def _along(result, slopes, tangents):
    """Sum of slopes times tangents; XLA drops slopes that meet no tangent."""
    pairs = zip(slopes, tangents, strict=True)
    moves = [slope * tangent for slope, tangent in pairs if not isinstance(tangent, SymbolicZero)]
    return sum(moves, jnp.zeros_like(result))
