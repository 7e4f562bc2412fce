import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.engine import (
    check_array,
    check_count,
    check_finite,
    check_key,
    check_probability,
    check_shapes,
    is_concrete,
)


def under_tracing(check, value):
    jax.jit(lambda x: (check(x), x)[1])(value)


def test_is_concrete_finds_a_tracer_in_any_tree():
    assert is_concrete(1.0, {"a": np.ones(2)}, jnp.ones(2), None)
    seen = []
    under_tracing(lambda x: seen.append(is_concrete(1.0, {"a": x})), jnp.ones(2))
    assert seen == [False]


def test_values_of_constants_are_checked_inside_jit():
    constant = jnp.asarray([jnp.nan, 2.0])
    with pytest.raises(ValueError, match="x holds 1 non-finite value"):
        under_tracing(lambda x: check_finite({"x": constant}), constant)
    with pytest.raises(ValueError, match="level must lie strictly between"):
        under_tracing(lambda x: check_probability("level", np.float32(2.0)), constant)


@pytest.mark.parametrize("key", [0, np.uint32(0), jnp.zeros(2, jnp.uint32), None])
def test_check_key_refuses_what_is_not_a_typed_key(key):
    with pytest.raises(TypeError, match=r"key must be a typed random key, as jax.random.key\(0\)"):
        check_key(key)


def test_check_key_wants_one_key():
    check_key(jax.random.key(0))
    under_tracing(check_key, jax.random.key(0))
    with pytest.raises(ValueError, match=r"one random key, got an array of keys of shape \(3,\)"):
        check_key(jax.random.split(jax.random.key(0), 3))


@pytest.mark.parametrize("value", [1.0, True, "1", np.int64(3), None])
def test_check_count_wants_an_int(value):
    with pytest.raises(TypeError, match="num_draws must be a Python int, got "):
        check_count("num_draws", value)


def test_check_count_wants_enough():
    check_count("num_draws", 1)
    check_count("num_draws", 0, minimum=0)
    with pytest.raises(ValueError, match="num_draws must be at least 2, got 1"):
        check_count("num_draws", 1, minimum=2)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, np.float32(1.5), float("nan")])
def test_check_probability_wants_the_open_unit_interval(value):
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1, got "):
        check_probability("level", value)


def test_check_probability_wants_a_scalar_and_passes_tracers():
    check_probability("level", 0.05)
    check_probability("level", jnp.asarray(0.5))
    under_tracing(lambda x: check_probability("level", x), jnp.asarray(2.0))
    with pytest.raises(ValueError, match=r"level must have shape \(\), got \(2,\)"):
        check_probability("level", np.array([0.1, 0.2]))
    with pytest.raises(TypeError, match="level must be an array, got str"):
        check_probability("level", "0.5")


def test_check_array_gives_the_named_sizes():
    assert check_array("x", np.ones((4, 3, 2)), ("obs", 3, None)) == {"obs": 4}
    assert check_array("x", jnp.ones((4, 4)), ("obs", "obs")) == {"obs": 4}
    assert check_array("x", 1.0, ()) == {}
    under_tracing(lambda x: check_array("x", x, ("obs",)), jnp.ones(3))


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (np.ones(3), ("obs", "asset"), r"x must have shape \(obs, asset\), got \(3,\)"),
        (np.ones((3, 2)), ("obs", "obs"), r"x must have shape \(obs, obs\), got \(3, 2\)"),
        (np.ones((3, 2)), (None, 4), r"x must have shape \(any, 4\), got \(3, 2\)"),
        (np.ones((3, 2)), ("obs",), r"x must have shape \(obs,\), got \(3, 2\)"),
    ],
)
def test_check_array_refuses_other_shapes(value, shape, message):
    with pytest.raises(ValueError, match=message):
        check_array("x", value, shape)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ([1.0, 2.0], "any", r"x must be an array, got list \[1.0, 2.0\]"),
        (np.ones(2, bool), "real", r"real numbers \(floats or integers\), got bool\[2\]"),
        (np.ones(2, complex), "real", r"real numbers \(floats or integers\), got complex128\[2\]"),
        (np.ones(2), "integer", r"x must hold integers, got float64\[2\]"),
        (np.array(["a", "b"]), "any", r"x must hold numbers or booleans, got <U1\[2\]"),
        (np.array([None, 1]), "any", r"x must hold numbers or booleans, got object\[2\]"),
    ],
)
def test_check_array_refuses_other_kinds(value, kind, message):
    with pytest.raises(TypeError, match=message):
        check_array("x", value, ("obs",), kind=kind)


def test_check_shapes_compares_names_across_arrays():
    shapes = {"y": (np.ones(5), ("obs",)), "w": (jnp.ones((5, 2)), ("obs", "covariate"))}
    assert check_shapes(shapes) == {"obs": 5, "covariate": 2}
    shapes["x"] = (np.ones(6), ("obs",))
    with pytest.raises(ValueError, match="y and x must agree in 'obs', got 5 and 6"):
        check_shapes(shapes)
    with pytest.raises(TypeError, match="y must hold integers"):
        check_shapes(shapes, kind="integer")


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_check_finite_says_how_many_and_where(asarray):
    x = np.ones((3, 2), np.float32)
    check_finite({"x": asarray(x), "group": asarray(np.arange(3)), "none": asarray(x[:0])})
    x[1, 1], x[2, 0] = np.nan, -np.inf
    with pytest.raises(ValueError, match=r"x holds 2 non-finite values .* first at \[1, 1\]"):
        check_finite({"y": asarray(np.ones(3)), "x": asarray(x)})
    with pytest.raises(ValueError, match=r"x holds 1 non-finite value \(NaN"):
        check_finite({"x": asarray(x[2])})


def test_check_finite_looks_at_host_arrays_before_they_are_rounded():
    check_finite({"x": np.array([1e300])})


def test_check_finite_passes_tracers():
    under_tracing(lambda x: check_finite({"x": x}), jnp.asarray(np.nan))


def test_check_finite_is_one_compiled_reduction(count_compiles):
    arrays = {"x": jnp.ones(17), "y": jnp.ones((17, 3))}
    with count_compiles() as compiles:
        check_finite(arrays)
        check_finite({name: value * 2 for name, value in arrays.items()})
    assert compiles.count("_non_finite_on_device") == 1
