"""The one table of tolerances, each with the reason why it is no smaller."""


class Tolerance(float):
    """A number with the reason for it.

    Attributes:
        reason: why the comparison cannot be, or need not be, tighter.
    """

    def __new__(cls, value: float, reason: str) -> "Tolerance":
        tolerance = super().__new__(cls, value)
        tolerance.reason = reason
        return tolerance


GOLDEN = Tolerance(1e-9, "asked for; the stored numbers have 15 digits, R's own rounding is 1e-13")
DEFINITION = Tolerance(1e-11, "float64 rounding of two orders of summation, n = 48, mild designs")
DERIVATIVE = Tolerance(1e-8, "central differences with step 1e-5: step² of truncation + eps / step")
REFIT = Tolerance(1e-10, "normal equations of the draw (condition < 1e3) against QR of the fit")
SAME_PROGRAM = Tolerance(1e-13, "one program at two batch widths: XLA may reorder a sum")
EXACT_ARITHMETIC = Tolerance(1e-12, "a handful of float64 operations in another order")
NEAR_COLLINEAR = Tolerance(1e-8, "condition 1e6 times float64 rounding, with a factor of 50")
SINGLE_FIT = Tolerance(1e-5, "documented error of float32 standard errors")
SINGLE_SUM = Tolerance(5e-7, "float32 rounding at each of the five levels of blocks at n = 1.7e7")
DOUBLE_SUM = Tolerance(2e-15, "ten roundings of float64 over the levels of the blocked sum")
QUADRATURE = Tolerance(1e-12, "documented accuracy of the discretised slope")
HOEFFDING = Tolerance(0.02, "n V converges like 1/sqrt(n); n = 40,000, 4 standard errors")
COVERAGE_SHORT = Tolerance(0.02, "asked for at 2,000 replicates: 4 binomial standard errors")
RATIO_SHORT = Tolerance(0.06, "asked for at 2,000 replicates: 4 standard errors of a deviation")
COVERAGE_LONG = Tolerance(0.012, "asked for at 20,000 replicates")
RATIO_LONG = Tolerance(0.03, "asked for at 20,000 replicates")
RATIO_BLOCKS = Tolerance(0.05, "asked for at 20,000 replicates for the two diagonal blocks")
