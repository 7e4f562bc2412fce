import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import AdamAscent, Custom, Exploding, Halving, regression_problem, tree_bytes

from jaxpapers.engine import Algorithm, Status, drivers, finite_status, run, unroll

KEY = jax.random.key(5)
ONE = jnp.asarray(1.0, jnp.float32)


def test_steps_draw_from_the_key_folded_with_their_global_index():
    tolerance, start = jnp.asarray([0.0, 1.0], jnp.float32)
    info = run(KEY, Halving(tolerance), None, start, num_steps=3, first_step=0).info
    expected = [jax.random.key_data(jax.random.fold_in(KEY, t)) for t in range(3)]
    assert np.array_equal(info["key"], expected)
    info = run(KEY, Halving(tolerance), None, None, num_steps=2, state=start, first_step=1).info
    assert np.array_equal(info["key"], expected[1:])


def test_init_draws_from_a_key_of_its_own():
    key, algorithm, model, data = regression_problem()
    expected = algorithm.init(jax.random.fold_in(key, np.uint32(0xFFFFFFFF)), model, data)
    state = run(key, algorithm, model, data, num_steps=1, chunk_size=7).info["value"]
    again = run(key, algorithm, model, data, num_steps=1, chunk_size=7, state=expected)
    assert tree_bytes(state) == tree_bytes(again.info["value"])


def test_adam_ascent_agrees_with_a_plain_loop():
    key, algorithm, model, data = regression_problem()
    regressors, outcomes = map(np.asarray, data)
    params = np.asarray(jax.random.uniform(jax.random.fold_in(key, np.uint32(0xFFFFFFFF)), (3,)))
    mean = square = 0.0
    for t in range(5):
        rows = np.asarray(jax.random.bits(jax.random.fold_in(key, t), (16,))) % 40
        x, y = regressors[rows], outcomes[rows]
        gradient = -2 * x.T @ (y - x @ params) / 16 + 2 * float(model) * params
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        step = (mean / (1 - 0.9 ** (t + 1))) / np.sqrt(square / (1 - 0.999 ** (t + 1)))
        params = params - 0.1 * step
    result = run(key, algorithm, model, data, num_steps=5)
    np.testing.assert_allclose(result.state[0], params, rtol=2e-5)


def test_stops_when_the_algorithm_says_so():
    result = run(KEY, Halving(ONE / 3), None, ONE, num_steps=50)
    assert (int(result.num_steps), int(result.status)) == (2, Status.CONVERGED)
    assert result.info["before"].tolist() == [1.0, 0.5]
    assert result.state == 0.25


def test_unroll_fills_the_rows_after_the_stop_with_zeros():
    result = unroll(KEY, Halving(ONE / 3), None, ONE, num_steps=5)
    assert result.info["before"].tolist() == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert (int(result.num_steps), int(result.status)) == (2, Status.CONVERGED)


@pytest.mark.parametrize("drive", [run, unroll])
def test_a_step_that_is_not_finite_is_discarded(drive):
    result = drive(KEY, Exploding(), None, jnp.asarray(1e10, jnp.float32), num_steps=5)
    assert (int(result.num_steps), int(result.status)) == (1, Status.NON_FINITE)
    np.testing.assert_allclose(result.state, 1e20, rtol=1e-6)
    assert np.isfinite(result.info["before"]).all()


def test_a_first_step_that_is_not_finite_leaves_no_rows():
    result = run(KEY, Exploding(), None, jnp.asarray(1e30, jnp.float32), num_steps=5)
    assert (int(result.num_steps), int(result.status)) == (0, Status.NON_FINITE)
    assert result.info["before"].shape == (0,)


def test_finite_status_looks_at_all_floats():
    whole = {"x": jnp.ones(2), "n": jnp.arange(3)}
    assert finite_status(whole, 1.0) == Status.RUNNING
    assert finite_status(whole, {"y": jnp.asarray([0.0, jnp.inf])}) == Status.NON_FINITE
    assert finite_status().dtype == jnp.int32


def test_arrays_of_the_caller_stay_valid():
    start = {"x": jnp.ones(3), "same": jnp.ones(3)}
    start["same"] = start["x"]
    identity = Custom(start, lambda key, state: (state, ()))
    for state in (None, start):
        result = run(KEY, identity, None, None, num_steps=5, chunk_size=2, state=state)
        assert not start["x"].is_deleted()
        assert tree_bytes(result.state) == tree_bytes(start)
    resumed = run(KEY, identity, None, None, num_steps=1, state=result.state)
    assert tree_bytes(resumed.state) == tree_bytes(result.state)


def test_state_is_donated_from_chunk_to_chunk():
    problem = drivers.Problem(KEY, Halving(ONE), None, ONE, jnp.asarray(0, jnp.int32))
    position = drivers.begin(problem, None)
    drivers._compiled_chunk(())((problem, jnp.asarray(1, jnp.int32), 2), position)
    assert position.state.is_deleted()


def test_python_numbers_and_weak_types_are_made_strong(count_compiles):
    state = {"x": 1.0, "n": 0}

    def move(key, state):
        return {"x": jnp.where(True, 2.0, 1.0), "n": state["n"] + 1}, {"twice": 2.0}

    with count_compiles() as compiles:
        result = run(KEY, Custom(state, move), None, None, num_steps=3, chunk_size=1)
    assert compiles.count("_run_chunk") == 1
    assert (result.state["x"].dtype, result.state["x"].weak_type) == (jnp.float32, False)
    assert result.info["twice"].dtype == jnp.float32


def test_numpy_data_moves_once():
    key, algorithm, model, data = regression_problem()
    on_host = jax.tree.map(np.asarray, data)
    result = run(key, algorithm, np.float32(model), on_host, num_steps=3)
    assert tree_bytes(result) == tree_bytes(run(key, algorithm, model, data, num_steps=3))


@pytest.mark.parametrize("drive", [run, unroll])
def test_a_step_is_traced_once(drive):
    traces = []

    def move(key, state):
        traces.append(key)
        return state / 2, {"state": state}

    for start in (1.0, 2.0, 3.0):
        custom = Custom(jnp.asarray(start, jnp.float32), move)
        drive(KEY, custom, None, None, num_steps=4)
    assert len(traces) == 1


def test_unroll_vmaps_with_different_stops():
    starts = jnp.asarray([1.0, 4.0, 1e-3], jnp.float32)
    drive = jax.vmap(lambda start: unroll(KEY, Halving(ONE / 3), None, start, num_steps=6))
    result = drive(starts)
    assert result.num_steps.tolist() == [2, 4, 1]
    assert result.state.tolist() == [0.25, 0.25, 1e-3 * np.float32(0.5)]


def test_unroll_has_derivatives():
    with jax.enable_x64(True):
        key, _, _, data = regression_problem()

        @jax.jit
        @jax.value_and_grad
        def last_value(numbers):
            learning_rate, penalty = numbers
            result = unroll(key, AdamAscent(learning_rate), penalty, data, num_steps=6)
            return result.info["value"][-1]

        at, h = np.array([0.05, 0.02]), 1e-5
        sides = [(last_value(at + e)[0], last_value(at - e)[0]) for e in h * np.eye(2)]
        central = [(above - below) / (2 * h) for above, below in sides]
        np.testing.assert_allclose(last_value(at)[1], central, rtol=1e-7)


def test_unroll_takes_a_traced_first_step():
    whole = unroll(KEY, Halving(ONE * 0), None, ONE, num_steps=5)
    rest = jax.jit(
        lambda first: unroll(
            KEY, Halving(ONE * 0), None, ONE, num_steps=2, state=ONE / 8, first_step=first
        )
    )(3)
    assert np.array_equal(rest.info["key"], whole.info["key"][3:])
    assert rest.state == whole.state


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(*regression_problem(), num_steps=7, chunk_size=7)


def keep(key, state):
    return state, ()


@pytest.mark.parametrize("drive", [run, unroll])
@pytest.mark.parametrize(
    ("custom", "message"),
    [
        (Custom({"f": jnp.sin}, keep), r"state\['f'\] must be an array, got .*sin"),
        (Custom({"k": KEY}, keep), r"state\['k'\] is a random key. Keep keys out of it"),
        (Custom(ONE, lambda k, s: (s, {"k": k})), r"info\['k'\] is a random key"),
        (Custom(ONE, lambda k, s: (s, "text")), r"info must be an array, got str 'text'"),
        (
            Custom({"x": ONE}, lambda k, s: ({"y": s["x"]}, ())),
            "Custom.step changed the structure of the state from .*'x'.* to .*'y'",
        ),
        (
            Custom({"x": ONE}, lambda k, s: ({"x": s["x"].astype(jnp.float16)}, ())),
            r"Custom.step changed state\['x'\] from float32\[\] to float16\[\]; shape and dtype",
        ),
        (
            Custom([ONE], lambda k, s: ([jnp.ones(2)], ())),
            r"Custom.step changed state\[0\] from float32\[\] to float32\[2\]",
        ),
        (Custom(ONE, keep, np.ones(2, np.int32)), r"Custom.status must be a scalar, got shape \(2"),
        (lambda x: x, "algorithm must be an engine.Algorithm, got function"),
    ],
)
def test_mistakes_of_an_algorithm_are_named(drive, custom, message):
    with pytest.raises(TypeError, match=message):
        drive(KEY, custom, None, None, num_steps=2)


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (TypeError, "num_steps must be a Python int, got float 2.0", {"num_steps": 2.0}),
        (ValueError, "num_steps must be at least 1, got 0", {"num_steps": 0}),
        (ValueError, "chunk_size must be at least 1, got 0", {"num_steps": 1, "chunk_size": 0}),
        (ValueError, "first_step needs the state", {"num_steps": 1, "first_step": 3}),
        (
            TypeError,
            "first_step must hold integers, got float 1.5",
            {"num_steps": 1, "first_step": 1.5, "state": ONE},
        ),
    ],
)
def test_settings_out_of_range_are_named(error, message, settings):
    with pytest.raises(error, match=message):
        run(KEY, Halving(ONE), None, ONE, **settings)


def test_drivers_want_a_typed_key():
    for drive in (run, unroll):
        with pytest.raises(TypeError, match="key must be a typed random key"):
            drive(0, Halving(ONE), None, ONE, num_steps=1)


def test_run_refuses_tracing():
    with pytest.raises(TypeError, match="run is a host loop and cannot be traced; use unroll"):
        jax.jit(lambda x: run(KEY, Halving(ONE), None, x, num_steps=1))(ONE)
    with pytest.raises(TypeError, match="run is a host loop and cannot be traced; use unroll"):
        jax.jit(lambda: run(KEY, Halving(ONE), None, ONE, num_steps=1))()
    with pytest.raises(TypeError, match="run is a host loop and cannot be traced; use unroll"):
        jax.vmap(lambda x: run(KEY, Halving(ONE), x, ONE, num_steps=1))(ONE[None])


def test_an_algorithm_without_its_methods_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Algorithm()
