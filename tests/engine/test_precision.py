import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import Halving

from jaxpapers.engine import PrecisionWarning, double_precision, run, warn_if_truncated


def test_double_precision_is_a_scope():
    with double_precision():
        assert jnp.ones(1).dtype == np.float64
    assert jnp.ones(1).dtype == np.float32


def test_warns_once_per_name():
    with pytest.warns(PrecisionWarning) as warned:
        for name in ("first", "first", "second"):
            warn_if_truncated(name, np.ones(3))
    first, second = (str(warning.message) for warning in warned)
    assert first.startswith("first is float64, but JAX computes in float32 here: values are")
    assert "with jaxpapers.engine.double_precision():" in first
    assert second.startswith("second is float64")


@pytest.mark.parametrize("value", [np.ones(3, np.float32), np.arange(3), jnp.ones(3), 1.0, None])
def test_silent_where_nothing_is_lost(value):
    warn_if_truncated("kept", value)


def test_silent_in_double_precision():
    with double_precision():
        warn_if_truncated("kept", np.ones(3))


def test_run_warns_about_the_leaf_that_is_rounded():
    with pytest.warns(PrecisionWarning, match=r"data\['start'\] is float64"):
        run(jax.random.key(0), Start(jnp.asarray(0.5)), None, {"start": np.ones(3)}, num_steps=1)


class Start(Halving):
    def init(self, key, model, data):
        return data["start"].sum()
