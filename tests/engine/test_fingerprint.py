import jax
import jax.numpy as jnp
import numpy as np
from algorithms import Custom, RandomWalk

from jaxpapers.engine.fingerprint import fingerprint
from jaxpapers.engine.steps import Problem

STATE = jnp.ones(2, jnp.float32)


def parts(algorithm=None, model=None, data=None, state=STATE, info=()):
    algorithm = RandomWalk(3, jnp.asarray(1.0)) if algorithm is None else algorithm
    problem = Problem(jax.random.key(0), algorithm, model, data, jnp.asarray(0, jnp.int32))
    return fingerprint(problem, state, (state, info))


def changed(one, other):
    return [name for name in one if one[name] != other[name]]


def make_move():
    return lambda key, state: (state, ())


def test_the_same_run_made_twice_has_the_same_fingerprint():
    assert parts() == parts()
    first, second = make_move(), make_move()
    assert first is not second
    assert parts(Custom(STATE, first)) == parts(Custom(STATE, second))


def test_numpy_and_jax_arrays_are_the_same():
    data = np.arange(3, dtype=np.float32)
    assert parts(data=data) == parts(data=jnp.asarray(data))


def test_each_part_is_told_apart():
    assert changed(parts(), parts(RandomWalk(4, jnp.asarray(1.0)))) == ["algorithm"]
    assert changed(parts(), parts(RandomWalk(3, jnp.asarray(2.0)))) == ["algorithm"]
    assert changed(parts(model=1.0), parts(model=2.0)) == ["model"]
    assert changed(parts(model={"a": 1}), parts(model={"b": 1})) == ["model"]
    assert changed(parts(state=STATE), parts(state=STATE * 2)) == ["starting state"]
    several = changed(parts(state=STATE), parts(state=jnp.ones(3, jnp.float32)))
    assert several == ["starting state", "layout of state and info"]
    assert changed(parts(info=STATE), parts(info=(STATE,))) == ["layout of state and info"]


def test_shape_dtype_and_order_of_equal_bytes_are_told_apart():
    zeros = np.zeros((2, 3), np.float32)
    for other in (zeros.T.copy(), zeros.view(np.int32), [zeros[:1], zeros[1:]]):
        assert changed(parts(data=zeros), parts(data=other)) == ["data"]
    steps = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    assert changed(parts(data=steps), parts(data=np.asfortranarray(steps))) == []
    assert changed(parts(data=steps), parts(data=steps[:, ::-1])) == ["data"]
