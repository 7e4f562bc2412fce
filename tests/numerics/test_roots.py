"""Root finding against brentq; its derivatives against unrolled steps and differences."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.special

from jaxpapers import numerics
from jaxpapers.numerics import Status

pytestmark = pytest.mark.usefixtures("quick_compiles")

# Each: the function in jax.numpy, in NumPy, the interval, the parameter.
CASES = {
    "square": (lambda x, a: x**2 - a, lambda x, a: x**2 - a, (0.0, 3.0), 2.0),
    "decreasing": (lambda x, a: jnp.exp(-x) - a, lambda x, a: np.exp(-x) - a, (-2.0, 9.0), 0.3),
    "wiggly": (
        lambda x, a: x + 0.3 * jnp.sin(3 * x) - a,
        lambda x, a: x + 0.3 * np.sin(3 * x) - a,
        (-20.0, 23.0),
        1.0,
    ),
    "steep": (
        lambda x, a: jnp.tanh(200 * (x - a)),
        lambda x, a: np.tanh(200 * (x - a)),
        (-5.0, 1.0),
        0.25,
    ),
    "kink": (
        lambda x, a: jnp.where(x > a, 5 * (x - a), x - a),
        lambda x, a: 5 * (x - a) if x > a else x - a,
        (-1.0, 3.0),
        0.4,
    ),
    "infinite_end": (lambda x, a: jnp.log(x) + a, lambda x, a: np.log(x) + a, (0.0, 8.0), 1.5),
    "undefined_outside": (
        lambda x, a: jnp.sqrt(x) - a,
        lambda x, a: np.sqrt(x) - a,
        (0.0, 10.0),
        0.1,
    ),
    "newton_cycles": (
        lambda x, a: x**3 - 2 * x + a,
        lambda x, a: x**3 - 2 * x + a,
        (-4.0, 4.0),
        2.0,
    ),
    "nearly_flat": (lambda x, a: (x - a) ** 5, lambda x, a: (x - a) ** 5, (-1.0, 2.0), 0.3),
}


@pytest.mark.parametrize("name", CASES)
def test_root_is_that_of_brentq(name, x64):
    function, reference, ends, parameter = CASES[name]
    low = 1e-300 if name == "infinite_end" else ends[0]
    exact = scipy.optimize.brentq(
        reference, low, ends[1], (parameter,), xtol=1e-15, rtol=8.9e-16, maxiter=1000
    )
    eps = float(np.finfo(np.float64 if x64 else np.float32).eps)
    # The promise of the docstring, for ours and for brentq.
    allowed = 4 * eps * (1 + abs(exact)) + 2e-15
    # Rounding moves the sign change by eps of the function's terms over its slope; x**5 underflows
    # well away from 0.
    allowed += {"wiggly": 8 * eps, "newton_cycles": 4 * eps, "nearly_flat": 1e-8}.get(name, eps)

    @jax.jit
    def solve(lower, upper):
        root = numerics.find_root(function, lower, upper, parameter)
        return root, function(root.value, parameter)

    for lower, upper in (ends, ends[::-1]):
        root, residual = solve(lower, upper)
        assert int(root.status) == Status.CONVERGED
        assert abs(float(root.value) - exact) <= allowed
        assert abs(float(root.residual) - float(residual)) <= 4 * eps
        assert 0 < int(root.num_steps) < (100 if name == "nearly_flat" else 45)


def test_batch_of_random_cubics_is_that_of_brentq():
    random = np.random.default_rng(8)
    coefficients = random.normal(size=(300, 4))
    values = np.asarray([[np.polyval(c, end) for end in (-3.0, 3.0)] for c in coefficients])
    has_bracket = values[:, 0] * values[:, 1] < 0
    assert 30 < has_bracket.sum() < 290

    def solve(c):
        return numerics.find_root(lambda x, c: jnp.polyval(c, x), -3.0, 3.0, c)

    with jax.enable_x64(True):
        root = jax.jit(jax.vmap(solve))(jnp.asarray(coefficients))
    expected = np.where(has_bracket, Status.CONVERGED, Status.NO_BRACKET)
    np.testing.assert_array_equal(root.status, expected)
    for i in np.flatnonzero(has_bracket):
        value = float(root.value[i])
        slope = np.polyval(np.polyder(coefficients[i]), value)
        noise = 1e-14 * np.polyval(np.abs(coefficients[i]), abs(value)) / max(abs(slope), 1e-8)
        candidates = np.roots(coefficients[i])
        distance = np.abs(candidates - value).min()
        assert distance < 1e-13 + noise
        if np.sum(np.abs(candidates.imag) < 1e-9) == 1:
            exact = scipy.optimize.brentq(
                lambda x, c=coefficients[i]: np.polyval(c, x), -3.0, 3.0, xtol=1e-15, rtol=8.9e-16
            )
            assert abs(value - exact) < 1e-13 + noise
    assert bool(jnp.all(jnp.isfinite(root.value)))


def test_a_batch_is_its_cases_one_by_one():
    def solve(a):
        return numerics.find_root(lambda x, a: x**2 - a, 0.0, 2.0, a)

    with jax.enable_x64(True):
        parameters = jnp.asarray([0.5, 2.0, 5.0, 0.0, math.nan])
        batch = jax.jit(jax.vmap(solve))(parameters)
        one_by_one = jax.jit(lambda parameters: jax.lax.map(solve, parameters))(parameters)
        jax.tree.map(np.testing.assert_array_equal, batch, one_by_one)
    assert len(set(np.asarray(batch.num_steps))) > 1


def test_tolerance_bounds_the_error_and_saves_steps():
    @jax.jit
    def solve(tolerance):
        return numerics.find_root(
            lambda x, a: jnp.exp(x) - a, -30.0, 30.0, 5.0, tolerance=tolerance
        )

    with jax.enable_x64(True):
        tight = solve(1e-15)
        for tolerance in (1e-1, 1e-3, 1e-6):
            loose = solve(tolerance)
            assert abs(float(loose.value) - math.log(5.0)) <= tolerance
            assert int(loose.num_steps) < int(tight.num_steps)


def test_a_step_just_above_half_the_tolerance_does_not_end_in_bisection(x64):
    """Among 400 roots some last steps are about as long as the tolerance, whatever it is."""

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def solve(a, tolerance):
        return numerics.find_root(lambda x, a: jnp.exp(x) - a, -30.0, 30.0, a, tolerance=tolerance)

    parameters = np.linspace(0.05, 9, 400)
    for tolerance in (1e-2, 1e-5, 4 * np.finfo(np.float64 if x64 else np.float32).eps):
        root = solve(parameters, tolerance)
        allowed = tolerance + 8 * float(jnp.finfo(root.value.dtype).eps) * 4
        np.testing.assert_allclose(root.value, np.log(parameters), rtol=0, atol=allowed)
        # bisection from one end of the interval takes 16, 27 and 30 or 59 steps
        assert int(jnp.max(root.num_steps)) < 15


# --- derivatives --------------------------------------------------------------------------------


def equation(x, a):
    return x**3 + a[0] * x - jnp.sin(a[1] * x) - a[2]


def implicit(a):
    return numerics.find_root(equation, -4.0, 4.0, a).value


def unrolled(a):
    """Newton steps from near the root, differentiated step by step."""
    x = jnp.asarray(0.8, a.dtype)
    for _ in range(12):
        slope = 3 * x**2 + a[0] - a[1] * jnp.cos(a[1] * x)
        x = x - equation(x, a) / slope
    return x


def central_differences(function, a, step=1e-5):
    moves = step * np.eye(a.shape[0])
    return np.asarray([(function(a + m) - function(a - m)) / (2 * step) for m in moves])


PARAMETERS = np.asarray([1.5, 0.7, 1.2])


def test_first_derivatives_forward_and_reverse():
    with jax.enable_x64(True):
        a = jnp.asarray(PARAMETERS)
        reverse = jax.jit(jax.grad(implicit))(a)
        forward = jax.jit(jax.jacfwd(implicit))(a)
        np.testing.assert_allclose(unrolled(a), implicit(a), rtol=1e-14)
        np.testing.assert_allclose(reverse, jax.jit(jax.grad(unrolled))(a), rtol=1e-12)
        np.testing.assert_allclose(forward, reverse, rtol=1e-14)
        np.testing.assert_allclose(reverse, central_differences(implicit, a), rtol=1e-8)


def test_second_derivatives():
    with jax.enable_x64(True):
        a = jnp.asarray(PARAMETERS)
        hessian = jax.jit(jax.hessian(implicit))(a)
        np.testing.assert_allclose(hessian, jax.jit(jax.hessian(unrolled))(a), rtol=1e-10)
        differences = central_differences(jax.jit(jax.grad(implicit)), a)
        np.testing.assert_allclose(hessian, differences, rtol=1e-6, atol=1e-9)


def test_derivatives_of_a_batch():
    with jax.enable_x64(True):
        batch = jnp.asarray(PARAMETERS + np.linspace(-0.3, 0.3, 5)[:, None])
        gradients = jax.jit(jax.vmap(jax.grad(implicit)))(batch)
        summed = jax.jit(jax.grad(lambda batch: jax.vmap(implicit)(batch).sum()))(batch)
        np.testing.assert_allclose(gradients, summed, rtol=1e-13)
        np.testing.assert_allclose(gradients[2], jax.jit(jax.grad(unrolled))(batch[2]), rtol=1e-12)


def test_derivatives_in_single_precision():
    a = jnp.asarray(PARAMETERS, jnp.float32)
    with jax.enable_x64(True):
        exact = np.asarray(jax.jit(jax.grad(unrolled))(jnp.asarray(PARAMETERS)))
    np.testing.assert_allclose(jax.grad(implicit)(a), exact, rtol=2e-6)


def test_derivatives_with_respect_to_what_the_function_closes_over():
    def cube_root(a, power):
        root = numerics.find_root(
            lambda x, args: a * x**power + args["shift"], 5.0, 0.0, {"shift": jnp.asarray(-4.0)}
        )
        return root.value

    with jax.enable_x64(True):
        slope = jax.grad(cube_root)(0.5, jnp.asarray(3, jnp.int32))
        tangent = jax.jvp(lambda a: cube_root(a, 3), (0.5,), (2.0,))[1]
    exact = -(8 ** (1 / 3)) / (3 * 0.5)
    np.testing.assert_allclose(slope, exact, rtol=1e-14)
    np.testing.assert_allclose(tangent, 2 * exact, rtol=1e-14)


def test_derivative_of_a_root_on_an_end():
    def solve(a, lower, upper):
        root = numerics.find_root(lambda x, a: x**2 - a, lower, upper, a)
        return root.value, root

    reverse = jax.jit(jax.value_and_grad(solve, has_aux=True))
    forward = jax.jit(jax.jacfwd(solve, has_aux=True))
    with jax.enable_x64(True):
        for ends in ((2.0, 3.0), (-1.0, 2.0), (2.0, -1.0)):
            (value, root), slope = reverse(4.0, *ends)
            assert float(value) == 2.0
            assert int(root.status) == Status.CONVERGED
            assert int(root.num_steps) == 0
            np.testing.assert_allclose(slope, 0.25, rtol=1e-15)
            np.testing.assert_allclose(forward(4.0, *ends)[0], 0.25, rtol=1e-15)


def test_the_ends_have_no_derivative():
    def value(ends):
        return numerics.find_root(lambda x, a: x**2 - a, ends[0], ends[1], 2.0).value

    np.testing.assert_array_equal(jax.jit(jax.grad(value))(jnp.asarray([0.0, 2.0])), 0.0)


# --- how a search ends --------------------------------------------------------------------------


def status_and_derivative(function, lower, upper, parameter=0.0, **settings):
    @functools.partial(jax.value_and_grad, has_aux=True)
    def value_and_root(a):
        root = numerics.find_root(function, lower, upper, a, **settings)
        return root.value, root

    (_, root), slope = jax.jit(value_and_root)(parameter)
    assert bool(jnp.isfinite(root.value))
    assert bool(jnp.isfinite(slope))
    assert root.status.dtype == root.num_steps.dtype == jnp.int32
    return Status(int(root.status)), root, float(slope)


def test_same_sign_at_both_ends():
    status, root, _ = status_and_derivative(lambda x, a: x**2 + 1 + a, -1.0, 3.0)
    assert status == Status.NO_BRACKET
    assert float(root.value) == -1.0
    assert float(root.residual) == 2.0
    assert int(root.num_steps) == 0


def test_flat_function_without_root():
    status, _, slope = status_and_derivative(lambda x, a: 0.0 * x + 1 + a, 0.0, 1.0)
    assert status == Status.NO_BRACKET
    assert slope == 0.0


@pytest.mark.parametrize(
    "function",
    [lambda x, a: 0.0 * x + 0 * a, lambda x, a: x**3 - a, lambda x, a: jnp.sign(x - 0.1) + 0 * a],
    ids=["zero_everywhere", "no_slope_at_the_root", "jump"],
)
def test_root_without_slope_is_reported_as_degenerate(function):
    status, root, slope = status_and_derivative(function, -1.0, 1.0)
    assert status == Status.DEGENERATE
    assert slope == 0.0
    assert not status.is_failure
    assert abs(float(root.value)) <= 1.0


def test_root_of_a_jump_is_where_it_jumps():
    root = numerics.find_root(lambda x, a: jnp.sign(x - a), -1.0, 1.0, 0.1)
    assert float(root.value) == pytest.approx(0.1, abs=1e-6)
    assert abs(float(root.residual)) == 1.0


def test_empty_interval():
    assert status_and_derivative(lambda x, a: x - a, 1.0, 1.0)[0] == Status.NO_BRACKET
    assert status_and_derivative(lambda x, a: x - a, 0.0, 0.0)[0] == Status.CONVERGED


def test_nan_of_the_function_at_an_end():
    status, root, _ = status_and_derivative(lambda x, a: jnp.log(x) + 0 * a, -1.0, 2.0)
    assert status == Status.NON_FINITE
    assert float(root.value) == 2.0


def test_nan_of_the_function_inside():
    def function(x, a):
        return jnp.where((x > 0.4) & (x < 0.6), jnp.nan, x - 0.45 + a)

    root = numerics.find_root(function, 0.0, 1.0, 0.0)
    assert int(root.status) == Status.NON_FINITE
    assert bool(jnp.isfinite(root.value) & jnp.isfinite(root.residual))


def test_infinite_end():
    root = numerics.find_root(lambda x, a: jnp.tanh(x) - a, -1.0, jnp.inf, 0.3)
    assert int(root.status) == Status.NON_FINITE
    assert float(root.value) == -1.0


def test_too_few_steps():
    status, root, _ = status_and_derivative(
        lambda x, a: jnp.exp(x) - 5 + a, -30.0, 30.0, max_steps=3
    )
    assert status == Status.MAX_STEPS
    assert int(root.num_steps) == 3
    assert bool(jnp.isfinite(root.residual))


def test_value_lies_in_the_bracket_when_a_dip_elsewhere_comes_closer_to_zero():
    # Newton lands in the dip at 0, where the residual is 1e-9 and no sign changes.
    def function(x, a):
        return jnp.where(x < 1, x**2 + 1e-9, 1 - 5 * (x - 1)) + a

    with jax.enable_x64(True):
        root = numerics.find_root(function, -1.0, 1.5, 0.0)
    assert float(root.value) == pytest.approx(1.2, abs=1e-14)


# --- programs and arguments ---------------------------------------------------------------------


def test_one_program_for_every_value_of_every_number(count_compiles, x64):
    @jax.jit
    def solve(lower, upper, parameter, tolerance):
        return numerics.find_root(
            lambda x, a: jnp.cos(x) - a, lower, upper, parameter, tolerance=tolerance
        )

    with count_compiles() as compiles:
        for i in range(3):
            solve(0.1 * i, 2.0 + i / 4, 0.2 + i / 10, 1e-4 * (i + 1))
    assert compiles.count("solve") == 1


def test_dtype_follows_ends_and_args():
    def dtype_of(lower, upper, parameter):
        solve = functools.partial(numerics.find_root, lambda x, a: x**2 - a)
        return jax.eval_shape(lambda: solve(lower, upper, parameter)).value.dtype

    single = jnp.asarray(2.0, jnp.float32)
    with jax.enable_x64(True):
        assert dtype_of(0, 2, single) == jnp.float32
        assert dtype_of(0, 2, 2.0) == jnp.float64
        assert dtype_of(np.float64(0), 2, single) == jnp.float64
    with jax.numpy_dtype_promotion("strict"):
        assert dtype_of(jnp.float32(0), jnp.float32(2), single) == jnp.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lower": jnp.zeros(2)}, "lower must be a scalar, got shape (2,); use jax.vmap"),
        ({"upper": jnp.ones((1, 1))}, "upper must be a scalar, got shape (1, 1)"),
        ({"tolerance": jnp.ones(3)}, "tolerance must be a scalar, got shape (3,)"),
        ({"args": jnp.ones(4)}, "the result of function must be a scalar, got shape (4,)"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
    ],
)
def test_bad_values_are_named(arguments, message):
    arguments = {"lower": 0.0, "upper": 1.0, "args": 0.5} | arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        numerics.find_root(lambda x, a: x - a, **arguments)


@pytest.mark.parametrize("max_steps", [10.0, True, "many"])
def test_max_steps_must_be_an_integer(max_steps):
    with pytest.raises(TypeError, match="max_steps must be an int, got "):
        numerics.find_root(lambda x, a: x - a, 0.0, 1.0, 0.5, max_steps=max_steps)
