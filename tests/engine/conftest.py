"""Fixtures of the engine's tests: child processes that start fast."""

import multiprocessing

import pytest

_PRELOADED = ["jax.numpy", "optax", "orbax.checkpoint", "jaxpapers.engine"]


@pytest.fixture(scope="session")
def forkserver():
    """Start method whose children have the imports done, but not JAX's devices."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context
