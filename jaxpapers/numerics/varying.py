"""Types of loop carries inside a caller's `shard_map`."""

import jax
from jaxtyping import PyTree


def varying_axes(tree: PyTree) -> frozenset[str]:
    """Mesh axes over which a leaf varies; none outside `shard_map`.

    Args:
        tree: any pytree; leaves that are not JAX arrays vary over nothing.

    Returns:
        Names of the axes.
    """
    leaves = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]
    return frozenset().union(*(jax.typeof(leaf).mat.varying for leaf in leaves))


def vary(tree: PyTree, axes: frozenset[str]) -> PyTree:
    """The same values, typed as varying over `axes`.

    A loop wants one type from step to step, a `cond` one type from both branches, and under `vmap`
    all that its branches read has to vary already.

    Args:
        tree: a pytree; leaves that are not JAX arrays stay as they are.
        axes: names of mesh axes.

    Returns:
        The tree. Exact: no value changes.
    """

    def vary_leaf(leaf):
        if not isinstance(leaf, jax.Array):
            return leaf
        missing = tuple(axes - jax.typeof(leaf).mat.varying)
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(vary_leaf, tree)
