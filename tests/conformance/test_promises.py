"""Rows of promises (*jit, vmap, grad, shard*) are true: every verb is put through what it says."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from promise_cases import CASES, batch

import jaxpapers.numerics
import jaxpapers.ranks

ROW = re.compile(r"^``(\w+)``\s*\|([^|]+)\|([^|]+)\|([^|]+)\|([^|]+)$", re.MULTILINE)
COLUMNS = ("jit", "vmap", "grad", "shard")
HOST_ONLY = {"status_message", "coverage"}


def promised(system, column):
    """Verbs of a system whose row says yes in a column."""
    rows = ROW.findall(getattr(jaxpapers, system).__doc__)
    return [row[0] for row in rows if row[1 + COLUMNS.index(column)].strip().startswith("yes")]


def cases(system, column):
    """One function that runs all verbs promised in a column: compiling is what costs."""
    verbs = [
        verb for verb in promised(system, column) if verb in CASES[system] and verb not in HOST_ONLY
    ]
    assert verbs
    return lambda y, x: {verb: CASES[system][verb](y, x) for verb in verbs}


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for verb in expected:
        pairs = zip(jax.tree.leaves(got[verb]), jax.tree.leaves(expected[verb]), strict=True)
        for left, right in pairs:
            np.testing.assert_allclose(
                np.asarray(left), np.asarray(right), rtol=2e-4, atol=2e-5, err_msg=verb
            )


@pytest.mark.parametrize("system", CASES)
def test_every_row_has_a_case_and_every_case_a_row(system):
    rows = {row[0] for row in ROW.findall(getattr(jaxpapers, system).__doc__)}
    assert rows == set(CASES[system]) | (rows & HOST_ONLY)
    assert rows, "the docstring has no rows of promises"


@pytest.mark.parametrize("system", CASES)
def test_jit_and_vmap(system):
    """Compiled alone and mapped over samples, verbs give what they give when called."""
    y, x = batch()
    rows = [(y[row], x[row]) for row in range(y.shape[0])]
    called = cases(system, "jit")
    assert_same(jax.jit(called)(*rows[0]), called(*rows[0]))
    mapped_cases = cases(system, "vmap")
    mapped = jax.jit(jax.vmap(mapped_cases))(y, x)
    for number, row in enumerate(rows):
        assert_same(
            jax.tree.map(lambda leaf, number=number: leaf[number], mapped), mapped_cases(*row)
        )


@pytest.mark.parametrize("system", CASES)
def test_grad(system):
    """A promised derivative is finite and agrees with a central difference."""
    verbs = cases(system, "grad")

    def totals(scale, y, x):
        return {
            verb: sum(jnp.sum(jnp.sin(leaf)) for leaf in _floats(results))
            for verb, results in verbs(y * scale, x).items()
        }

    with jax.enable_x64(True):
        y, x = (jnp.asarray(rows[0], jnp.float64) for rows in batch())
        one, step = jnp.asarray(1.0, jnp.float64), 1e-6
        value = jax.jit(totals)
        derivatives = jax.jit(jax.jacrev(totals))(one, y, x)
        above, below = value(one + step, y, x), value(one - step, y, x)
    for verb, derivative in derivatives.items():
        difference = (above[verb] - below[verb]) / (2 * step)
        np.testing.assert_allclose(derivative, difference, rtol=1e-5, atol=1e-7, err_msg=verb)


def _floats(results):
    return [leaf for leaf in jax.tree.leaves(results) if jnp.issubdtype(leaf.dtype, jnp.floating)]


def test_no_gradient_where_none_is_promised():
    """Ranks are step functions: through them nothing moves, which is why the rows say no."""
    verbs = ("fit", "bootstrap", "predict")
    assert not set(verbs) & set(promised("ranks", "grad"))
    y, x = (rows[0] for rows in batch())

    def total(y):
        results = [CASES["ranks"][verb](y, x) for verb in verbs]
        return sum(jnp.sum(jnp.nan_to_num(leaf)) for leaf in _floats(results))

    np.testing.assert_array_equal(jax.jit(jax.grad(total))(y), 0)


def test_shard():
    """Every promised verb gives the same on two devices as on one."""
    script = Path(__file__).with_name("shard_promises.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {f"{system}.{verb}" for system in CASES for verb in promised(system, "shard")}
    assert expected - {f"{system}.{verb}" for system in CASES for verb in HOST_ONLY} == set(
        done.stdout.split()
    )
