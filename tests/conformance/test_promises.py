"""Rows of promises (*jit, vmap, grad, shard*) are true: every verb is put through what it says."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpapers.numerics
import jaxpapers.ranks

from promise_cases import CASES, batch

ROW = re.compile(r"^``(\w+)``\s*\|([^|]+)\|([^|]+)\|([^|]+)\|([^|]+)$", re.MULTILINE)
COLUMNS = ("jit", "vmap", "grad", "shard")
HOST_ONLY = {"status_message", "coverage"}


def promised(system, column):
    """Verbs of a system whose row says yes in a column."""
    rows = ROW.findall(getattr(jaxpapers, system).__doc__)
    return [row[0] for row in rows if row[1 + COLUMNS.index(column)].strip().startswith("yes")]


def parameters(column):
    return [
        pytest.param(system, verb, id=f"{system}.{verb}")
        for system in CASES
        for verb in promised(system, column)
        if verb in CASES[system] and verb not in HOST_ONLY
    ]


def assert_same(got, expected):
    for left, right in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("system", CASES)
def test_every_row_has_a_case_and_every_case_a_row(system):
    rows = {row[0] for row in ROW.findall(getattr(jaxpapers, system).__doc__)}
    assert rows == set(CASES[system]) | (rows & HOST_ONLY)
    assert rows, "the docstring has no rows of promises"


@functools.cache
def jitted(system, verb):
    """One compiled program per verb, shared by the tests."""
    return jax.jit(CASES[system][verb])


@pytest.mark.parametrize(("system", "verb"), parameters("jit"))
def test_jit(system, verb):
    y, x = (rows[0] for rows in batch())
    assert_same(jitted(system, verb)(y, x), CASES[system][verb](y, x))


@pytest.mark.parametrize(("system", "verb"), parameters("vmap"))
def test_vmap(system, verb):
    case = jitted(system, verb)
    y, x = batch()
    mapped = jax.jit(jax.vmap(case))(y, x)
    for row in range(y.shape[0]):
        assert_same(jax.tree.map(lambda leaf, row=row: leaf[row], mapped), case(y[row], x[row]))


@pytest.mark.parametrize(("system", "verb"), parameters("grad"))
def test_grad(system, verb):
    """A promised derivative is finite and agrees with a central difference."""
    case = CASES[system][verb]

    def total(scale, y, x):
        leaves = jax.tree.leaves(case(y * scale, x))
        floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in floats)

    with jax.enable_x64(True):
        y, x = (jnp.asarray(rows[0], jnp.float64) for rows in batch())
        one, step = jnp.asarray(1.0, jnp.float64), 1e-6
        derivative = jax.jit(jax.grad(total))(one, y, x)
        value = jax.jit(total)
        difference = (value(one + step, y, x) - value(one - step, y, x)) / (2 * step)
    np.testing.assert_allclose(derivative, difference, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("verb", ["fit", "bootstrap", "predict"])
def test_no_gradient_where_none_is_promised(verb):
    """Ranks are step functions: through them nothing moves, which is why the row says no."""
    assert verb not in promised("ranks", "grad")
    case = CASES["ranks"][verb]
    y, x = (rows[0] for rows in batch())

    def total(y):
        leaves = jax.tree.leaves(case(y, x))
        floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return sum(jnp.sum(jnp.nan_to_num(leaf)) for leaf in floats)

    np.testing.assert_array_equal(jax.jit(jax.grad(total))(y), 0)


def test_shard():
    """Every promised verb gives the same on two devices as on one."""
    script = Path(__file__).with_name("shard_promises.py")
    verbs = [
        f"{system}.{verb}"
        for system in CASES
        for verb in promised(system, "shard")
        if verb in CASES[system] and verb not in HOST_ONLY
    ]
    done = subprocess.run(
        [sys.executable, str(script), *verbs], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == verbs
