"""The bootstrap: counts against resampled data, draws, intervals, failures, size."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import rank_definition
import scipy.special
import tolerances
from rank_cases import CHUNKED, LARGE, NUM_OBS
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.engine import Status
from jaxpapers.engine.batching import fitting_batch_size
from jaxpapers.ranks.bootstrap import _scaled_down, draw_counts, presort, refit

KEY = jax.random.key(20231)
NUM_REPLICATES = 40


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def presorted(setting, case):
    groups = None if case.groups is None else jnp.asarray(case.groups, jnp.int32)
    return presort(
        rank_cases.model(setting),
        jnp.asarray(case.outcome),
        jnp.asarray(case.regressor),
        None if case.covariates is None else jnp.asarray(case.covariates),
        groups,
        None,
        num_groups=case.num_groups,
    )


@eqx.filter_jit
def refit_all(sample, counts):
    return jax.vmap(functools.partial(refit, sample, studentize=True))(counts)


def rows_of(sample, counts):
    """Observations of a draw, repeated as often as drawn; counts are in working order."""
    order = np.asarray(sample.sample.working.order)
    return np.repeat(order, np.asarray(counts).astype(int))


def bootstrap(setting, case, **settings):
    positional, keywords = rank_cases.arguments(case)
    return ranks.bootstrap(KEY, rank_cases.model(setting), *positional, **keywords, **settings)


@pytest.mark.parametrize(
    ("name", "num_obs"),
    [
        ("rank on rank, covariates", NUM_OBS),
        ("groups, covariates", CHUNKED),
        ("groups, no intercept", NUM_OBS),
    ],
)
def test_refit_on_counts_equals_the_fit_of_the_resampled_data(name, num_obs):
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=0.3)
    case = rank_cases.sample(seed=21, ties=True, num_obs=num_obs, **parts)
    sample = presorted(setting, case)
    counts = np.random.default_rng(1).multinomial(num_obs, np.full(num_obs, 1 / num_obs), 4)
    params, bse = refit_all(sample, jnp.asarray(counts, jnp.float64))
    for draw, drawn in enumerate(counts):
        reference = rank_definition.evaluate(setting, case.take(rows_of(sample, drawn)))
        np.testing.assert_allclose(params[draw], reference.params, atol=tolerances.REFIT)
        errors = np.sqrt(np.diag(reference.cov))
        np.testing.assert_allclose(bse[draw], errors, rtol=tolerances.REFIT)


def test_refit_on_the_sample_itself_is_the_fit():
    case = rank_cases.sample(seed=22, ties=True, covariates=True)
    fit = rank_cases.fit(Setting(), case)
    params, bse = refit_all(presorted(Setting(), case), jnp.ones((4, NUM_OBS)))
    np.testing.assert_allclose(params[0], fit.params, atol=tolerances.REFIT)
    np.testing.assert_allclose(bse[0], fit.bse, rtol=tolerances.REFIT)


def test_a_draw_leaves_collinear_columns_out():
    case = rank_cases.sample(seed=22, ties=True, covariates=True)
    first = case.covariates[:, 0]
    case = dataclasses.replace(case, covariates=np.stack([first, 1 - first], axis=1))
    fit = rank_cases.fit(Setting(), case)
    params, bse = refit_all(presorted(Setting(), case), jnp.ones((4, NUM_OBS)))
    np.testing.assert_allclose(params[0], fit.params, atol=tolerances.REFIT)
    np.testing.assert_allclose(bse[0], fit.bse, rtol=tolerances.REFIT)
    assert np.isnan(params[0, 3])


@pytest.mark.parametrize("size", [1, 2, 10_000, 65_535, 65_536, 65_537, 10_000_019, 2**31 - 1])
def test_indices_are_the_high_word_of_bits_times_size(size):
    bits = np.random.default_rng(5).integers(0, 2**32, 4_096, np.uint64)
    bits[:3] = 0, 2**32 - 1, 2**31
    drawn = _scaled_down(jnp.asarray(bits.astype(np.uint32)), size)
    np.testing.assert_array_equal(drawn, (bits * np.uint64(size)) >> np.uint64(32))


def test_batches_of_a_cpu_stay_in_the_cache():
    assert [fitting_batch_size(entries) for entries in (1, 2**14, 10_000, 10**7)] == [
        2**16,
        4,
        6,
        1,
    ]


@functools.cache
def studentized_draws():
    case = rank_cases.sample(seed=23, ties=True, covariates=True)
    setting = Setting(tie_weight=0.5)
    draws = bootstrap(setting, case, num_replicates=NUM_REPLICATES, batch_size=8, studentize=True)
    return setting, case, draws


def test_replicate_is_the_fit_of_the_data_drawn_with_its_own_key():
    setting, case, draws = studentized_draws()
    sample = presorted(setting, case)
    for replicate in (0, 7, NUM_REPLICATES - 1):
        counts = draw_counts(jax.random.fold_in(KEY, replicate), NUM_OBS, jnp.dtype("float64"))
        assert counts.sum() == NUM_OBS
        reference = rank_definition.evaluate(setting, case.take(rows_of(sample, counts)))
        np.testing.assert_allclose(draws.params[replicate], reference.params, atol=tolerances.REFIT)
        errors = np.sqrt(np.diag(reference.cov))
        np.testing.assert_allclose(draws.draw_bse[replicate], errors, rtol=tolerances.REFIT)


def test_counts_are_multinomial():
    keys = jax.random.split(KEY, 4_000)
    counts = np.asarray(jax.vmap(lambda key: draw_counts(key, 6, jnp.dtype("float64")))(keys))
    np.testing.assert_array_equal(counts.sum(axis=1), 6)
    covariance = np.eye(6) - 1 / 6
    error = 4.5 * np.sqrt(2 / len(keys))  # false alarms: 36 entries of 7e-6
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=error)
    np.testing.assert_allclose(np.cov(counts.T), covariance, atol=error)


def test_neither_number_nor_batches_of_replicates_change_a_draw():
    case = rank_cases.sample(seed=24, ties=True)
    many = bootstrap(Setting(), case, num_replicates=NUM_REPLICATES, batch_size=5)
    few = bootstrap(Setting(), case, num_replicates=20, batch_size=8)
    np.testing.assert_allclose(few.params, many.params[:20], rtol=tolerances.SAME_PROGRAM)
    assert len(np.unique(many.params[:, 1])) == NUM_REPLICATES
    assert many.draw_bse is None


def test_another_key_gives_other_draws():
    case = rank_cases.sample(seed=24, ties=True)
    first = bootstrap(Setting(), case, num_replicates=20, batch_size=8)
    second = ranks.bootstrap(
        jax.random.key(1),
        rank_cases.model(Setting()),
        case.outcome,
        case.regressor,
        num_replicates=20,
        batch_size=8,
    )
    assert np.all(np.asarray(first.params) != np.asarray(second.params))


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_intervals_equal_those_of_numpy(level):
    _, _, draws = studentized_draws()
    params, estimate = np.asarray(draws.params), np.asarray(draws.fit.params)
    tails = [(1 - level) / 2, (1 + level) / 2]
    percentile = np.quantile(params, tails, axis=0).T
    ratios = (params - estimate) / np.asarray(draws.draw_bse)
    high, low = np.quantile(ratios, tails, axis=0)
    errors = np.asarray(draws.fit.bse)
    studentized = np.stack([estimate - low * errors, estimate - high * errors], axis=1)
    half = scipy.special.ndtri((1 + level) / 2) * np.std(params, axis=0, ddof=1)
    normal = np.stack([estimate - half, estimate + half], axis=1)
    exact = tolerances.EXACT_ARITHMETIC
    np.testing.assert_allclose(draws.percentile_interval(level), percentile, rtol=exact)
    np.testing.assert_allclose(draws.percentile_t_interval(level), studentized, rtol=exact)
    np.testing.assert_allclose(draws.normal_interval(level), normal, rtol=exact)
    np.testing.assert_allclose(draws.cov, np.cov(params.T), rtol=1e-9, atol=exact)
    assert np.all(studentized[:, 0] < studentized[:, 1])


@pytest.mark.parametrize(("num_ones", "status"), [(1, Status.SINGULAR), (4, Status.OK)])
def test_draws_without_a_rare_dummy_fail_and_are_counted(num_ones, status):
    setting, case, _ = studentized_draws()
    dummy = (np.arange(NUM_OBS) < num_ones).astype(float)
    case = dataclasses.replace(case, covariates=np.stack([dummy, case.covariates[:, 0]], axis=1))
    draws = bootstrap(setting, case, num_replicates=NUM_REPLICATES, batch_size=8, studentize=True)
    keys = jax.vmap(lambda r: jax.random.fold_in(KEY, r))(jnp.arange(NUM_REPLICATES))
    counts = jax.vmap(lambda key: draw_counts(key, NUM_OBS, jnp.dtype("float64")))(keys)
    order = np.asarray(presorted(setting, case).sample.working.order)
    failed = np.asarray(counts) @ dummy[order] == 0
    np.testing.assert_array_equal(np.isnan(draws.params).any(axis=1), failed)
    assert draws.num_failed == failed.sum()
    assert draws.status == status
    if num_ones == 1:
        assert 0.1 < failed.mean() < 0.7
    sound = np.asarray(draws.params)[~failed]
    np.testing.assert_allclose(draws.cov, np.cov(sound.T), rtol=1e-9)
    np.testing.assert_allclose(
        draws.percentile_interval(),
        np.quantile(sound, [0.025, 0.975], axis=0).T,
        rtol=tolerances.EXACT_ARITHMETIC,
    )
    assert np.all(np.isfinite(draws.percentile_t_interval()))


def test_when_no_draw_succeeds_nothing_is_made_up():
    _, _, draws = studentized_draws()
    draws = dataclasses.replace(draws, params=jnp.full_like(draws.params, jnp.nan))
    assert draws.num_failed == NUM_REPLICATES
    assert draws.status == Status.SINGULAR
    assert np.all(np.isnan(draws.bse))
    assert np.all(np.isnan(draws.normal_interval()))
    assert np.all(np.isnan(draws.percentile_interval()))


def test_percentile_t_needs_studentized_draws():
    _, _, draws = studentized_draws()
    plain = dataclasses.replace(draws, draw_bse=None)
    with pytest.raises(ValueError, match="draw_bse is None; a percentile-t interval needs"):
        plain.percentile_t_interval()


@pytest.mark.parametrize("tie_weight", [0.0, 1.0])
def test_single_precision_bears_a_regressor_of_many_zeros(tie_weight):
    with jax.enable_x64(False):
        case = rank_cases.sample(seed=25)
        income = np.exp(case.regressor) * (np.arange(NUM_OBS) < 6)
        draws = ranks.bootstrap(
            KEY,
            ranks.RankRegression(tie_weight=np.float32(tie_weight)),
            case.outcome.astype(np.float32),
            income.astype(np.float32),
            num_replicates=20,
            batch_size=8,
        )
        assert draws.fit.status == Status.OK
        assert draws.num_failed == 0


def test_single_precision_knows_a_draw_without_a_rare_dummy():
    random = np.random.default_rng(0)
    regressor = random.normal(size=LARGE)
    outcome = regressor + random.normal(size=LARGE)
    dummy = random.permutation(LARGE) == 0
    covariates = np.stack([dummy, random.normal(size=LARGE)], axis=1)
    data = [values.astype(np.float32) for values in (outcome, regressor, covariates)]
    key = jax.random.key(0)  # here pivots of 1e-5 are rounding, in 5 draws of 400
    with jax.enable_x64(False):
        draws = ranks.bootstrap(
            key,
            ranks.RankRegression(tie_weight=np.float32(0.5)),
            *data[:2],
            covariates=data[2],
            num_replicates=400,
            batch_size=100,
        )
        keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(400))
        counts = jax.vmap(lambda key: draw_counts(key, LARGE, jnp.dtype("float32")))(keys)
        place = np.flatnonzero(dummy[np.argsort(data[1], kind="stable")])[0]
        np.testing.assert_array_equal(np.isnan(draws.params[:, 2]), counts[:, place] == 0)


# Bootstrap against asymptotic standard errors on a design where naive ones are far off.
# With R draws the ratio has a standard error of sqrt(1 / 2R) = .022: four of them are 9 %, a false
# alarm of 6e-5; EHW standard errors are 36 % too small there.
NUM_DRAWS = 1_000
RATIO_ERROR = 4 * np.sqrt(1 / (2 * NUM_DRAWS))


@functools.cache
def flip_sample():
    outcome, regressor = ranks.Flip(0.3).sample(jax.random.key(5), LARGE)
    case = rank_definition.Sample(np.asarray(outcome), np.asarray(regressor))
    return case, rank_cases.fit(Setting(), case)


def agrees_with_asymptotic_error(slopes, fit):
    return abs(np.std(slopes, ddof=1) / float(fit.bse[1]) - 1) < RATIO_ERROR


def test_bootstrap_error_is_the_asymptotic_one():
    case, fit = flip_sample()
    draws = bootstrap(Setting(), case, num_replicates=NUM_DRAWS, batch_size=50)
    np.testing.assert_array_equal(draws.fit.params, fit.params)
    assert agrees_with_asymptotic_error(draws.params[:, 1], fit)


def test_bootstrap_with_fixed_ranks_is_ehw_and_is_rejected():
    case, fit = flip_sample()
    random = np.random.default_rng(2)
    y, x = (np.argsort(np.argsort(v)) / LARGE for v in (case.outcome, case.regressor))
    counts = random.multinomial(LARGE, np.full(LARGE, 1 / LARGE), NUM_DRAWS) / LARGE
    mean_x, mean_y = counts @ x, counts @ y
    slopes = (counts @ (x * y) - mean_x * mean_y) / (counts @ x**2 - mean_x**2)
    ehw = np.sqrt(fit.cov_robust[1, 1])
    assert abs(np.std(slopes, ddof=1) / ehw - 1) < RATIO_ERROR
    assert not agrees_with_asymptotic_error(slopes, fit)
