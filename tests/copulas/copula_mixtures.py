"""Pairs of three skew-t families as mixtures of normal pairs: an independent way to quadrants.

Given W and latent half-normals L each pair is bivariate normal, whose distribution function
scipy's Owen's T gives in closed form. Expectations over W and L are sums over plain grids.
"""

import numpy as np
from scipy.special import gammaln, ndtr, owens_t

NUM_NODES = 48


def normal_quadrant(x, y, rho):
    """`P(X <= x, Y <= y)` of a standard normal pair (Owen 1956)."""
    root = np.sqrt(1 - rho**2)
    x, y = (np.where(np.abs(v) < 1e-12, 1e-12, v) for v in (x, y))
    parts = owens_t(x, (y / x - rho) / root) + owens_t(y, (x / y - rho) / root)
    return 0.5 * (ndtr(x) + ndtr(y)) - parts - 0.5 * (x * y < 0)


def mixing(nu, num_nodes=240):
    """Nodes of `sqrt(W)` and weights; trapezoid in log W, which converges exponentially."""
    log_w = np.linspace(-30 / nu - 4, np.log(1 + 90 / nu) + 1, num_nodes)
    log_density = 0.5 * nu * (log_w + np.log(nu / 2) - np.exp(log_w)) - gammaln(nu / 2)
    return np.exp(0.5 * log_w), np.exp(log_density) * (log_w[1] - log_w[0])


def half_normal():
    nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
    places = 4.5 * (nodes + 1)
    return places, 4.5 * weights * np.sqrt(2 / np.pi) * np.exp(-0.5 * places**2)


def skew_t_quadrant(x, y, rho, first, second, nu):
    """Of Azzalini and Capitanio: `X | L, W ~ N(delta L / sqrt(W), (Omega - delta delta') / W)`."""
    root, weights = mixing(nu)
    latent, shares = half_normal()
    spread = np.sqrt(1 - first**2), np.sqrt(1 - second**2)
    a = (x * root[:, None] - first * latent) / spread[0]
    b = (y * root[:, None] - second * latent) / spread[1]
    return weights @ normal_quadrant(a, b, (rho - first * second) / np.prod(spread)) @ shares


def gh_quadrant(x, y, rho, first, second, nu, num_nodes=240):
    """Of Demarta and McNeil: `X | W ~ N(gamma / W, Omega / W)`."""
    root, weights = mixing(nu, num_nodes)
    return weights @ normal_quadrant(x * root - first / root, y * root - second / root, rho)


def sahu_quadrant(x, y, rho, first, second, nu):
    """Of Sahu, Dey and Branco: `X | L, W ~ N(D L / sqrt(W), Omega / W)` with two L."""
    root, weights = mixing(nu)
    latent, shares = half_normal()
    a = (x * root[:, None] - first * latent)[:, :, None]
    b = (y * root[:, None] - second * latent)[:, None, :]
    return np.einsum("w,wij,i,j", weights, normal_quadrant(a, b, rho), shares, shares)
