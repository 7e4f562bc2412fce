"""Hold the numba peers to the definition; run with NUMBA_DISABLE_JIT=1, as their compiler is slow.

The benchmark itself checks the compiled peers at full size before it times them.
"""

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numba
import numpy as np
import peer_samples as given

from benchmarks.peers import (
    numba_blocks,
    numba_bootstrap,
    numba_covariates,
    numba_grouped,
    numba_sort,
    ranks_definition,
    ranks_numba,
)


def check_sort(values):
    order, same = numba_sort.order_and_ties(values)
    in_order = values[order]
    assert np.array_equal(np.sort(order), np.arange(values.size))
    assert np.array_equal(in_order, np.sort(values))
    tied = in_order[1:] == in_order[:-1]
    assert tied.any() == (same is not None)
    assert same is None or np.array_equal(same[1:], tied)


def check_fits(outcome, regressor, tie_weight):
    kind = {"tie_weight": tie_weight}
    others, groups = given.covariates(), (given.groups(), given.NUM_GROUPS)
    pairs = [
        (ranks_numba.fit, ranks_definition.fit, ()),
        (numba_covariates.fit, ranks_definition.fit, (others,)),
        (numba_grouped.fit, ranks_definition.fit_grouped, groups),
    ]
    for peer, definition, extra in pairs:
        answer = peer(outcome, regressor, *extra, **kind)
        gap = given.gap(answer, definition(outcome, regressor, *extra, **kind))
        assert gap < given.TOLERANCE, (peer.__module__, kind, gap)


def check_bootstrap(outcome, regressor, tie_weight, *, studentised):
    seed, num_replicates = 3, 2
    params, errors = numba_bootstrap.bootstrap(
        seed,
        outcome,
        regressor,
        num_replicates=num_replicates,
        studentised=studentised,
        tie_weight=tie_weight,
    )
    order, _ = numba_sort.order_and_ties(regressor)
    for replicate in range(num_replicates):
        drawn = np.empty(outcome.size, np.int64)
        numba_bootstrap.draw_counts(seed, replicate, drawn)
        assert drawn.sum() == outcome.size
        counts = np.empty_like(drawn)
        counts[order] = drawn
        right, cov = ranks_definition.bootstrap_one(
            counts, outcome, regressor, tie_weight=tie_weight
        )
        assert np.allclose(params[replicate], right, rtol=given.TOLERANCE)
        assert (errors is None) == (not studentised)
        scale = np.sqrt(np.diag(cov))
        assert errors is None or np.allclose(errors[replicate], scale, rtol=given.TOLERANCE)


def main():
    assert numba.config.DISABLE_JIT
    warnings.simplefilter("ignore", RuntimeWarning)  # integers of the generator wrap around
    numba_blocks.LEAST_CHUNK = 20
    for values in given.hard_to_sort():
        check_sort(values)
    for outcome, regressor in given.samples().values():
        for tie_weight in given.TIE_WEIGHTS:
            check_fits(outcome, regressor, tie_weight)
            check_bootstrap(outcome, regressor, tie_weight, studentised=False)
            check_bootstrap(outcome, regressor, tie_weight, studentised=True)
    print("the numba peers are right")


if __name__ == "__main__":
    main()
