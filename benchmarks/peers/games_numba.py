"""Agent games in numba, worlds on all cores: each in the form people write first, and tuned."""
# ruff: noqa: NPY002  (numba seeds threads of its own by the old functions alone)

import numpy as np
from numba import njit, prange

from benchmarks.peers.games_room import DECISION_RATE, MENU, make_room

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
LOW_WORD = np.uint64(0xFFFFFFFF)
EXPLORATION_BLOCK = 64
WORD = 4_294_967_296.0
LARGEST_WORD = 4_294_967_040.0
GROUP_SHIFT, SQUARE_SHIFT, PRIORITY_SHIFT = 57, 41, 14
"""Where a key of an agent has its group, squared distance, priority; its number is below."""
PRIORITY_BITS = SQUARE_SHIFT - PRIORITY_SHIFT
MOST_AGENTS = 1 << PRIORITY_SHIFT


@njit(inline="always")
def mixed(word):
    """Return the finaliser of splitmix64 of a 64-bit word."""
    word = (word ^ (word >> np.uint64(30))) * FACTORS[0]
    word = (word ^ (word >> np.uint64(27))) * FACTORS[1]
    return word ^ (word >> np.uint64(31))


# --- evacuation ---------------------------------------------------------------------------------


def evacuate(seed, num_agents, num_worlds, num_steps, scale=1):
    """Leave the room in many worlds, tuned: see `_tuned_world`.

    Args:
        seed: Of the random numbers.
        num_agents: How many agents.
        num_worlds: How many worlds.
        num_steps: How many steps.
        scale: Of the room.

    Returns:
        Cumulative number of those who left, by world and step; agents inside, summed over steps.

    Raises:
        ValueError: If there are more agents than a key can number.
    """
    if num_agents > MOST_AGENTS:
        raise ValueError(f"num_agents is {num_agents}; needed are at most {MOST_AGENTS}")
    room = make_room(scale)
    numbers = num_agents, num_worlds, num_steps
    return _tuned_worlds(np.uint64(seed), *numbers, (*_tables(room), room.ways))


def _tables(room):
    """What both forms know of a room."""
    return (
        room.is_walkable,
        room.is_exit,
        room.floor,
        room.exit_cells,
        room.aim,
        room.middle,
        room.squares,
    )


@njit(parallel=True)
def _tuned_worlds(seed, num_agents, num_worlds, num_steps, tables):
    escaped = np.zeros((num_worlds, num_steps), np.int32)
    lives = np.zeros(num_worlds, np.int64)
    for world in prange(num_worlds):
        start = mixed(seed + np.uint64(world + 1) * GOLDEN)
        lives[world] = _tuned_world(start, num_agents, num_steps, tables, escaped[world])
    return escaped, lives.sum()


@njit(nogil=True)
def _tuned_world(state, num_agents, num_steps, tables, escaped):
    """Leave the room in one world.

    One integer orders the agents: group, squared distance, random priority, number. They are kept
    in that order by an insertion sort in the pass that removes leavers, draws who decides anew,
    and finds the first of each group in the shuffled list, whose order is that of priorities.
    """
    is_walkable, exit_cells, middle, ways = tables[0], tables[3], tables[5], tables[7]
    occupied = np.where(is_walkable, np.uint8(0), np.uint8(1))
    positions = np.empty(num_agents, np.int32)
    keys = np.arange(num_agents)
    state = _place(state, tables[2].copy(), positions, occupied)
    num_groups = exit_cells.size
    firsts = np.empty(num_groups, np.int64)
    sizes = np.empty(num_groups, np.int64)
    ranked = np.empty(num_groups, np.int64)
    starts = np.empty(num_groups, np.int64)
    num_inside, live = num_agents, 0
    for step in range(num_steps):
        state, num_inside = _sort_people(
            state, step == 0, num_inside, tables, positions, occupied, keys, firsts, sizes
        )
        live += num_inside
        _rank_groups(firsts, sizes, ranked, starts)
        for rank in range(num_groups):
            group = ranked[rank]
            goal = exit_cells[group] + middle
            for place in range(starts[group], starts[group] + sizes[group]):
                agent = keys[place] & (MOST_AGENTS - 1)
                cell = positions[agent]
                occupied[cell] = 0
                way, index = ways[goal - cell], 0
                while occupied[cell + way[index]]:
                    index += 1
                cell += way[index]
                occupied[cell] = 1
                positions[agent] = cell
        escaped[step] = num_agents - num_inside
    return live


@njit(inline="always")
def _place(state, cells, positions, occupied):
    """Put everybody on a cell of its own; return the state of the random numbers."""
    for agent in range(positions.size):
        state += GOLDEN
        left = np.uint64(cells.size - agent)
        other = agent + np.int64(((mixed(state) >> np.uint64(32)) * left) >> np.uint64(32))
        cells[agent], cells[other] = cells[other], cells[agent]
        positions[agent] = cells[agent]
        occupied[cells[agent]] = 1
    return state


@njit(inline="always")
def _sort_people(state, is_first, num_inside, tables, positions, occupied, keys, firsts, sizes):
    """Remove leavers, let some decide anew, sort; return state and number of those inside."""
    is_exit, exit_cells, aim, middle, squares = (
        tables[1],
        tables[3],
        tables[4],
        tables[5],
        tables[6],
    )
    rate = np.uint64(WORD if is_first else DECISION_RATE * WORD)
    firsts[:] = 1 << PRIORITY_BITS
    sizes[:] = 0
    count = 0
    for place in range(num_inside):
        agent = keys[place] & (MOST_AGENTS - 1)
        cell = positions[agent]
        if is_exit[cell]:
            occupied[cell] = 0
            continue
        state += GOLDEN
        word = mixed(state)
        group = keys[place] >> GROUP_SHIFT
        if (word & LOW_WORD) < rate:
            group = np.int64(aim[cell])
        priority = np.int64(word >> np.uint64(64 - PRIORITY_BITS))
        firsts[group] = min(firsts[group], priority)
        sizes[group] += 1
        square = np.int64(squares[exit_cells[group] - cell + middle])
        key = (group << GROUP_SHIFT) | (square << SQUARE_SHIFT)
        key |= (priority << PRIORITY_SHIFT) | agent
        hole = count
        while not is_first and hole > 0 and keys[hole - 1] > key:
            keys[hole] = keys[hole - 1]
            hole -= 1
        keys[hole] = key
        count += 1
    if is_first:
        keys.sort()
    return state, count


@njit(inline="always")
def _rank_groups(firsts, sizes, ranked, starts):
    """Order groups by their first member; find where each begins among the sorted agents."""
    total = 0
    for group in range(firsts.size):
        starts[group] = total
        total += sizes[group]
        hole = group
        while hole > 0 and firsts[ranked[hole - 1]] > firsts[group]:
            ranked[hole] = ranked[hole - 1]
            hole -= 1
        ranked[hole] = group


def evacuate_plainly(seed, num_agents, num_worlds, num_steps, scale=1):
    """Leave the room in many worlds, as people write it first: see `evacuate`."""
    room = make_room(scale)
    steps = np.array(MENU) @ np.array([room.stride, 1])
    return _plain_worlds(seed, num_agents, num_worlds, num_steps, (*_tables(room), steps))


@njit(parallel=True)
def _plain_worlds(seed, num_agents, num_worlds, num_steps, tables):
    escaped = np.zeros((num_worlds, num_steps), np.int32)
    lives = np.zeros(num_worlds, np.int64)
    for world in prange(num_worlds):
        lives[world] = _plain_world(seed + world, num_agents, num_steps, tables, escaped[world])
    return escaped, lives.sum()


@njit(nogil=True)
def _plain_world(seed, num_agents, num_steps, tables, escaped):
    """Leave the room in one world: shuffle, sort, look at all nine cells."""
    is_walkable, is_exit, floor, exit_cells, aim, middle, squares, steps = tables
    np.random.seed(seed)
    positions = np.random.permutation(floor)[:num_agents]
    is_free = is_walkable.copy()
    is_free[positions] = False
    groups = np.zeros(num_agents, np.int64)
    inside = np.arange(num_agents)
    farthest = squares.max() + 1
    live = 0
    for step in range(num_steps):
        is_free[positions[inside[is_exit[positions[inside]]]]] = True
        inside = np.random.permutation(inside[~is_exit[positions[inside]]])
        live += inside.size
        ranks = np.full(exit_cells.size, -1)
        num_ranks = 0
        keys = np.empty(inside.size, np.int64)
        for place in range(inside.size):
            agent = inside[place]
            cell = positions[agent]
            if step == 0 or np.random.random() < DECISION_RATE:
                groups[agent] = aim[cell]
            group = groups[agent]
            if ranks[group] < 0:
                ranks[group] = num_ranks
                num_ranks += 1
            square = squares[exit_cells[group] - cell + middle]
            keys[place] = (ranks[group] * farthest + square) * num_agents + place
        for key in np.sort(keys):
            agent = inside[key % num_agents]
            cell = positions[agent]
            goal = exit_cells[groups[agent]] + middle
            best = cell
            for move in steps:
                there = cell + move
                if is_free[there] and squares[goal - there] < squares[goal - best]:
                    best = there
            is_free[cell] = True
            is_free[best] = False
            positions[agent] = best
        escaped[step] = num_agents - inside.size
    return live


# --- pricing by Q-learning ----------------------------------------------------------------------


def q_sessions(seed, market, num_worlds, num_periods):
    """Learn prices in many worlds, tuned: see `tuned_session`.

    Args:
        seed: Of the random numbers.
        market: As `games_numpy.Market`.
        num_worlds: How many worlds.
        num_periods: Periods of each.

    Returns:
        Greedy prices `(world, firm, state)`, and last states.
    """
    return _tuned_sessions(np.uint64(seed), num_worlds, num_periods, numbers_of(market))


def q_sessions_plainly(seed, market, num_worlds, num_periods):
    """Learn prices in many worlds, as people write it first: see `q_sessions`."""
    return _plain_sessions(seed, num_worlds, num_periods, numbers_of(market))


def numbers_of(market):
    """Return payoffs, first values, alpha, delta and beta of a market, in single precision."""
    numbers = market.learning_rate, market.discount, market.decay
    return (market.payoffs, market.initial_values, *(np.float32(x) for x in numbers))


@njit(parallel=True)
def _tuned_sessions(seed, num_worlds, num_periods, numbers):
    num_prices = numbers[1].size
    greedy = np.empty((num_worlds, 2, num_prices**2), np.uint8)
    states = np.empty(num_worlds, np.int64)
    for world in prange(num_worlds):
        start = mixed(seed + np.uint64(world + 1) * GOLDEN)
        values = np.empty((2, num_prices**2 * (num_prices + 1)), np.float32)
        states[world] = tuned_session(start, num_periods, numbers, values, greedy[world])
    return greedy, states


@njit(nogil=True)
def tuned_session(state, num_periods, numbers, values, greedy):
    """Learn prices in one world.

    Greedy prices are kept, and in each row of a table a bound that only the greedy value exceeds:
    a row is searched only where its greedy value has fallen below. A word decides for both firms.

    Args:
        state: Of the random numbers, a 64-bit word.
        num_periods: How many periods.
        numbers: As `numbers_of`.
        values: `(firm, row of each state and its bound)`, written.
        greedy: `(firm, state)`, written.

    Returns:
        The last state.
    """
    payoffs, initial, learning_rate, discount, decay = numbers
    num_prices = initial.size
    stride = num_prices + 1
    best, bound = _best_two(initial, 0, num_prices)
    for firm in range(2):
        for row in range(num_prices**2):
            values[firm, row * stride : row * stride + num_prices] = initial
            values[firm, row * stride + num_prices] = bound
    greedy[:] = best
    actions = np.empty(2, np.int64)
    words = np.empty(2, np.uint32)
    state += GOLDEN
    here = np.int64(mixed(state) % np.uint64(num_prices**2))
    threshold, scale = np.uint32(0), np.float32(0)
    for period in range(num_periods):
        if period % EXPLORATION_BLOCK == 0:
            rate = np.exp(-decay * np.float32(period))
            threshold = np.uint32(min(rate * WORD, LARGEST_WORD))
            scale = np.float32(num_prices / max(threshold, 1.0))
        state += GOLDEN
        word = mixed(state)
        words[0], words[1] = np.uint32(word), np.uint32(word >> np.uint64(32))
        for firm in range(2):
            actions[firm] = greedy[firm, here]
            if words[firm] < threshold:
                drawn = np.int64(np.float32(words[firm]) * scale)
                actions[firm] = min(drawn, num_prices - 1)
        there = actions[0] * num_prices + actions[1]
        for firm in range(2):
            table, row, action = values[firm], here * stride, actions[firm]
            paid = payoffs[action, actions[1 - firm]]
            target = paid + discount * table[there * stride + greedy[firm, there]]
            old = table[row + action]
            new = (np.float32(1) - learning_rate) * old + learning_rate * target
            table[row + action] = new
            best, bound = greedy[firm, here], table[row + num_prices]
            if action != best:
                top = table[row + best]
                if new > top or (new == top and action < best):
                    greedy[firm, here] = action
                    table[row + num_prices] = top
                elif new > bound:
                    table[row + num_prices] = new
            elif new < bound and new < old:
                best, bound = _best_two(table, row, num_prices)
                greedy[firm, here] = best
                table[row + num_prices] = bound
        here = there
    return here


@njit(inline="always")
def _best_two(table, row, num_prices):
    """Return the index of the largest value of a row, and the largest of the others."""
    best, bound = 0, np.float32(-np.inf)
    for action in range(1, num_prices):
        if table[row + action] > table[row + best]:
            bound = table[row + best]
            best = action
        elif table[row + action] > bound:
            bound = table[row + action]
    return best, bound


@njit(parallel=True)
def _plain_sessions(seed, num_worlds, num_periods, numbers):
    greedy = np.empty((num_worlds, 2, numbers[1].size ** 2), np.uint8)
    states = np.empty(num_worlds, np.int64)
    for world in prange(num_worlds):
        states[world] = _plain_session(seed + world, num_periods, numbers, greedy[world])
    return greedy, states


@njit(nogil=True)
def _plain_session(seed, num_periods, numbers, greedy):
    """Learn prices in one world: the best of a row is looked for whenever it is needed."""
    payoffs, initial, learning_rate, discount, decay = numbers
    np.random.seed(seed)
    num_prices = initial.size
    values = np.empty((2, num_prices**2, num_prices), np.float32)
    values[:] = initial
    actions = np.empty(2, np.int64)
    here = np.random.randint(num_prices**2)
    for period in range(num_periods):
        rate = np.exp(-decay * period)
        for firm in range(2):
            if np.random.random() < rate:
                actions[firm] = np.random.randint(num_prices)
            else:
                actions[firm] = values[firm, here].argmax()
        there = actions[0] * num_prices + actions[1]
        for firm in range(2):
            own = actions[firm]
            target = payoffs[own, actions[1 - firm]] + discount * values[firm, there].max()
            old = values[firm, here, own]
            values[firm, here, own] = (1 - learning_rate) * old + learning_rate * target
        here = there
    for firm in range(2):
        for state in range(num_prices**2):
            greedy[firm, state] = values[firm, state].argmax()
    return here
