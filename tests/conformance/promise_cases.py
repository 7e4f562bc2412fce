"""One small call of every verb with a row of promises: arrays in, arrays out.

A case is a function of a batch element `(child, parent)`, both `(40,)`, that runs the verb and
returns arrays. Verbs that take something else build it from the two.
"""

import jax
import jax.numpy as jnp

from jaxpapers import numerics, ranks

NUM_OBS = 40
MODEL = ranks.RankRegression(tie_weight=0.5)
KEY = jax.random.key(3)


def batch(num_samples=2):
    """Outcome and regressor with ties, one sample per row."""
    noise, regressor = jax.random.normal(jax.random.key(0), (2, num_samples, NUM_OBS))
    return jnp.round(0.5 * regressor + noise, 1), jnp.round(regressor, 1)


def _fit(child, parent):
    return ranks.fit(MODEL, child, parent)


def _groups(child):
    return jnp.arange(child.shape[0], dtype=jnp.int32) % 2


def _grouped(child, parent):
    return ranks.fit(MODEL, child, parent, groups=_groups(child), num_groups=2)


def _weights(child):
    return jnp.stack([jnp.ones(2, child.dtype), jnp.asarray([0.0, 1.0], child.dtype)])


def _blocks(child, parent):
    order = numerics.rank_order(child)
    return numerics.tie_blocks(order, numerics.rank_order(parent), increasing=True)


def _half(child):
    return jnp.asarray(0.5, child.dtype)


RANKS = {
    "fit": lambda y, x: _arrays(_fit(y, x)),
    "rank_order": lambda y, x: _arrays(ranks.rank_order(y)),
    "bootstrap": lambda y, x: (
        ranks.bootstrap(KEY, MODEL, y, x, num_replicates=4, batch_size=2).params
    ),
    "multiplier_bootstrap": lambda y, x: (
        ranks.multiplier_bootstrap(KEY, _fit(y, x), num_replicates=4, batch_size=2).errors
    ),
    "coverage": lambda y, x: (
        ranks.coverage(KEY, MODEL, ranks.Flip(jnp.abs(y[0])), num_obs=40, num_replicates=2).slope
    ),
    "contrast": lambda y, x: _arrays(ranks.contrast(_fit(y, x), _weights(y))),
    "relative_mobility": lambda y, x: _arrays(ranks.relative_mobility(_fit(y, x))),
    "absolute_mobility": lambda y, x: _arrays(ranks.absolute_mobility(_fit(y, x), 0.25)),
    "wald_test": lambda y, x: _arrays(ranks.wald_test(_fit(y, x), _weights(y)[1:])),
    "equality_test": lambda y, x: _arrays(ranks.equality_test(_grouped(y, x))),
    "predict": lambda y, x: _arrays(ranks.predict(_fit(y, x), x, y[:3])),
}

NUMERICS = {
    "find_root": lambda y, x: (
        numerics.find_root(lambda v, a: v**3 - a, -9.0, 9.0, jnp.sum(y)).value
    ),
    "gauss_legendre": lambda y, x: tuple(numerics.gauss_legendre(4, jnp.min(y), jnp.max(y))),
    "gauss_hermite": lambda y, x: tuple(numerics.gauss_hermite(4)),
    "gauss_laguerre": lambda y, x: tuple(numerics.gauss_laguerre(4)),
    "rank_order": lambda y, x: _arrays(numerics.rank_order(y)),
    "inverse_permutation": lambda y, x: numerics.inverse_permutation(numerics.rank_order(y).order),
    "permuted": lambda y, x: numerics.permuted(y, numerics.rank_order(x).order),
    "tie_blocks": lambda y, x: _arrays(_blocks(y, x)),
    "sample_ranks": lambda y, x: numerics.sample_ranks(
        _blocks(y, x), _half(y), jax.nn.softmax(y) * NUM_OBS
    ),
    "indicator_sums": lambda y, x: numerics.indicator_sums(_blocks(y, x), _half(y), y[None]),
    "prefix_sums": lambda y, x: numerics.prefix_sums(y),
    "matmul": lambda y, x: numerics.matmul(y[None], x[:, None]),
    "products": lambda y, x: numerics.products(jnp.stack([y, x]), x[None]),
    "group_sums": lambda y, x: numerics.group_sums(y, _groups(y), 2),
    "qr_by_group": lambda y, x: _arrays(numerics.qr_by_group(jnp.stack([y, x]))),
}

CASES = {"ranks": RANKS, "numerics": NUMERICS}


def _arrays(tree):
    return jax.tree.leaves(tree)
