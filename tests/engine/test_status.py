import jax
import jax.numpy as jnp
import pytest
from algorithms import Exploding

from jaxpapers.engine import RunError, Status, require_ok, run, status_message

ADVICE = (
    "Check",
    "Leave out",
    "Leave them out",
    "Merge",
    "Widen",
    "Allow",
    "Use",
    "Bids must",
    "Give",
)


def test_every_status_has_a_text_of_its_own_that_says_what_to_do():
    texts = [status_message(status) for status in Status]
    assert len(set(texts)) == len(Status)
    for status in Status:
        if status >= Status.NON_FINITE:
            why, _, advice = status_message(status).partition(". ")
            assert why, status
            assert any(word in advice for word in ADVICE), status


def test_failures_are_the_codes_without_an_answer():
    assert [status.name for status in Status if status.is_failure] == [
        "NON_FINITE",
        "SINGULAR",
        "NO_BRACKET",
        "MAX_STEPS",
        "INVALID_BIDS",
        "NOT_A_DISTRIBUTION",
        "NO_EQUILIBRIUM",
        "INVALID_ACTION",
    ]


def test_unknown_status_raises():
    with pytest.raises(ValueError, match="99 is not a valid Status"):
        status_message(99)


def test_require_ok_returns_its_argument():
    notices = jnp.asarray([Status.OK, Status.COLLINEAR, Status.DEGENERATE], jnp.int32)
    assert require_ok(notices) is notices
    assert require_ok(Status.CONVERGED) is Status.CONVERGED


def test_require_ok_names_each_failure_and_counts_it():
    codes = jnp.asarray([0, Status.NON_FINITE, Status.MAX_STEPS, Status.NON_FINITE], jnp.int32)
    with pytest.raises(RunError, match="NON_FINITE in 2 of 4: A value became NaN") as raised:
        require_ok(codes)
    assert "\nMAX_STEPS in 1 of 4: The largest number of steps" in str(raised.value)


def test_require_ok_reads_the_status_of_a_result():
    result = run(jax.random.key(0), Exploding(), None, jnp.asarray(1e30, jnp.float32), num_steps=9)
    with pytest.raises(RunError, match="NON_FINITE in 1 of 1: "):
        require_ok(result)


def test_require_ok_refuses_tracing():
    with pytest.raises(TypeError, match="call it outside jit and vmap"):
        jax.jit(require_ok)(jnp.asarray(0, jnp.int32))
