"""Agent games in NumPy, all worlds at once in its best idiom; and the markets of all peers."""

from dataclasses import dataclass

import numpy as np

from benchmarks.peers.games_room import DECISION_RATE, MENU, make_room

BLOCK = 64
"""Periods whose random numbers are drawn at once, and between two rates of exploration."""


# --- pricing by Q-learning ----------------------------------------------------------------------


@dataclass(frozen=True)
class Market:
    """Two firms that learn prices, as Calvano et al. (2020) have them.

    Attributes:
        payoffs: Profit by own and by the rival's price, float32.
        initial_values: By own price, float32.
        competitive: Profit of each firm at the competitive prices.
        collusive: The same at the collusive prices.
        learning_rate: Alpha.
        discount: Delta.
        decay: Beta.
    """

    payoffs: np.ndarray
    initial_values: np.ndarray
    competitive: float
    collusive: float
    learning_rate: float = 0.15
    discount: float = 0.95
    decay: float = 4e-6


COMPETITIVE_PRICE, COLLUSIVE_PRICE = 1.47292666, 1.92498092
NUM_PRICES = 15
MARGIN = 0.1


def make_market(decay=Market.decay, discount=Market.discount):
    """Return the baseline market with a decay of exploration and a discount factor."""
    competitive, collusive = (_profits(p, p) for p in (COMPETITIVE_PRICE, COLLUSIVE_PRICE))
    extra = MARGIN * (COLLUSIVE_PRICE - COMPETITIVE_PRICE)
    prices = np.linspace(COMPETITIVE_PRICE - extra, COLLUSIVE_PRICE + extra, NUM_PRICES)
    payoffs = _profits(prices[:, None], prices[None])
    initial = payoffs.mean(axis=1) / (1 - discount)
    return Market(
        payoffs.astype(np.float32),
        initial.astype(np.float32),
        competitive,
        collusive,
        discount=discount,
        decay=decay,
    )


def _profits(own, rival):
    """Profit under logit demand with an outside good: a = 2, mu = 1/4, c = 1."""
    own_weight, rival_weight = np.exp((2 - own) / 0.25), np.exp((2 - rival) / 0.25)
    return (own - 1) * own_weight / (own_weight + rival_weight + 1)


def q_sessions(generator, market, num_worlds, num_periods):
    """Learn prices in many worlds, all of them in step.

    The rows that a period reads of the tables serve the next period too, after the one number
    that may have changed in them.

    Args:
        generator: Of random numbers.
        market: As `Market`.
        num_worlds: How many worlds.
        num_periods: Periods of each.

    Returns:
        Greedy prices `(world, firm, state)`, and last states.
    """
    num_prices = market.initial_values.size
    tables = np.tile(market.initial_values, (num_worlds, 2, num_prices**2, 1))
    worlds, firms = np.arange(num_worlds)[:, None], np.arange(2)[None]
    here = generator.integers(num_prices**2, size=num_worlds)
    rows = tables[worlds, firms, here[:, None]]
    for start in range(0, num_periods, BLOCK):
        shape = min(BLOCK, num_periods - start), num_worlds, 2
        rate = np.exp(-market.decay * np.arange(start, start + shape[0]))
        is_random = generator.random(shape, np.float32) < rate[:, None, None]
        drawn = generator.integers(num_prices, size=shape, dtype=np.int64)
        for random, other in zip(is_random, drawn, strict=True):
            actions = np.where(random, other, rows.argmax(axis=2))
            there = actions[:, 0] * num_prices + actions[:, 1]
            following = tables[worlds, firms, there[:, None]]
            paid = market.payoffs[actions, actions[:, ::-1]]
            target = paid + np.float32(market.discount) * following.max(axis=2)
            old = rows[worlds, firms, actions]
            new = old + np.float32(market.learning_rate) * (target - old)
            tables[worlds, firms, here[:, None], actions] = new
            same = np.flatnonzero(here == there)
            following[same[:, None], firms, actions[same]] = new[same]
            rows, here = following, there
    return tables.argmax(axis=3).astype(np.uint8), here


def collusion_indices(market, greedy, states):
    """Return Delta of each world: how collusive profits are on the cycle of greedy play.

    Args:
        market: As `Market`.
        greedy: Greedy prices `(world, firm, state)`.
        states: A state of each world.
    """
    num_prices = market.initial_values.size
    greedy = np.asarray(greedy).astype(np.int64)
    following = greedy[:, 0] * num_prices + greedy[:, 1]
    own, rival = np.divmod(np.arange(num_prices**2), num_prices)
    profits = (market.payoffs[own, rival] + market.payoffs[rival, own]) / 2
    found = []
    for world, state in zip(following, np.asarray(states), strict=True):
        path = {}
        while state not in path:
            path[state] = len(path)
            state = world[state]
        cycle = list(path)[path[state] :]
        found.append(profits[cycle].mean())
    return (np.array(found) - market.competitive) / (market.collusive - market.competitive)


# --- the beauty contest -------------------------------------------------------------------------


def beauty_contests(generator, num_worlds, num_rounds, num_players=24, weight=0.65):
    """Guess two thirds of the mean in many worlds, with talk: all tell, some adopt the median.

    Args:
        generator: Of random numbers.
        num_worlds: How many worlds.
        num_rounds: How many rounds.
        num_players: How many players.
        weight: Probability of adopting the median.

    Returns:
        By world and round: variance of choices, mean, target, and number of winners.
    """
    shape = num_worlds, num_players
    steps = generator.poisson(1.0, shape)
    choices = np.float32(50) * np.float32(2 / 3) ** steps.astype(np.float32)
    choices += 3 * generator.standard_normal(shape, np.float32)
    rounds = []
    for index in range(num_rounds):
        if index:
            median = np.median(choices, axis=1, keepdims=True)
            choices = np.where(generator.random(shape, np.float32) < weight, median, choices)
        mean = choices.mean(axis=1)
        target = mean * np.float32(2 / 3)
        distance = np.abs(choices - target[:, None])
        winners = (distance == distance.min(axis=1, keepdims=True)).sum(axis=1)
        rounds.append((choices.var(axis=1), mean, target, winners))
    return [np.stack(values, axis=1) for values in zip(*rounds, strict=True)]


# --- price competition --------------------------------------------------------------------------

INTERCEPT, OWN_SLOPE, CROSS_SLOPE, COST = 14.0, 1 / 150, 1 / 300, 2.0
COMPETITIVE_PROFIT, COLLUSIVE_PROFIT = 3_200.0, 3_600.0


def best_replies(starts, num_rounds):
    """Set prices in many worlds, each the best reply to the rival's last one.

    Args:
        starts: Prices of the first round `(world, firm)`.
        num_rounds: How many rounds.

    Returns:
        By world and round: mean price, mean profit, Delta, spread of prices.
    """
    prices, rounds = starts, []
    for index in range(num_rounds):
        if index:
            prices = _best_prices(prices[:, ::-1])
        profits = (prices - np.float32(COST)) * _quantities(prices)
        mean = profits.mean(axis=1)
        delta = (mean - COMPETITIVE_PROFIT) / (COLLUSIVE_PROFIT - COMPETITIVE_PROFIT)
        spread = np.abs(prices[:, 0] - prices[:, 1])
        rounds.append((prices.mean(axis=1), mean, delta.astype(np.float32), spread))
    return [np.stack(values, axis=1) for values in zip(*rounds, strict=True)]


def _quantities(prices):
    """Demand of both firms; the dear one of two sells nothing where it would sell less."""
    a, own, cross = (np.float32(x) for x in (INTERCEPT, OWN_SLOPE, CROSS_SLOPE))
    rivals = prices[:, ::-1]
    inner = (a * (own - cross) - own * prices + cross * rivals) / (own**2 - cross**2)
    alone = np.where(prices < rivals, np.maximum((a - prices) / own, 0), 0)
    return np.where((inner >= 0).all(axis=1, keepdims=True), inner, alone)


def _best_prices(rivals):
    """Best price against the rival's: inside, at the limit that shuts it out, or alone."""
    a, own, cross = (np.float32(x) for x in (INTERCEPT, OWN_SLOPE, CROSS_SLOPE))
    cost = np.float32(COST)
    alone = (a + cost) / 2
    inner = (a * (own - cross) + cross * rivals + own * cost) / (2 * own)
    limit = a - (own / cross) * (a - rivals)
    both = np.maximum(np.maximum(inner, limit), cost)
    return np.where((rivals >= a) | (alone <= limit), alone, both)


# --- evacuation, by definition ------------------------------------------------------------------


def evacuate_by_definition(generator, num_agents, num_steps, scale=1):
    """Leave the room in one world, word by word as the rule says; what others are held to.

    Args:
        generator: Of random numbers.
        num_agents: How many agents.
        num_steps: How many steps.
        scale: Of the room.

    Returns:
        Cumulative number of those who left, by step.
    """
    room = make_room(scale)
    exits = [divmod(int(cell), room.stride) for cell in room.exit_cells]
    floor = [divmod(int(cell), room.stride) for cell in room.floor]
    chosen = generator.permutation(len(floor))[:num_agents]
    places = {agent: floor[place] for agent, place in enumerate(chosen)}
    taken, walkable, goals, curve = set(places.values()), {*floor, *exits}, {}, []
    for _ in range(num_steps):
        leaving = [agent for agent, place in places.items() if place in exits]
        for agent in leaving:
            taken.discard(places.pop(agent))
        groups = {}
        for agent in generator.permutation(list(places)).tolist():
            row, column = places[agent]
            if agent not in goals or generator.random() < DECISION_RATE:
                goals[agent] = exits[room.aim[row * room.stride + column]]
            groups.setdefault(goals[agent], []).append(agent)
        for goal, members in groups.items():
            for agent in sorted(members, key=lambda agent: _square(places[agent], goal)):
                here = places[agent]
                taken.discard(here)
                near = [(here[0] + row, here[1] + column) for row, column in MENU]
                free = [cell for cell in near if cell in walkable and cell not in taken]
                places[agent] = min(free, key=lambda cell: _square(cell, goal))
                taken.add(places[agent])
        curve.append(num_agents - len(places))
    return np.array(curve)


def _square(cell, goal):
    return (cell[0] - goal[0]) ** 2 + (cell[1] - goal[1]) ** 2
