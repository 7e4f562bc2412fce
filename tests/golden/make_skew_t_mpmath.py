"""Writes skew_t_mpmath.json: the skew-t distribution by mpmath, from nothing but its density.

`python tests/golden/make_skew_t_mpmath.py` takes ten minutes on one core. Tails are integrals of
the density in `asinh(x)` at 45 digits, its Student-t factor an incomplete beta function;
derivatives are central differences of those integrals. All arguments are float32 numbers, so that
both precisions can be compared with the same truth.
"""

import itertools
import json
from pathlib import Path

import mpmath as mp
import numpy as np

DIGITS = 45
KEPT = 22
FREEDOMS = (2.05, 2.5, 4.0, 12.0, 100.0, 1e4)
SKEWNESSES = (-0.999, -0.9, -0.5, 0.0, 0.3, 0.75, 0.97, 0.999)
# Probability below x, or above it where negative; in turn over the grid.
LEVELS = (1e-20, -0.01, 0.3, 1e-5, -1e-9, 0.02, -0.3, -1e-20, 1e-12, 0.5, -1e-4)
# x, skewness, degrees of freedom: where R's sn fails, the origin, far tails.
EXTRA = (
    (-3.0, 0.99, 30.0),
    (0.0, 0.0, 5.0),
    (0.0, 0.999, 2.05),
    (0.0, -0.6, 1e4),
    (1e-3, 0.999, 8.0),
    (-1e9, -0.9, 2.05),
    (1e9, -0.999, 2.05),
    (-40.0, 0.25, 1e4),
)
SECOND = ((0.0, 0.0, 5.0), (0.0, 0.6, 5.0), (-1.5, 0.0, 4.0), (2.0, -0.75, 12.0), (-2.5, 0.9, 3.0))


def density(x, delta, nu):
    slant = delta / mp.sqrt(1 - delta**2)
    symmetric = mp.gammaprod([(nu + 1) / 2], [nu / 2]) / mp.sqrt(nu * mp.pi)
    symmetric *= (1 + x * x / nu) ** (-(nu + 1) / 2)
    return 2 * symmetric * student_cdf(slant * x * mp.sqrt((nu + 1) / (nu + x * x)), nu + 1)


def student_cdf(x, nu):
    tail = mp.betainc(nu / 2, mp.mpf(1) / 2, 0, nu / (nu + x * x), regularized=True) / 2
    return tail if x <= 0 else 1 - tail


def tail(x, delta, nu):
    """Probability below x, for x <= 0."""

    def integrand(y):
        return density(mp.sinh(y), delta, nu) * mp.cosh(y)

    end = mp.asinh(x)
    width = mp.mpf(1) / 64
    while integrand(end - width) > integrand(end) * mp.mpf(10) ** (3 - mp.mp.dps):
        width *= 1.5
    # mpmath stops on an absolute error, so the integrand has to be of order one.
    scale = integrand(end)
    return scale * mp.quad(lambda y: integrand(y) / scale, mp.linspace(end - width, end, 9))


def cdf(x, delta, nu):
    return tail(x, delta, nu) if x <= 0 else 1 - tail(-x, -delta, nu)


def sf(x, delta, nu):
    return cdf(-x, -delta, nu)


def place_of(level, delta, nu):
    """A number of three digits near the quantile."""
    if level < 0:
        return -place_of(-level, -delta, nu)
    low, high = mp.mpf(-60), mp.mpf(4)
    with mp.workdps(15):
        for _ in range(24):
            middle = (low + high) / 2
            is_below = cdf(mp.sinh(middle), delta, nu) < level
            low, high = (middle, high) if is_below else (low, middle)
    return float(np.float32(mp.nstr(mp.sinh(low), 3)))


def difference(function, point, order):
    """Central difference at a point, `order` the number of derivatives by each argument."""
    axes = [axis for axis, times in enumerate(order) for _ in range(times)]
    step = mp.mpf(10) ** (-10 if len(axes) > 1 else -14)
    total = mp.mpf(0)
    for signs in itertools.product((1, -1), repeat=len(axes)):
        moved = list(point)
        for axis, sign in zip(axes, signs, strict=True):
            moved[axis] += sign * step
        total += mp.mpf(int(np.prod(signs))) * function(*moved)
    return total / (2 * step) ** len(axes)


def log_cdf(x, delta, nu):
    return mp.log(cdf(x, delta, nu))


def first_orders():
    return {"x": (1, 0, 0), "delta": (0, 1, 0), "nu": (0, 0, 1)}


def record(place, skewness, freedom):
    """Values and first derivatives at one point."""
    point = [mp.mpf(float(np.float32(number))) for number in (place, skewness, freedom)]
    is_lower = cdf(*point) < 0.5
    small = cdf if is_lower else sf
    found = {"cdf": cdf(*point), "sf": sf(*point), "pdf": density(*point)}
    for name in ("delta", "nu"):
        slope = difference(small, point, first_orders()[name])
        found[f"cdf_by_{name}"] = slope if is_lower else -slope
    for name, order in first_orders().items():
        found[f"logpdf_by_{name}"] = difference(
            lambda *moved: mp.log(density(*moved)), point, order
        )
    given = dict(zip(("x", "delta", "nu"), map(float, point), strict=True))
    return given | {name: mp.nstr(value, KEPT) for name, value in found.items()}


def second_record(place, skewness, freedom):
    """Hessian of `log F` at one point."""
    point = [mp.mpf(float(np.float32(number))) for number in (place, skewness, freedom)]
    orders = list(first_orders().values())
    hessian = [
        [mp.nstr(difference(log_cdf, point, np.add(row, column)), KEPT) for column in orders]
        for row in orders
    ]
    return {"point": list(map(float, point)), "hessian": hessian}


def main():
    mp.mp.dps = DIGITS
    grid = itertools.product(FREEDOMS, SKEWNESSES)
    points = [
        (place_of(LEVELS[number % len(LEVELS)], delta, nu), delta, nu)
        for number, (nu, delta) in enumerate(grid)
    ]
    table = {
        "points": [record(*point) for point in (*points, *EXTRA)],
        "second": [second_record(*point) for point in SECOND],
    }
    text = json.dumps(table, indent=1)
    Path(__file__).with_name("skew_t_mpmath.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
