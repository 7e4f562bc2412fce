"""Linear restrictions on coefficients, as matrices or as text."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import engine
from .names import unknown_name

NUMBER = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?")
WORD = re.compile(r"[^\W\d][^\s+*/=,]*")


def restriction_matrix(
    restrictions: Any, names: Sequence[str]
) -> tuple[Float[np.ndarray, "restriction param"], Float[np.ndarray, " restriction"]]:
    """Turns restrictions into `matrix @ params = values`.

    Args:
        restrictions: text such as "r(x) = 0" or "r(x)[a] = r(x)[b], Intercept[a] = 0.5", a list of
            such texts, a matrix with one row per restriction (of values 0), or a pair of a matrix
            and values.
        names: coefficients, in the order of the matrix's columns.

    Returns:
        Matrix and values.

    Raises:
        ValueError: text that names no coefficient or is not linear; a matrix of the wrong shape.
    """
    if isinstance(restrictions, str):
        return _parsed(restrictions, names)
    if isinstance(restrictions, Sequence) and all(isinstance(r, str) for r in restrictions):
        return _parsed(", ".join(restrictions), names)
    values = None
    if isinstance(restrictions, tuple) and len(restrictions) == 2:
        restrictions, values = restrictions
    matrix = np.atleast_2d(np.asarray(restrictions, np.float64))
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or matrix.shape[0] == 0:
        raise ValueError(
            f"restrictions have shape {matrix.shape}; needed are {len(names)} columns, one per "
            "coefficient"
        )
    values = np.zeros(len(matrix)) if values is None else np.atleast_1d(np.asarray(values, float))
    if values.shape != (len(matrix),):
        raise ValueError(f"values have shape {values.shape}; needed is one per row, {len(matrix)}")
    return matrix, values


def _parsed(text, names):
    """Hands text with plain names to formulaic's parser of linear constraints."""
    constraints = engine.require_extra("formulaic.utils.constraints", "formula")
    errors = engine.require_extra("formulaic.errors", "formula")
    plain = {name: f"p{place}" for place, name in enumerate(names)}
    longest = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(map(_whole, longest)))
    for rest in pattern.split(text):
        word = WORD.search(NUMBER.sub("0", rest))
        if word is not None:
            raise ValueError(unknown_name("coefficient", word[0], names))
    try:
        parsed = constraints.LinearConstraints.from_spec(
            pattern.sub(lambda match: plain[match[0]], text), variable_names=list(plain.values())
        )
    except (errors.FormulaicError, RuntimeError, KeyError, SyntaxError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"restrictions {text!r} are not linear equations: {reason}") from error
    if parsed.n_constraints == 0:
        raise ValueError("restrictions are empty; needed is text such as 'r(x) = 0'")
    return parsed.constraint_matrix, parsed.constraint_values


def _whole(name):
    """Pattern of a name that keeps it from matching inside a longer word."""
    before = r"(?<!\w)" if re.match(r"\w", name) else ""
    after = r"(?!\w)" if re.match(r"\w", name[-1]) else ""
    return f"{before}{re.escape(name)}{after}"
