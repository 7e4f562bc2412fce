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
TABLE_BULK = Tolerance(5e-7, "cubic Hermite of knots 1/16 apart: 3e-7 measured within |z| < 3.4")
TABLE_TAILS = Tolerance(1e-5, "the same up to |z| = 6, where quantiles bend most: 6e-6 measured")
LOG_POSTERIOR = Tolerance(1e-3, "asked for; 3e-5 measured, the table's error of every value")
LOG_POSTERIOR_GRADIENT = Tolerance(5e-6, "asked for, relative to the gradient's length")
DATA_SLOPES = Tolerance(2e-5, "slopes by 1 / f against those of the interpolated table: 6e-6")
LOG_POSTERIOR_SINGLE = Tolerance(5e-2, "float32 sums of 1,200 terms and table of 6e-8 relative")
VI_MEANS = Tolerance(0.15, "asked for, in posterior standard deviations; .05-.1 measured")
CHAIN_MEANS = Tolerance(0.25, "800 draws, about 300 effective: 4.5 standard errors of a mean")
LOG_SCORE = Tolerance(1e-4, "table error of a few quantiles of one row, times the slope of log c")
CDF = Tolerance(4e-13, "documented; the quadrature's error at nu = 2.05 and x near 0 is 3e-13")
CDF_TAIL = Tolerance(1e-10, "asked for down to 1e-20; 3e-13 measured on either side of x = 0")
CDF_SINGLE = Tolerance(3e-7, "documented float32 rounding of a few terms and of 96 summed")
CDF_TAIL_SINGLE = Tolerance(2e-5, "documented: float32 rounding of a logarithm of up to 46")
LOG_DENSITY = Tolerance(3e-14, "documented, times 1 + |value|: log Gamma's and a quadrature's")
LOG_DENSITY_SINGLE = Tolerance(7e-7, "the same in float32")
QUANTILE = Tolerance(1e-10, "asked for, times max(|x|, .01); 8e-11 measured at nu = 2.05")
QUANTILE_SINGLE = Tolerance(2e-4, "documented, the same in float32: near 0 it is 1e-6 absolute")
SLOPE = Tolerance(1e-8, "asked for derivatives, times max(|value|, 1e-3)")
SLOPE_SINGLE = Tolerance(3e-5, "float32 rounding of a logarithm of up to 46, of both factors")
CURVATURE = Tolerance(5e-7, "central differences of first derivatives: 2e-7 measured, their steps")
CURVATURE_SINGLE = Tolerance(1e-4, "2e-5 measured on second derivatives in float32")
QUADRANT = Tolerance(1e-12, "documented; rounding of 48 nodes, each of them a quadrature")
NEAR_SINGULAR_QUADRANT = Tolerance(1e-9, "documented where the three correlations are singular")
QUADRANT_PROBABILITY = Tolerance(
    1e-6, "documented 1e-8 of a quadrant over a level of .1, and scipy's own"
)
COPULA_DENSITY = Tolerance(1e-7, "quantiles of 1e-10 by Newton, times the slope of log c")
COPULA_CORNER = Tolerance(3e-6, "40-point rule over a corner and quadrants of 1e-8; GH 1e-7")
QUANTILE_DEPENDENCE = Tolerance(1e-7, "documented; the reference's grids over W and L are as good")
SERIES_QUADRANT = Tolerance(1e-7, "documented of the series at nu = 2.05, where it is worst")
SERIES = Tolerance(2e-8, "documented: a Chebyshev series of the power 2.05 at its end")
TAIL_LIMIT = Tolerance(1e-8, "24 nodes a panel: 2e-9 measured, the reference 1e-10")
RANK_CORRELATION = Tolerance(1e-4, "documented of the quadrature over the unit square")
COPULA_DERIVATIVE = Tolerance(1e-6, "central differences of sums of 6 values right to 1e-10")
COPULA_DENSITY_SINGLE = Tolerance(2e-3, "six float32 values of quantiles right to 2e-4")
CORNERS_SINGLE = Tolerance(1e-3, "documented in float32")
NEARLY_SINGULAR_SQUARE = Tolerance(1e-6, "float64 rounding of scaled loadings times exp(20)")
