"""Fits against stored output of csranks."""

import csv
import json
from pathlib import Path

import jax
import numpy as np
import pytest
import tolerances

from jaxpapers import ranks
from jaxpapers.engine import Status

FOLDER = Path(__file__).resolve().parents[1] / "golden"
SYNTHETIC = sorted(path.stem.removeprefix("golden_") for path in FOLDER.glob("golden_*.json"))

# For each case: outcome, regressor, covariates, and the setting of the model.
PAIR = ("Y", "X", ())
DESIGNS = {
    "collinear": ("Y", "X", ("W1", "W2", "W3")),
    "covariates": ("Y", "X", ("W1", "W2", "C")),
    "decreasing": ("Y", "X", ("W",)),
    "grouped": PAIR,
    "grouped_cov": ("Y", "X", ("W",)),
    "level_on_rank": ("Y", "X", ("W1", "W2")),
    "plain": PAIR,
    "rank_on_level": ("Y", "X", ("W1", "W2")),
    "ties_level_on_rank": PAIR,
    "ties_mid_plain": PAIR,
    "ties_omega00": ("Y", "X", ("W",)),
    "ties_omega04": ("Y", "X", ("W",)),
    "ties_omega10": ("Y", "X", ("W",)),
    "pci_plain": ("c_faminc", "p_faminc", ()),
    "pci_cov": ("c_faminc", "p_faminc", ("gender", "race")),
    "pci_grouped": ("c_faminc", "p_faminc", ()),
}
SETTINGS = {
    "level_on_rank": {"outcome": "level"},
    "rank_on_level": {"regressor": "level"},
    "ties_level_on_rank": {"outcome": "level"},
    "decreasing": {"increasing": (False, False)},
}
GROUPS = {"grouped": "G", "grouped_cov": "G", "pci_grouped": "race"}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def read(folder, name):
    golden = json.loads((folder / f"golden_{name}.json").read_text())
    with (folder / golden["data"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return golden, {column: [row[column] for row in rows] for column in rows[0]}


def numbers(values):
    """An array with NaN for each null."""
    return np.array([np.nan if v is None else v for v in np.ravel(values)], float).reshape(
        np.shape(values)
    )


def columns_of(table, name, levels):
    """A numeric column, or the dummies of all but the first level."""
    if name not in levels:
        return [np.array(table[name], float)]
    return [
        np.array([value == level for value in table[name]], float) for level in levels[name][1:]
    ]


def arrays(golden, table, name):
    levels = golden["factor_levels"] or {}
    outcome, regressor, covariates = DESIGNS[name]
    rows = [column for c in covariates for column in columns_of(table, c, levels)]
    keywords = {"covariates": np.stack(rows, axis=1) if rows else None}
    if name in GROUPS:
        order = levels[GROUPS[name]]
        groups = np.array([order.index(value) for value in table[GROUPS[name]]])
        keywords |= {"groups": groups, "num_groups": len(order)}
    return (np.array(table[outcome], float), np.array(table[regressor], float)), keywords


def fit_case(golden, table, name):
    model = ranks.RankRegression(tie_weight=golden["omega"], **SETTINGS.get(name, {}))
    positional, keywords = arrays(golden, table, name)
    return ranks.fit(model, *positional, **keywords)


def assert_equals_golden(fit, golden):
    tolerance = tolerances.GOLDEN
    coefficients, errors = numbers(golden["coef"]), numbers(golden["se"])
    kept = ~np.isnan(coefficients)
    np.testing.assert_array_equal(fit.kept, kept)
    np.testing.assert_allclose(fit.params, coefficients, rtol=tolerance, equal_nan=True)
    np.testing.assert_allclose(fit.bse, errors, rtol=tolerance, equal_nan=True)
    cov = numbers([row if isinstance(row, list) else [row] for row in golden["vcov"]])
    scale = np.outer(errors, errors)
    np.testing.assert_array_equal(np.isnan(fit.cov), np.isnan(cov))
    assert np.nanmax(np.abs(np.asarray(fit.cov) - cov) / scale) < tolerance
    for naive, key in ((fit.cov_homoskedastic, "naive_lm_se"), (fit.cov_robust, "hc1_se")):
        ours = np.sqrt(np.diagonal(naive))
        np.testing.assert_allclose(ours, numbers(golden[key]), rtol=tolerance, equal_nan=True)
    for level, key in ((0.95, "confint95"), (0.9, "confint90")):
        ends = numbers(golden[key])
        assert np.nanmax(np.abs(np.asarray(fit.interval(level)) - ends)) < tolerance
    np.testing.assert_allclose(fit.r_squared, golden["r_squared"], rtol=tolerance)
    np.testing.assert_allclose(fit.zvalues(), numbers(golden["z"]), rtol=tolerance, equal_nan=True)
    assert fit.status == (Status.OK if kept.all() else Status.COLLINEAR)


def test_every_synthetic_case_is_there():
    assert len(SYNTHETIC) == 13
    assert set(SYNTHETIC) <= set(DESIGNS)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_fit_equals_csranks(name):
    golden, table = read(FOLDER, name)
    assert_equals_golden(fit_case(golden, table, name), golden)


@pytest.mark.reference
@pytest.mark.parametrize("name", ["pci_plain", "pci_cov", "pci_grouped"])
def test_fit_equals_csranks_on_its_own_data(name, reference_data):
    golden, table = read(reference_data / "rankreg", name)
    assert_equals_golden(fit_case(golden, table, name), golden)


def test_order_of_the_groups_permutes_the_answer_and_nothing_else():
    golden, table = read(FOLDER, "grouped_cov")
    straight = fit_case(golden, table, "grouped_cov")
    order = golden["factor_levels"]["G"]
    shuffled = [order[i] for i in (2, 0, 3, 1)]
    permuted = fit_case(golden | {"factor_levels": {"G": shuffled}}, table, "grouped_cov")
    place = np.concatenate([4 * block + np.array([2, 0, 3, 1]) for block in range(3)])
    np.testing.assert_array_equal(permuted.params, straight.params[place])
    np.testing.assert_array_equal(permuted.cov, straight.cov[place][:, place])
    np.testing.assert_array_equal(permuted.cov_robust, straight.cov_robust[place][:, place])
    np.testing.assert_array_equal(permuted.influence, straight.influence[:, place])
