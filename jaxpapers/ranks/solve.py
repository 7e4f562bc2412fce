"""Least squares with ranks, and the consistent covariance of its coefficients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from .. import engine
from ..engine import Status
from ..numerics import RankOrder, group_sums, matmul, products, qr_by_group
from .grouped import grouped_influence
from .influence import design, scores
from .model import RankRegression
from .results import RankRegressionFit
from .sample import arrange

MAX_INFLUENCE_SIZE = 2**24
ROUNDING = 1e3


def fit(
    model: RankRegression,
    outcome: Real[ArrayLike, " obs"],
    regressor: Real[ArrayLike, " obs"] | None = None,
    *,
    covariates: Real[ArrayLike, "obs covariate"] | None = None,
    groups: Int[ArrayLike, " obs"] | None = None,
    num_groups: int | None = None,
    order: tuple[RankOrder | None, RankOrder | None] | None = None,
) -> RankRegressionFit:
    """Fits a regression with ranks and its consistent covariance.

    The usual standard errors (homoskedastic, robust) are inconsistent here in either direction,
    because ranks are estimated; `cov` is the consistent one, and the usual ones stand beside it.
    Coefficients: the intercept (of every group), the regressor's, the covariates'.

    Source: Chetverikov and Wilhelm (2023). Accuracy: coefficients and covariances agree with
    csranks to 1e-9 in float64; in float32 the relative error is about 1e-5 in standard errors.

    Args:
        model: which of the variables are ranked, and how.
        outcome: finite; any real dtype.
        regressor: finite; None for a regression on covariates only.
        covariates: finite; without a constant unless the model has no intercept.
        groups: group of each observation in `0 .. num_groups - 1`, for coefficients by group.
        num_groups: number of groups; needed under tracing, else counted.
        order: `(outcome, regressor)` orders from `rank_order`, None where it is to be sorted here
            or not ranked.

    Returns:
        Estimates, covariances, influence functions and a status.

    Raises:
        ValueError: shapes that disagree, no columns, too few observations, non-finite values,
            groups out of range.
        TypeError: arguments that are not real arrays.
    """
    num_groups = check_data(model, outcome, regressor, covariates, groups, num_groups)
    check_order(order, np.shape(outcome)[0])
    model = model.cast(float_dtype(outcome, regressor, covariates))
    return _fit(model, outcome, regressor, covariates, groups, order, num_groups=num_groups)


def check_data(
    model: RankRegression,
    outcome: ArrayLike,
    regressor: ArrayLike | None,
    covariates: ArrayLike | None,
    groups: ArrayLike | None,
    num_groups: int | None,
) -> int:
    """Checks shapes always and values where they are concrete.

    Args:
        model: the regression.
        outcome: `(obs,)`.
        regressor: `(obs,)` or None.
        covariates: `(obs, covariate)` or None.
        groups: `(obs,)` integers or None.
        num_groups: number of groups or None.

    Returns:
        The number of groups, 1 without groups.

    Raises:
        ValueError: as `fit`.
        TypeError: as `fit`.
    """
    named: dict[str, tuple] = {"outcome": (outcome, ("obs",))}
    if regressor is not None:
        named["regressor"] = (regressor, ("obs",))
    if covariates is not None:
        named["covariates"] = (covariates, ("obs", "covariate"))
    sizes = engine.check_shapes(named, kind="real")
    engine.check_finite({name: value for name, (value, _) in named.items()})
    for name, (value, _) in named.items():
        engine.warn_if_truncated(name, value)
        _check_integers(name, value)
    num_columns = model.num_columns(
        has_regressor=regressor is not None, num_covariates=sizes.get("covariate", 0)
    )
    if num_columns == 0:
        raise ValueError("regressor is None and there are no covariates and no intercept")
    num_groups = check_groups(groups, num_groups, sizes["obs"])
    if sizes["obs"] < num_columns * num_groups:
        raise ValueError(
            f"outcome has {sizes['obs']} observations; needed are at least "
            f"{num_columns * num_groups}, one per coefficient"
        )
    return num_groups


def _check_integers(name, value):
    """Refuses NumPy integers that JAX would cut off: 64 bits while x64 is off."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or not value.size:
        return
    bounds = np.iinfo(jnp.result_type(value))
    if value.max() > bounds.max or value.min() < bounds.min:
        raise ValueError(
            f"{name} holds integers beyond {bounds.dtype}; convert it to float or enable x64: "
            'jax.config.update("jax_enable_x64", True)'
        )


def check_order(order: tuple | None, num_obs: int) -> None:
    """Checks orders of the outcome and the regressor.

    Args:
        order: as in `fit`.
        num_obs: sample size.

    Raises:
        TypeError: not a pair of orders.
        ValueError: an order of another length.
    """
    if order is None:
        return
    if not isinstance(order, tuple | list) or len(order) != 2:
        raise TypeError("order must be a pair of rank orders: of the outcome and the regressor")
    for name, one in zip(("outcome", "regressor"), order, strict=True):
        if one is not None and one.order.shape != (num_obs,):
            raise ValueError(
                f"the order of the {name} must have shape ({num_obs},), got {one.order.shape}"
            )


def check_groups(groups: ArrayLike | None, num_groups: int | None, num_obs: int) -> int:
    """Checks group numbers and counts them where they are concrete.

    Args:
        groups: `(obs,)` integers or None.
        num_groups: number of groups or None.
        num_obs: sample size.

    Returns:
        The number of groups, 1 without groups.

    Raises:
        ValueError: another shape, numbers out of range, no number of groups under tracing.
        TypeError: groups that are not integers, a number of groups that is not an int.
    """
    if groups is None:
        if num_groups is not None:
            raise ValueError(f"num_groups is {num_groups} but groups is None")
        return 1
    engine.check_array("groups", groups, (num_obs,), kind="integer")
    if not engine.is_concrete(groups):
        if num_groups is None:
            raise ValueError(
                "num_groups is None; needed under jit or vmap, where groups are traced"
            )
        engine.check_count("num_groups", num_groups)
        return num_groups
    lowest, highest = int(np.min(groups)), int(np.max(groups))
    num_groups = highest + 1 if num_groups is None else num_groups
    engine.check_count("num_groups", num_groups)
    if lowest < 0 or highest >= num_groups:
        raise ValueError(
            f"groups has values from {lowest} to {highest}; needed are 0 to {num_groups - 1}"
        )
    return num_groups


def float_dtype(*arrays: ArrayLike | None) -> jnp.dtype:
    """Floating dtype of a computation on some inputs.

    Args:
        *arrays: inputs, of which integers and None do not count.

    Returns:
        The common floating dtype, JAX's default where there is none.
    """
    dtypes = [jnp.result_type(array) for array in arrays if array is not None]
    floats = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    return jnp.result_type(*floats) if floats else jnp.zeros(()).dtype


@partial(jax.jit, static_argnames="num_groups")
def _fit(model, outcome, regressor, covariates, groups, order, *, num_groups):
    dtype = float_dtype(outcome, regressor, covariates)
    groups = None if groups is None else jnp.asarray(groups, jnp.int32)
    sample = arrange(
        model,
        outcome,
        regressor,
        covariates,
        groups,
        num_groups=num_groups,
        order=order,
        dtype=dtype,
    )
    base = design(model, sample)
    factors = qr_by_group(base.columns, sample.groups, num_groups)
    coefficients = factors.solve(base.outcome, sample.groups)
    residuals = base.outcome - fitted_values(base.columns, coefficients, sample.groups)
    inverse = factors.inverse()
    bread = matmul(inverse, jnp.swapaxes(inverse, 1, 2))
    slopes = coefficients[:, base.slope_index or 0]
    cov, influence = _sandwich(model, sample, base, slopes, residuals, bread)
    fixed = _without_variance(base.outcome, cov, bread, factors.kept)
    cov = jnp.where(fixed[:, None] | fixed[None], 0, cov)
    naive = _naive_covariances(base, residuals, bread, sample.groups, factors.kept)
    kept = factors.kept.T.reshape(-1)
    missing = jnp.where(kept, 0, jnp.nan).astype(dtype)
    both = missing[:, None] + missing[None]
    return RankRegressionFit(
        params=coefficients.T.reshape(-1) + missing,
        cov=cov + both,
        cov_homoskedastic=naive[0] + both,
        cov_robust=naive[1] + both,
        influence=None if influence is None else influence + missing[None],
        kept=kept,
        residuals=sample.to_original(residuals),
        r_squared=_r_squared(model, base.outcome, residuals, groups),
        tie_shares=_tie_shares(sample),
        status=_status(cov, kept, fixed),
        model=model,
        num_groups=num_groups,
        has_regressor=regressor is not None,
    )


def fitted_values(
    columns: Float[Array, "column obs"],
    coefficients: Float[Array, "group column"],
    groups: Int[Array, " obs"] | None,
) -> Float[Array, " obs"]:
    """Fitted values with every observation's own group's coefficients.

    Args:
        columns: the design.
        coefficients: one row per group.
        groups: group of each observation or None.

    Returns:
        Fitted values.
    """
    if groups is None:
        return matmul(coefficients, columns)[0]
    return jnp.sum(coefficients[groups].T * columns, axis=0)


def _sandwich(model, sample, base, slopes, residuals, bread):
    """Consistent covariance, and the influence functions where they fit in memory."""
    num_obs = sample.num_obs
    if sample.groups is None:
        rows = scores(model, sample, base, slopes[0], residuals)
        psi = num_obs * matmul(bread[0], rows)
        return products(psi, psi) / float(num_obs) ** 2, sample.to_original(psi).T
    influence = grouped_influence(model, sample, base, slopes, residuals, num_obs * bread)
    num_params = base.columns.shape[0] * sample.num_groups
    if num_obs * num_params > MAX_INFLUENCE_SIZE:
        return influence.covariance(), None
    rows = influence.all()
    return matmul(rows.T, rows) / float(num_obs) ** 2, sample.to_original(rows.T).T


def _naive_covariances(base, residuals, bread, groups, kept):
    """Homoskedastic and HC1 covariances as regression software prints them."""
    num_obs, num_groups = residuals.shape[0], kept.shape[0]
    freedom = jnp.maximum(num_obs - jnp.sum(kept), 1).astype(residuals.dtype)
    variance = jnp.sum(residuals**2) / freedom
    weighted = base.columns * residuals[None] ** 2
    if groups is None:
        meat = products(weighted, base.columns)[None]
    else:
        meat = group_sums(weighted[:, None] * base.columns[None], groups, num_groups)
    robust = matmul(matmul(bread, meat), bread) * (num_obs / freedom)
    return _joint(bread * variance), _joint(robust)


def _joint(by_group):
    """Block matrix over groups in the order of the parameters."""
    num_groups, num_columns, _ = by_group.shape
    identity = jnp.eye(num_groups, dtype=by_group.dtype)
    size = num_groups * num_columns
    return jnp.einsum("gij,gh->igjh", by_group, identity).reshape(size, size)


def _r_squared(model, outcome, residuals, groups):
    """Share explained; uncentred without a common intercept, as in R."""
    centre = jnp.mean(outcome) if model.intercept and groups is None else 0
    total = jnp.sum((outcome - centre) ** 2)
    explained = 1 - jnp.sum(residuals**2) / jnp.where(total > 0, total, 1)
    return jnp.where(total > 0, explained, 0)


def _tie_shares(sample):
    """Shares of tied observations of the outcome and the regressor, 0 where not ranked."""
    blocks = (sample.outcome_blocks, sample.regressor_blocks)
    shares = [
        jnp.zeros((), sample.dtype)
        if b is None
        else jnp.mean(b.ends - b.starts > 1, dtype=sample.dtype)
        for b in blocks
    ]
    return jnp.stack(shares)


def _without_variance(outcome, cov, bread, kept):
    """Kept parameters whose variance is rounding: a perfect fit, an outcome all tied."""
    diagonal = jnp.diagonal(bread, axis1=1, axis2=2).T.reshape(-1)
    rounding = ROUNDING * jnp.finfo(cov.dtype).eps
    floor = rounding**2 * diagonal * jnp.mean(outcome**2)
    return kept.T.reshape(-1) & (jnp.diag(cov) <= floor)


def _status(cov, kept, fixed):
    """The most serious thing to say about a fit."""
    status = jnp.where(jnp.any(fixed), Status.DEGENERATE, Status.OK)
    status = jnp.where(jnp.all(kept), status, Status.COLLINEAR)
    return jnp.where(jnp.all(jnp.isfinite(cov)), status, Status.NON_FINITE).astype(jnp.int32)
