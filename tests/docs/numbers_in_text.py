"""Compares printed text: words exactly, numbers to the digits that machines share."""

import doctest
import math
import re

RELATIVE, ABSOLUTE = 1e-4, 1e-5
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?|[-+]?\.\d+")


def same_text(expected, got):
    """True where two texts differ in spaces and in the last digits of numbers only.

    An ellipsis at the end of the expected text stands for anything.
    """
    if expected.rstrip().endswith("..."):
        expected = expected.rstrip()[:-3]
        got = " ".join(got.split())[: len(" ".join(expected.split()))]
    if _words(expected) != _words(got):
        return False
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(got), strict=True)
    return all(
        math.isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=ABSOLUTE) for a, b in pairs
    )


def _words(text):
    return "".join(NUMBER.sub("#", text).split())


class Checker(doctest.OutputChecker):
    """`same_text` for doctest."""

    def check_output(self, want, got, optionflags):
        return same_text(want, got)
