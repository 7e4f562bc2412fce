"""Bootstrap with replicates side by side: a row of memory is one observation of many draws.

The package's bootstrap holds a draw as a row over observations, whose gathers jump from entry to
entry. Here an array is (obs, replicate): ranks are taken to another order by copying whole rows,
and prefix sums are a scan over rows without dependence along them.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxpapers.numerics import inverse_permutation
from jaxpapers.ranks.bootstrap import draw_counts

COLUMNS = 100


@partial(jax.jit, static_argnames="num_replicates")
def bootstrap(key, order_y, order_x, tie_weight, *, num_replicates):
    """Return constant and slope of each draw, shape (replicate, 2), ranks taken anew.

    Args:
        key: A typed key; replicate r draws from `fold_in(key, r)`, the draws of the package.
        order_y: Order of the outcome.
        order_x: Order of the regressor.
        tie_weight: Weight of ties in the ranks, float64.
        num_replicates: How many draws, a multiple of COLUMNS.
    """
    num_obs = order_x.order.shape[0]
    place_x = inverse_permutation(order_x.order)[order_y.order]
    place_y = inverse_permutation(place_x)

    def counts_of(replicate):
        return draw_counts(jax.random.fold_in(key, replicate), num_obs, jnp.dtype("uint8"))

    def ranks(counts, first, last):
        sums = prefix(counts)
        return (tie_weight * sums[last] + (1 - tie_weight) * (sums[first] + 1)) / num_obs

    def estimate(replicates):
        counts = jax.vmap(counts_of)(replicates).T.astype(jnp.int32)
        rank_x = ranks(counts, order_x.starts, order_x.ends)
        rank_y = ranks(counts[place_x], order_y.starts[place_y], order_y.ends[place_y])
        drawn_x = counts * rank_x
        terms = (drawn_x, counts * rank_y, drawn_x * rank_x, drawn_x * rank_y)
        mean_x, mean_y, mean_xx, mean_xy = (jnp.mean(term, axis=0) for term in terms)
        slope = (mean_xy - mean_x * mean_y) / (mean_xx - mean_x**2)
        return jnp.stack([mean_y - slope * mean_x, slope], axis=1)

    replicates = jnp.arange(num_replicates, dtype=jnp.int32).reshape(-1, COLUMNS)
    return jax.lax.map(estimate, replicates).reshape(num_replicates, 2)


def prefix(rows):
    """Return exclusive prefix sums along the first axis, with the total as last entry."""
    total, sums = jax.lax.scan(lambda t, row: (t + row, t), jnp.zeros_like(rows[0]), rows)
    return jnp.concatenate([sums, total[None]])
