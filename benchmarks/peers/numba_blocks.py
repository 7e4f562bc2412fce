"""Blocks of ties and chunks of work for the numba peers.

Marks of ties are an array, or None for a sample without ties: numba compiles one version of each
loop for either, so that untied samples pay nothing for the possibility.
"""

import numba
from numba import njit, prange

LEAST_CHUNK = 8_192
"""Observations that make it worth waking one more thread."""


def chunk_count(size):
    """Return into how many parts to split the work on `size` observations."""
    return max(1, min(numba.get_num_threads(), size // LEAST_CHUNK))


@njit(inline="always")
def chunk_start(chunk, num_chunks, size):
    """Return the first element of a chunk of an even split."""
    return size * chunk // num_chunks


@njit(inline="always")
def block_start(same, place):
    """Return the first place from `place` on that begins a block of ties."""
    if same is None:
        return place
    while 0 < place < same.size and same[place]:
        place += 1
    return place


@njit(inline="always")
def block_end(same, place):
    """Return the end of the block of ties that begins at `place`."""
    place += 1
    if same is None:
        return place
    while place < same.size and same[place]:
        place += 1
    return place


@njit(inline="always")
def blend(start, end, tie_weight):
    """Return w end + (1 - w) (start + 1), n times the rank of a block of ties."""
    return end - (1.0 - tie_weight) * (end - start - 1)


@njit(inline="always")
def count_above(size, rank, ties, tie_weight):
    """Return the sum of I_w(v_i, v_k) over k: n - w start - (1 - w) end of the block of v_i."""
    return size - rank + (2.0 * tie_weight - 1.0) * ties + 1.0 - tie_weight


@njit(parallel=True)
def place_and_rank(order, same, place_of, rank, tie_weight, num_chunks):
    """Write where each observation stands in the order, and n times the rank at each place."""
    size = order.size
    for chunk in prange(num_chunks):
        start = block_start(same, chunk_start(chunk, num_chunks, size))
        stop = block_start(same, chunk_start(chunk + 1, num_chunks, size))
        while start < stop:
            end = block_end(same, start)
            value = blend(start, end, tie_weight)
            for place in range(start, end):
                place_of[order[place]] = place
                rank[place] = value
            start = end
