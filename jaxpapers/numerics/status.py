"""Status codes: how a computation ended, and what to do about it."""

import enum


class Status(enum.IntEnum):
    """How a computation ended.

    Results carry a status as an ``int32`` array, one number per case of a batch. Codes below 10
    are fine, codes in the twenties may be notices (the answer stands, but something about it is to
    be known), the rest are failures: see `is_failure`. Text for each code: `status_message`.
    """

    OK = 0
    RUNNING = 1
    CONVERGED = 2
    NON_FINITE = 10
    COLLINEAR = 20
    DEGENERATE = 21
    FEW_OBSERVATIONS = 22
    SINGULAR = 23
    DETERMINISTIC = 24
    INCOMPLETE = 25
    NEARLY_SINGULAR = 26
    NOT_MONOTONE = 27
    DISJOINT = 28
    NO_BRACKET = 30
    MAX_STEPS = 31
    INVALID_BIDS = 32
    NOT_A_DISTRIBUTION = 33
    NO_EQUILIBRIUM = 34
    INVALID_ACTION = 35

    @property
    def is_failure(self) -> bool:
        """True where the answer cannot be used."""
        return self in _FAILURES


_FAILURES = frozenset(
    {
        Status.NON_FINITE,
        Status.SINGULAR,
        Status.NO_BRACKET,
        Status.MAX_STEPS,
        Status.INVALID_BIDS,
        Status.NOT_A_DISTRIBUTION,
        Status.NO_EQUILIBRIUM,
        Status.INVALID_ACTION,
    }
)

_MESSAGES = {
    Status.OK: "Done: everything that was asked for was computed.",
    Status.RUNNING: "Not finished: more steps can be taken from the returned state.",
    Status.CONVERGED: "Converged: the stopping rule of the algorithm was met.",
    Status.NON_FINITE: (
        "A value became NaN or infinite; the last finite state was kept. "
        "Check the data for extreme values, use a smaller step, or compute in double precision."
    ),
    Status.COLLINEAR: (
        "Some columns are linear combinations of earlier ones; they were dropped and their "
        "coefficients are reported missing. Leave them out to silence this."
    ),
    Status.DEGENERATE: (
        "Something has no variation: a combination of parameters without sampling variance (tests "
        "of it have fewer degrees of freedom), or a function without slope at its root (its "
        "derivatives are given as 0). Check whether a variable is constant or follows exactly from "
        "another; where that is meant, nothing needs to be done."
    ),
    Status.FEW_OBSERVATIONS: (
        "Some group has fewer observations than columns; those of its coefficients that are not "
        "identified are reported missing, the others stand. "
        "Merge groups, add observations, or leave out covariates."
    ),
    Status.SINGULAR: (
        "A linear system is singular, so the parameters are not identified. "
        "Check for a constant regressor, duplicated columns, or an empty group."
    ),
    Status.DETERMINISTIC: (
        "A combination of parameters with no or next to no sampling error violates the "
        "restrictions, so they are rejected whatever the level: statistic infinite, p-value 0. "
        "Leave out restrictions that follow from others or that the data fix, to test what is left."
    ),
    Status.INCOMPLETE: (
        "Some replicates could not be estimated; they were left out of every summary and counted. "
        "Check num_failed, and use larger samples if they are many."
    ),
    Status.NEARLY_SINGULAR: (
        "Two assets are nearly copies of each other, so that their loadings are hardly bounded; "
        "the dependence of all others stands. Leave out one of the two."
    ),
    Status.NOT_MONOTONE: (
        "The probability of the token is not monotone in an agent's bid, so no single bid brought "
        "the agent the token: its switch bid is NaN. Use expected payments, or the linear rule."
    ),
    Status.DISJOINT: (
        "Every token is excluded by an agent with a positive bid, so the product of distributions "
        "is 0: the platform's distribution was used, without one the plain mean, and nobody is "
        "charged. Use the linear rule, or distributions without zeros."
    ),
    Status.NO_BRACKET: (
        "The function has the same sign at both ends of the interval, so no root is bracketed. "
        "Widen the interval or check the function."
    ),
    Status.MAX_STEPS: (
        "The largest number of steps was reached before the tolerance was met. "
        "Allow more steps, loosen the tolerance, or start from the returned state."
    ),
    Status.INVALID_BIDS: (
        "A bid is negative, NaN or infinite. Bids must be finite and at least 0."
    ),
    Status.NOT_A_DISTRIBUTION: (
        "Probabilities do not sum to one. Give natural logarithms of probabilities, as "
        "jax.nn.log_softmax makes them from logits."
    ),
    Status.NO_EQUILIBRIUM: (
        "No pair of prices is a best response to itself: with complements and a firm whose cost is "
        "above what buyers would pay, best responses run in a circle. Check the costs."
    ),
    Status.INVALID_ACTION: (
        "An agent's action is none of the game's: NaN, infinite or out of range. It was left out "
        "of the round. Check the policy, and the units of what it returns."
    ),
}


def status_message(status: int) -> str:
    """Says why a computation ended with `status` and what to do.

    Args:
        status: a `Status` or its number.

    Returns:
        One or two English sentences.

    Raises:
        ValueError: `status` is not the number of a `Status`.
    """
    return _MESSAGES[Status(int(status))]
