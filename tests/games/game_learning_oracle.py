"""Q-learning firms in plain NumPy: tables searched in every period, one session at a time."""

import itertools

import numpy as np

U32, F32 = np.uint32, np.float32
GOLDEN = U32(0x9E3779B9)


def mix(word):
    """lowbias32 of C. Wellons."""
    word = np.asarray(word, U32)
    word = word ^ (word >> U32(16))
    word = word * U32(0x7FEB352D)
    word = word ^ (word >> U32(15))
    word = word * U32(0x846CA68B)
    return word ^ (word >> U32(16))


def random_words(seed, num_periods, num_agents):
    """Word of each firm in each period."""
    shared = mix(np.arange(num_periods, dtype=U32) + seed[0])
    steps = np.arange(num_agents, dtype=U32) * GOLDEN
    return mix(shared[:, None] ^ (steps + seed[1])[None])


def logit_profits(prices, costs, *, quality=2.0, scale=0.25):
    """Profits of all firms at one price each, outside good of quality 0."""
    weights = np.exp((quality - prices) / scale)
    return (prices - costs) * weights / (weights.sum() + 1)


def payoff_table(grids, costs):
    """Profits by firm and combination of price indices, in the order of itertools.product."""
    played = [
        np.array([grid[a] for grid, a in zip(grids, actions, strict=True)])
        for actions in itertools.product(*(range(len(grid)) for grid in grids))
    ]
    return np.stack([logit_profits(prices, costs) for prices in played], axis=1)


def first_values(payoffs, discount, num_prices):
    """Mean over all plays of rivals, by enumeration."""
    num_agents = len(payoffs)
    combinations = list(itertools.product(range(num_prices), repeat=num_agents))
    values = np.zeros((num_agents, num_prices))
    for firm, price in itertools.product(range(num_agents), range(num_prices)):
        paid = [
            payoffs[firm][s] for s, actions in enumerate(combinations) if actions[firm] == price
        ]
        values[firm, price] = np.mean(paid) / (1 - discount)
    return values


def session(values, payoffs, state, words, rates, *, rate, discount, patience):
    """Plays as many periods as there are words, or until nothing changed for `patience` periods.

    Args:
        values: (agent, state, price), changed in place.
        payoffs: (agent, state).
        state: the first.
        words: (period, agent).
        rates: threshold and scale (float32) of exploration for each block of 64 periods.
        rate, discount: numbers of the rule, of the type of the values.
        patience: periods.

    Returns:
        Last state, periods played, period of the last change (the count of periods then).
    """
    num_agents, _, num_prices = values.shape
    last_change = period = 0
    while period < len(words) and period - last_change < patience:
        threshold, scale = rates[0][period // 64], rates[1][period // 64]
        actions = []
        for i in range(num_agents):
            word = words[period, i]
            drawn = min(int(word.astype(F32) * scale * F32(num_prices)), num_prices - 1)
            greedy = int(np.argmax(values[i, state]))
            actions.append(drawn if word < threshold else greedy)
        following = 0
        for action in actions:
            following = following * num_prices + action
        best = [values[i, following].max() for i in range(num_agents)]
        period += 1
        for i, action in enumerate(actions):
            before = np.argmax(values[i, state])
            target = payoffs[i, following] + discount * best[i]
            values[i, state, action] = (1 - rate) * values[i, state, action] + rate * target
            if np.argmax(values[i, state]) != before:
                last_change = period
        state = following
    return state, period, last_change


def cycle(strategies, state, num_prices):
    """States of the cycle that greedy play enters, and the periods before it."""
    seen, path = {}, []
    while state not in seen:
        seen[state] = len(path)
        path.append(state)
        following = 0
        for price in strategies[:, state]:
            following = following * num_prices + int(price)
        state = following
    return path[seen[state] :], seen[state]
