"""One small call of every verb of games, for the rows of promises."""

import jax
import jax.numpy as jnp

from jaxpapers import games

KEY = jax.random.key(3)


def _arrays(tree):
    return jax.tree.leaves(tree)


ROOM = games.Room.from_text("""
    ######
    A....#
    #....B
    ######
""")
KEPT_STEPS = {"max_periods": 60, "patience": 20}


def _market(d):
    """Demand and costs of two firms that move with the data, inside corners."""
    costs = 1 + 0.5 * jnp.stack([d.weight, d.weight**2])
    return games.LinearDemand(10 + d.weight, 0.02, 0.01), costs


def _firms(d):
    """A game of two firms, and policies that learn from prices alone."""
    return games.Bertrand(*_market(d), num_exchanges=0, window=2), games.BestReply(5 + d.weight)


def _worlds(d, verb, **settings):
    return _arrays(verb(KEY, *_firms(d), num_rounds=3, num_worlds=6, **settings))


def _compared(key, game, policies, **settings):
    pair = (game, policies), (game, games.BestReply(4.0))
    return games.contrast(key, *pair, **settings).mean["profit"]


def _collected(key, game, policies, **settings):
    return games.collect(key, game, policies, report=lambda p: p.rewards, **settings)


def _averaged_profit(*setting, **settings):
    return games.replicate(*setting, **settings).mean["profit"]


def _learning_market(d):
    return games.QLearningMarket(decay=0.05 + d.weight / 100, num_prices=3)


def _sessions(d, **settings):
    return games.q_learning_sessions(
        KEY, _learning_market(d), num_sessions=6, **KEPT_STEPS, **settings
    )


def _begun(d):
    game, policies = _firms(d)
    return game, games.population(policies, 2)


def _greedy(d):
    """Strategies of two firms with three prices, and where they start."""
    tables = (d.whole[:18] % 3).reshape(2, 9)
    return tables, d.whole[18] % 9, games.price_grid(games.QLearningMarket(num_prices=3))


GAMES = {
    "play": lambda d: games.play(KEY, *_firms(d), num_rounds=3).rewards,
    "replicate": lambda d: _worlds(d, _averaged_profit, batch_size=3),
    "collect": lambda d: _worlds(d, _collected, batch_size=3),
    "contrast": lambda d: _worlds(d, _compared, batch_size=3),
    "sweep": lambda d: games.sweep(
        KEY,
        lambda start: (_firms(d)[0], games.BestReply(start)),
        {"start": [d.weight]},
        num_rounds=2,
        num_worlds=2,
    ),
    "play_round": lambda d: games.play_round(KEY, *_begun(d), *games.begin(KEY, *_begun(d)))[2][2],
    "begin": lambda d: _arrays(games.begin(KEY, *_begun(d))[0]),
    "equilibrium": lambda d: games.equilibrium(*_market(d)).prices,
    "cartel": lambda d: games.cartel(*_market(d)).profits,
    "best_response": lambda d: games.best_response(*_market(d), 6 + d.counts[:2] % 2),
    "collusion_index": lambda d: games.collusion_index(
        d.rows.T[:, :2], jnp.zeros(2), 1 + jnp.abs(d.parent[:2])
    ),
    "price_index": lambda d: games.price_index(
        d.rows.T[:, :2], jnp.zeros(2), 1 + jnp.abs(d.parent[:2])
    ),
    "price_spread": lambda d: games.price_spread(d.rows.T),
    "mean_collusion_index": lambda d: games.mean_collusion_index(
        d.rows.T, jnp.zeros(2), jnp.ones(2), num_last=3
    ),
    "block_means": lambda d: games.block_means(d.rows.T, size=5),
    "time_to_collusion": lambda d: games.time_to_collusion(jnp.abs(d.rows.T), jnp.ones(2)),
    "first_collusion": lambda d: games.first_collusion(jnp.abs(d.rows.T), jnp.ones(2)),
    "q_learning_sessions": lambda d: _sessions(d, batch_size=3).collusion_index,
    "mean_impulse_response": lambda d: _arrays(
        games.mean_impulse_response(_sessions(d, batch_size=3), num_periods=3)
    ),
    "impulse_response": lambda d: _arrays(games.impulse_response(*_greedy(d), num_periods=3)),
    "limit_cycle": lambda d: _arrays(games.limit_cycle(*_greedy(d))),
    "price_grid": lambda d: (
        games.price_grid(games.QLearningMarket(*_market(d), num_prices=3)).payoffs
    ),
    "winners": lambda d: games.winners(
        d.whole[:6], d.whole[:6] >= 0, jnp.asarray(2, jnp.int32), jnp.asarray(3, jnp.int32)
    ),
    "spread": lambda d: games.spread(d.child, d.child == d.child),
    "cone_counts": lambda d: games.cone_counts(
        ROOM, jnp.asarray(ROOM.is_walkable), jnp.asarray(ROOM.floor_cells)[d.whole[0] % 8]
    ),
    "crowd_counts": lambda d: games.crowd_counts(
        ROOM,
        jnp.asarray(ROOM.floor_cells)[d.whole[:4] % 8],
        d.whole[:4] >= 0,
        jnp.asarray(1, jnp.int32),
    ),
    "traits": lambda d: games.traits(d.child.shape[0]),
    "ewa_update": lambda d: games.ewa_update(
        d.child[:3], d.weight, d.parent[:3], d.whole[0] % 3, phi=0.9, delta=d.weight, rho=0.5
    ),
    "hierarchy_choices": lambda d: (
        games.hierarchy_choices(d.weight, 1 + d.weight, 50.0, num_levels=3, num_agents=5) / 50
    ),
    "logit_equilibrium": lambda d: (
        games.logit_equilibrium(
            lambda p: d.child[:3] * p, jnp.full(3, 1 / 3, d.child.dtype), precision=0.5
        ).probabilities
    ),
    "expected_payoffs": lambda d: games.expected_payoffs(
        games.BeautyContest(num_agents=3), jnp.arange(3), jax.nn.softmax(d.child[:3])
    ),
    "fehr_schmidt": lambda d: games.fehr_schmidt(d.child[:4], d.weight, 0.25),
}

GAMES_BY_MESH = {
    "replicate": lambda d, mesh: _worlds(d, _averaged_profit, batch_size=2, mesh=mesh),
    "collect": lambda d, mesh: _worlds(d, _collected, batch_size=2, mesh=mesh),
    "contrast": lambda d, mesh: _worlds(d, _compared, batch_size=2, mesh=mesh),
    "q_learning_sessions": lambda d, mesh: _sessions(d, batch_size=2, mesh=mesh).collusion_index,
}
