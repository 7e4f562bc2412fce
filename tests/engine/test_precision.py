import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import Custom

from jaxpapers.engine import PrecisionWarning, double_precision, run, warn_if_truncated

STANDING = Custom(np.float32(1.0), lambda key, state: (state, ()))


def test_double_precision_is_a_scope():
    with double_precision():
        assert jnp.ones(1).dtype == np.float64
    assert jnp.ones(1).dtype == np.float32


def test_warns_once_per_name():
    message = r"first is float64, but JAX .* call inside `with jaxpapers.engine.double_precision"
    with pytest.warns(PrecisionWarning, match=message):
        warn_if_truncated("first", np.ones(3))
    warn_if_truncated("first", np.ones(3))
    with pytest.warns(PrecisionWarning, match="second is float64"):
        warn_if_truncated("second", np.ones(3))


@pytest.mark.parametrize("value", [np.ones(3, np.float32), np.arange(3), jnp.ones(3), 1.0, None])
def test_silent_where_nothing_is_lost(value):
    warn_if_truncated("kept", value)


def test_silent_in_double_precision():
    with double_precision():
        warn_if_truncated("kept", np.ones(3))


def test_run_warns_about_the_leaf_that_is_rounded():
    with pytest.warns(PrecisionWarning, match=r"data\['start'\] is float64"):
        run(jax.random.key(0), STANDING, None, {"start": np.ones(3)}, num_steps=1)
