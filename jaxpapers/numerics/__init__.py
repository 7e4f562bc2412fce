"""Numerical kernels that every paper stands on; pure, in the dtype of their inputs.

Promises, *jit · vmap · grad · shard*:

``find_root``      | yes | yes | yes: of any order, in `args` | yes
``gauss_legendre`` | yes | yes: over the limits | yes: in the limits | yes
``gauss_hermite``  | yes: constants | no: takes no array | no: takes no array | yes
``gauss_laguerre`` | yes: constants | no: takes no array | no: takes no array | yes
``status_message`` | no: makes text | no: makes text | no: makes text | no: makes text
``rank_order``     | yes | yes | no: integers | yes: one sample a device
``inverse_permutation`` | yes | yes | no: integers | yes: one sample a device
``tie_blocks``     | yes | yes | no: integers | yes: one sample a device
``sample_ranks``   | yes | yes | yes: in the tie weight and counts | yes: one sample a device
``indicator_shares`` | yes | yes | yes: in the tie weight and counts | yes: one sample a device
``indicator_means`` | yes | yes | yes: in the moments | yes: one sample a device
``prefix_sums``    | yes | yes | yes | yes: one sample a device
``combined``       | yes | yes | yes | yes
``matmul``         | yes | yes | yes | yes
``products``       | yes | yes | yes | yes
``stacked``        | yes | yes | yes | yes
``group_sums``     | yes | yes | yes | yes: one sample a device
``qr_by_group``    | yes | yes | no: rank decisions are steps | yes: one sample a device
``bivariate_t_cdf``, ``bivariate_skew_t_cdf`` | yes | yes | yes | yes

The functions of the modules `student_t`, `skew_normal` and `skew_t` (`logpdf`, `logcdf`, `cdf`,
`sf`, `ppf`) promise what `bivariate_t_cdf` does.
"""

from . import skew_normal, skew_t, student_t
from .bivariate_t import bivariate_skew_t_cdf, bivariate_t_cdf
from .linear import GroupedQR, combined, group_sums, matmul, products, qr_by_group, stacked
from .prefix import prefix_sums
from .quadrature import QuadratureRule, gauss_hermite, gauss_laguerre, gauss_legendre
from .roots import Root, find_root
from .status import Status, status_message
from .ties import (
    RankOrder,
    TieBlocks,
    indicator_means,
    indicator_shares,
    inverse_permutation,
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
    "bivariate_skew_t_cdf",
    "bivariate_t_cdf",
    "combined",
    "find_root",
    "gauss_hermite",
    "gauss_laguerre",
    "gauss_legendre",
    "group_sums",
    "indicator_means",
    "indicator_shares",
    "inverse_permutation",
    "matmul",
    "prefix_sums",
    "products",
    "qr_by_group",
    "rank_order",
    "sample_ranks",
    "skew_normal",
    "skew_t",
    "stacked",
    "status_message",
    "student_t",
    "tie_blocks",
]
