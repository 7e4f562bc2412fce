"""Rows of promises (*jit, vmap, grad, shard*) are true: every verb is put through what it says."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from promise_cases import CASES, DECISIONS, MESH_CASES, Pair, batch
from promise_rows import COLUMNS, docstring_rows, reason

from jaxpapers import engine

pytestmark = pytest.mark.usefixtures("quick_compiles")
TRACED = [
    system
    for system, cases in CASES.items()
    if system in ("auctions", "copulas", "games", "ranks", "numerics", "engine")
]


def rows(system):
    return dict(docstring_rows(importlib.import_module(f"jaxpapers.{system}").__doc__))


def promised(system, column):
    """Verbs of a system whose row says yes in a column."""
    place = COLUMNS.index(column)
    return [verb for verb, cells in rows(system).items() if cells[place].startswith("yes")]


def cases(system, column):
    """One function that runs all verbs promised in a column: compiling is what costs."""
    verbs = [verb for verb in promised(system, column) if not spread_by_mesh(system, column, verb)]
    assert verbs
    return together(system, verbs)


def together(system, verbs):
    def run_all(y, x):
        pair = Pair(y, x)
        return {verb: CASES[system][verb](pair) for verb in verbs}

    return run_all


def spread_by_mesh(system, column, verb):
    return column == "shard" and "`mesh`" in rows(system)[verb][COLUMNS.index(column)]


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for verb in expected:
        pairs = zip(jax.tree.leaves(got[verb]), jax.tree.leaves(expected[verb]), strict=True)
        for left, right in pairs:
            np.testing.assert_allclose(
                np.asarray(left), np.asarray(right), rtol=2e-4, atol=2e-5, err_msg=verb
            )


def takes_no_array(system, verb):
    """True where no argument is annotated as something that can be an array."""
    function = getattr(importlib.import_module(f"jaxpapers.{system}"), verb)
    kinds = [str(p.annotation) for p in inspect.signature(function).parameters.values()]
    return not any(re.search(r"Array|ndarray|PyTree|^typing.Any$|^~", kind) for kind in kinds)


@pytest.mark.parametrize("system", CASES)
def test_every_row_has_a_case_and_every_case_a_row(system):
    assert rows(system), "the docstring has no rows of promises"
    without = {verb for verb in rows(system) if verb not in CASES[system]}
    assert set(CASES[system]) <= set(rows(system))
    assert [verb for verb in without if not takes_no_array(system, verb)] == []
    by_mesh = {verb for verb in rows(system) if spread_by_mesh(system, "shard", verb)}
    assert by_mesh == set(MESH_CASES.get(system, ()))


@pytest.mark.parametrize("system", TRACED)
def test_jit_and_vmap(system):
    """Compiled and mapped over samples in one program, verbs give what they give when called."""
    y, x = batch()
    mapped, compiled = promised(system, "vmap"), promised(system, "jit")
    assert set(mapped) <= set(compiled)
    alone = [verb for verb in compiled if verb not in mapped]
    program = jax.jit(
        lambda y, x: (
            jax.vmap(together(system, mapped))(y, x),
            together(system, alone)(y[0], x[0]),
        )
    )
    rows_of, first = program(y, x)
    assert_same(first, together(system, alone)(y[0], x[0]))
    for number in range(y.shape[0]):
        got = jax.tree.map(lambda leaf, number=number: leaf[number], rows_of)
        assert_same(got, together(system, mapped)(y[number], x[number]))


@pytest.mark.parametrize("system", TRACED)
def test_grad(system):
    """A promised derivative is finite, not zero, and agrees with a central difference."""
    verbs = cases(system, "grad")

    def totals(scale, y, x):
        return {
            verb: sum(jnp.sum(jnp.sin(leaf)) for leaf in _floats(results))
            for verb, results in verbs(y * scale, x).items()
        }

    with jax.enable_x64(True):
        y, x = (jnp.asarray(pair[0], jnp.float64) for pair in batch())
        one, step = jnp.asarray(1.0, jnp.float64), 1e-6
        value = jax.jit(totals)
        derivatives, above, below = jax.device_get(
            (
                jax.jit(jax.jacrev(totals))(one, y, x),
                value(one + step, y, x),
                value(one - step, y, x),
            )
        )
    for verb, derivative in derivatives.items():
        difference = (above[verb] - below[verb]) / (2 * step)
        np.testing.assert_allclose(derivative, difference, rtol=1e-5, atol=1e-7, err_msg=verb)
        assert abs(derivative) > 1e-3, verb


def _floats(results):
    return [leaf for leaf in jax.tree.leaves(results) if jnp.issubdtype(leaf.dtype, jnp.floating)]


def test_shard():
    """Every promised verb gives the same on two devices as on one."""
    script = Path(__file__).with_name("shard_promises.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {f"{system}.{verb}" for system in TRACED for verb in promised(system, "shard")}
    assert expected == set(done.stdout.split())


# --- what is not promised -----------------------------------------------------------------------


def _one_device(function, y, x):
    spec = PartitionSpec("replicate")
    mapped = jax.vmap(function)
    mesh = engine.replicate_mesh(jax.devices()[:1])
    return jax.shard_map(mapped, mesh=mesh, in_specs=spec, out_specs=spec)(y, x)


TRANSFORMS = {
    "jit": lambda function, y, x: jax.jit(function)(y[0], x[0]),
    "vmap": lambda function, y, x: jax.vmap(function)(y, x),
    "grad": lambda function, y, x: jax.grad(lambda y: jnp.sum(function(y, x[0])[0]))(y[0]),
    "shard": _one_device,
}


def refuses(system, verbs, column):
    """A host verb says that it cannot be traced, or takes nothing that could be."""
    y, x = batch()
    for verb in verbs:
        if verb in CASES[system]:
            with pytest.raises(TypeError, match=r"(?i)trace|jit|concrete"):
                TRANSFORMS[column](lambda y, x, verb=verb: CASES[system][verb](Pair(y, x)), y, x)
        else:
            assert takes_no_array(system, verb), verb


def take_a_seed(system, verbs, column):
    """No argument but the first, a seed, could be an array."""
    assert column == "grad"
    for verb in verbs:
        function = getattr(importlib.import_module(f"jaxpapers.{system}"), verb)
        kinds = [str(p.annotation) for p in inspect.signature(function).parameters.values()]
        assert kinds[0].startswith("int | ")
        assert [kind for kind in kinds[1:] if re.search(r"Array|ndarray|PyTree", kind)] == []


def have_no_floats(system, verbs, column):
    assert column == "grad"
    y, x = batch()
    shapes = jax.eval_shape(together(system, verbs), y[0], x[0])
    assert [verb for verb in verbs if _floats(shapes[verb])] == []


def take_no_array(system, verbs, column):
    del column
    assert [verb for verb in verbs if not takes_no_array(system, verb)] == []


def are_flat(system, verbs, column):
    """Ranks are step functions: through them nothing moves."""
    assert column == "grad"
    y, x = batch()

    def totals(y):
        results = together(system, verbs)(y, x[0])
        return {
            verb: sum(jnp.sum(jnp.nan_to_num(leaf)) for leaf in _floats(results[verb]))
            for verb in verbs
        }

    for verb, derivative in jax.jit(jax.jacrev(totals))(y[0]).items():
        np.testing.assert_array_equal(derivative, 0, err_msg=verb)


def are_rough(system, verbs, column):
    """Derivatives of gamma draws agree with central differences to a hundredth only."""
    off = _misses_of_derivatives(system, verbs, column)
    assert (off < 1e-2).all()
    assert (off > 1e-6).all()


def are_implicit(system, verbs, column):
    """Derivatives of gamma draws are those of their distribution, not of the accepted draws."""
    off = _misses_of_derivatives(system, verbs, column)
    assert np.isfinite(off).all()
    assert (off > 1e-3).all()


def _misses_of_derivatives(system, verbs, column):
    """By how much derivatives differ from central differences, relative to these."""
    assert column == "grad"

    def totals(scale, y, x):
        results = together(system, verbs)(y * scale, x)
        return jnp.stack([sum(jnp.sum(leaf) for leaf in _floats(results[verb])) for verb in verbs])

    with jax.enable_x64(True):
        y, x = (jnp.asarray(pair[0], jnp.float64) for pair in batch())
        one, step, value = jnp.asarray(1.0, jnp.float64), 1e-6, jax.jit(totals)
        derivatives = jax.jit(jax.jacfwd(totals))(one, y, x)
        differences = (value(one + step, y, x) - value(one - step, y, x)) / (2 * step)
    return np.abs(derivatives / differences - 1)


def loop(system, verbs, column):
    """Reverse mode and a mesh are refused where a loop ends by what it finds."""
    # Loops with a rule of their own under vmap are refused by JAX in other words.
    refused = "Reverse-mode differentiation does not work|ad_util.Zero"
    message = {"grad": refused, "shard": "manual ax"}
    y, x = batch()
    for verb in verbs:

        def transformed(y, x, verb=verb):
            return TRANSFORMS[column](lambda y, x: CASES[system][verb](Pair(y, x)), y, x)

        with pytest.raises((TypeError, ValueError), match=message[column]):
            jax.eval_shape(transformed, y, x)  # refused while it is traced: nothing is compiled


def jump(system, verbs, column):
    """Two gaps a rounding apart, on either side of a decision, give results far apart."""
    del system
    assert column == "grad"
    with jax.enable_x64(True):
        y, x = (jnp.asarray(pair[0], jnp.float64) for pair in batch())
        pair = Pair(y, x)
        for verb in verbs:
            before, after = _around_the_decision(lambda gap, verb=verb: DECISIONS[verb](pair, gap))
            pairs = zip(_floats(before), _floats(after), strict=True)
            assert max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs) > 1e-2, verb


def _around_the_decision(function):
    """Results at two numbers a rounding apart, at which integers and flags in them differ."""
    low, high = 1e-14, 0.5
    before, after = function(low), function(high)
    assert _decision(before) != _decision(after)
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        here = function(middle)
        if _decision(here) == _decision(before):
            low, before = middle, here
        else:
            high, after = middle, here
    return before, after


def _decision(results):
    leaves = jax.tree.leaves(results)
    return [np.asarray(leaf).tolist() for leaf in leaves if leaf.dtype.kind in "ib"]


LAWS = {
    **dict.fromkeys(("host", "host loop", "reads values", "makes text"), refuses),
    **dict.fromkeys(("counts the truth on the host", "as jit"), refuses),
    **dict.fromkeys(("integers", "no floats"), have_no_floats),
    **dict.fromkeys(("a rank decision", "rank decisions are steps"), jump),
    "takes no array": take_no_array,
    "a seed": take_a_seed,
    "loops": loop,
    "rough in gamma draws": are_rough,
    "slopes of the law, not of draws": are_implicit,
    **dict.fromkeys(
        ("ranks are steps", "counts are steps", "strategies are steps", "a search"), are_flat
    ),
}


def refusals():
    """Every system, column and reason of a no, with the verbs that give it."""
    found = {}
    for system in CASES:
        for verb, cells in rows(system).items():
            for column, cell in zip(COLUMNS, cells, strict=True):
                if cell.startswith("no"):
                    found.setdefault((system, column, reason(cell)), []).append(verb)
    return found


@pytest.mark.parametrize("refusal", refusals(), ids=", ".join)
def test_what_is_not_promised_is_refused_or_not_there(refusal):
    system, column, why = refusal
    LAWS[why](system, refusals()[refusal], column)


def test_the_laws_can_fail(monkeypatch):
    monkeypatch.setitem(CASES["ranks"], "fit", lambda d: [jnp.sin(d.child)])
    monkeypatch.setitem(DECISIONS, "fit", lambda d, gap: [d.child + gap, jnp.int32(gap > 0.1)])
    for law in (are_flat, have_no_floats, take_no_array, jump):
        with pytest.raises(AssertionError):
            law("ranks", ["fit"], "grad")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        refuses("ranks", ["fit"], "jit")
