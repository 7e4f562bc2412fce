"""Ranks by NumPy against NumPy's stable argsort and against counting."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxpapers import frames, ranks

RANDOM = np.random.default_rng(3)
NORMAL = RANDOM.normal(size=1_000)
TINY = np.nextafter(0, 1)
SAMPLES = {
    "normal": NORMAL,
    "ties": np.round(NORMAL, 1),
    "cut keys": 1 + RANDOM.random(1_000) * 1e-13,
    "some cut keys": np.where(RANDOM.random(1_000) < 0.5, NORMAL, 1 + NORMAL * 1e-14),
    "two cut runs": np.concatenate([1 + np.arange(40)[::-1] * 1e-15, 2 + np.arange(9) * -1e-15]),
    "neighbours": np.nextafter(np.repeat(np.arange(-50.0, 50.0), 3), np.tile([-99.0, 99, 0], 100)),
    "zeros": np.tile([0.0, -0.0, TINY, -TINY], 30),
    "infinite": np.array([np.inf, 1, -np.inf, np.inf, -np.inf, 0]),
    "all tied": np.full(70, 3.0),
    "float32": NORMAL.astype(np.float32),
    "float16": NORMAL.astype(np.float16),
    "longdouble": NORMAL.astype(np.longdouble),
    "int64": RANDOM.integers(-9, 9, 1_000),
    "wide int64": np.array([2**63 - 1, -(2**63), 0, 2**63 - 1, 2**53, 2**53 + 1]),
    "narrow int64": 2**62 + RANDOM.integers(0, 9, 99),
    "int32": np.array([2**31 - 1, -(2**31), 0, 5], np.int32),
    "uint64": np.array([2**64 - 1, 2**64 - 2, 2**64 - 1, 2**63], np.uint64),
    "int8": RANDOM.integers(-128, 127, 300).astype(np.int8),
    "bool": RANDOM.random(99) > 0.5,
    "one": np.array([2.5]),
    "two": np.array([2.5, -1.0]),
    "none": np.array([]),
    "strided": np.arange(60.0)[::-3],
}


def check(values):
    result = frames.rank_order(values)
    expected = np.argsort(values, kind="stable")
    np.testing.assert_array_equal(result.order, expected)
    ordered = values[expected]
    np.testing.assert_array_equal(result.starts, np.searchsorted(ordered, ordered, side="left"))
    np.testing.assert_array_equal(result.ends, np.searchsorted(ordered, ordered, side="right"))
    for part in (result.order, result.starts, result.ends):
        assert isinstance(part, np.ndarray)
        assert part.dtype == np.int32


@pytest.mark.parametrize("name", SAMPLES)
def test_order_is_numpys(name):
    values = SAMPLES[name]
    before = values.copy()
    check(values)
    np.testing.assert_array_equal(values, before)


@settings(max_examples=200, deadline=None)
@given(arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False)))
def test_order_is_numpys_for_any_floats(values):
    check(values)


@settings(max_examples=100, deadline=None)
@given(arrays(np.int64, st.integers(0, 40)))
def test_order_is_numpys_for_any_integers(values):
    check(values)


def test_order_is_that_of_the_arrays_layer():
    values = np.round(NORMAL, 1)
    with jax.enable_x64(True):
        expected = ranks.rank_order(values)
    result = frames.rank_order(values)
    assert jax.tree.all(
        jax.tree.map(lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), result, expected)
    )


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.array(["a", "b"]), TypeError, "values must be real numbers, got dtype <U1"),
        (np.array([1j]), TypeError, "values must be real numbers, got dtype complex128"),
        (np.array([object()]), TypeError, "values must be real numbers, got dtype object"),
        (np.ones((2, 2)), ValueError, "values must have one axis, got shape (2, 2)"),
        (np.array([1, np.nan, np.nan]), ValueError, "values holds 2 NaN, which have no rank"),
    ],
)
def test_refused(values, error, message):
    with pytest.raises(error) as raised:
        frames.rank_order(values)
    assert message in str(raised.value)


def test_too_many_are_refused():
    with pytest.raises(ValueError, match=r"values has 2147483648 entries; needed are fewer"):
        frames.rank_order(np.broadcast_to(np.int8(1), (2**31,)))
