"""Guessing games in plain NumPy and fractions, by their definitions."""

import itertools
from fractions import Fraction

import numpy as np


def winners(choices, share):
    """Who is closest to a share of the mean, in exact fractions."""
    target = share * Fraction(sum(int(x) for x in choices), len(choices))
    gaps = [abs(int(x) - target) for x in choices]
    return np.array([gap == min(gaps) for gap in gaps])


def payoffs(choices, share, rule, prize=100):
    """What each player gets."""
    is_winner = winners(choices, share)
    number = is_winner.sum()
    each = {
        "Independent": prize,
        "Amplified": prize * number,
        "Exclusive": prize if number == 1 else 0,
        "Split": prize / number,
    }[rule]
    return np.where(is_winner, each, 0)


def expected_payoffs(numbers, probabilities, num_agents, share, rule):
    """Of each choice of one player, over all profiles of the others."""
    expected = np.zeros(len(numbers))
    for others in itertools.product(range(len(numbers)), repeat=num_agents - 1):
        mass = np.prod(probabilities[list(others)])
        for own, number in enumerate(numbers):
            profile = [number, *(numbers[other] for other in others)]
            expected[own] += mass * payoffs(profile, share, rule)[0]
    return expected


def hierarchy(share, depth, start, num_levels, num_agents):
    """Choices of levels: each solves for the number that equals the expected target."""
    masses = [depth**k / np.prod(np.arange(1.0, k + 1)) for k in range(num_levels)]
    choices = [start]
    for level in range(1, num_levels):
        weights = np.array(masses[:level]) / sum(masses[:level])
        others = weights @ np.array(choices)
        # c - p c / n = p (n - 1) / n others
        matrix = np.array([[1 - share / num_agents]])
        right = np.array([share * (num_agents - 1) / num_agents * others])
        choices.append(np.linalg.solve(matrix, right)[0])
    return np.array(choices)


def talk_variances(rng, num_worlds, *, depth, noise, weight, num_agents=24, num_rounds=4):
    """Variance of numbers in each world and round of the model of talk."""
    shape = (num_worlds, num_agents)
    numbers = 50 * (2 / 3) ** rng.poisson(depth, shape) + noise * rng.standard_normal(shape)
    variances = [numbers.var(axis=1)]
    for _ in range(num_rounds - 1):
        medians = np.median(numbers, axis=1, keepdims=True)
        numbers = np.where(rng.random(shape) < weight, medians, numbers)
        variances.append(numbers.var(axis=1))
    return np.stack(variances, axis=1)
