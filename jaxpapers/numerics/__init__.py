"""Numerical kernels that every paper stands on; pure, in the dtype of their inputs.

Promises, *jit · vmap · grad · shard*:

``find_root``      | yes | yes | yes: of any order, in `args` | yes
``gauss_legendre`` | yes | yes: over the limits | yes: in the limits | yes
``gauss_hermite``  | yes: constants | no: takes no array | no: takes no array | yes
``gauss_laguerre`` | yes: constants | no: takes no array | no: takes no array | yes
``status_message`` | no: makes text | no: makes text | no: makes text | no: makes text
``rank_order``     | yes | yes | no: integers | yes: one sample a device
``inverse_permutation`` | yes | yes | no: integers | yes: one sample a device
``permuted``       | yes | yes | yes: in the rows | yes: one sample a device
``tie_blocks``     | yes | yes | no: integers | yes: one sample a device
``sample_ranks``   | yes | yes | yes: in the tie weight and counts | yes: one sample a device
``indicator_sums`` | yes | yes | yes: in the moments | yes: one sample a device
``prefix_sums``    | yes | yes | yes | yes: one sample a device
``matmul``         | yes | yes | yes | yes
``products``       | yes | yes | yes | yes
``group_sums``     | yes | yes | yes | yes: one sample a device
``qr_by_group``    | yes | yes | no: rank decisions are steps | yes: one sample a device
"""

from .linear import GroupedQR, group_sums, matmul, products, qr_by_group
from .prefix import prefix_sums
from .quadrature import QuadratureRule, gauss_hermite, gauss_laguerre, gauss_legendre
from .roots import Root, find_root
from .status import Status, status_message
from .ties import (
    RankOrder,
    TieBlocks,
    indicator_sums,
    inverse_permutation,
    permuted,
    rank_order,
    sample_ranks,
    tie_blocks,
)

__all__ = [
    "GroupedQR",
    "QuadratureRule",
    "RankOrder",
    "Root",
    "Status",
    "TieBlocks",
    "find_root",
    "gauss_hermite",
    "gauss_laguerre",
    "gauss_legendre",
    "group_sums",
    "indicator_sums",
    "inverse_permutation",
    "matmul",
    "permuted",
    "prefix_sums",
    "products",
    "qr_by_group",
    "rank_order",
    "sample_ranks",
    "status_message",
    "tie_blocks",
]
