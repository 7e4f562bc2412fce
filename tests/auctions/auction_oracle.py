"""Auctions in plain NumPy, by their definitions: what the package is compared with."""

import itertools

import numpy as np
from scipy.integrate import quad


def linear(bids, probs, platform=None, reserve=0.0):
    weights, rows = _rows(bids, probs, platform, reserve)
    if weights.sum() == 0:
        return _nobody(probs, platform)
    return weights @ rows / weights.sum()


def log_linear(bids, probs, platform=None, reserve=0.0):
    weights, rows = _rows(bids, probs, platform, reserve)
    if weights.sum() == 0:
        return _nobody(probs, platform)
    positive = weights > 0
    product = np.prod(rows[positive] ** (weights[positive, None] / weights.sum()), axis=0)
    return product / product.sum()


def base_model(bids, probs, platform, temperature):
    product = platform.copy()
    for bid, row in zip(bids, probs, strict=True):
        product = product * (row / platform) ** (bid / temperature)
    return product / product.sum()


def without(rule, bids, agent):
    others = np.array(bids, float)
    others[agent] = 0
    return rule(others)


def distance(first, second):
    return 0.5 * np.abs(first - second).sum()


def divergence(first, second):
    positive = first > 0
    return float(np.sum(first[positive] * np.log(first[positive] / second[positive])))


def influence(rule, bids, agent, own_bid=None):
    changed = np.array(bids, float)
    if own_bid is not None:
        changed[agent] = own_bid
    return distance(rule(changed), without(rule, bids, agent))


def myerson(rule, bids, agent):
    """`b x(b) - integral of x`, the integral by adaptive quadrature on eighths of the bid."""
    edges = np.linspace(0, bids[agent], 9)
    total = sum(
        quad(lambda z: influence(rule, bids, agent, z), low, high, epsabs=1e-12, limit=200)[0]
        for low, high in itertools.pairwise(edges)
    )
    return bids[agent] * influence(rule, bids, agent) - total


def _rows(bids, probs, platform, reserve):
    bids, probs = np.asarray(bids, float), np.asarray(probs, float)
    if platform is None:
        return bids, probs
    return np.append(bids, reserve), np.vstack([probs, platform])


def _nobody(probs, platform):
    return np.mean(probs, axis=0) if platform is None else np.asarray(platform)
