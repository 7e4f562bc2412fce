"""Results against the definition, statsmodels, and each other."""

import dataclasses
import json

import jax
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import tolerances
from frame_cases import NUM_MISSING, NUM_ROWS, complete, estimate, influence, make_table, ranks_of
from scipy import stats

from jaxpapers import frames
from jaxpapers.engine import Status

FORMULA = "r(y) ~ w + r(x)"
TIE_WEIGHT = 0.4


@pytest.fixture(scope="module")
def result():
    return frames.rank_regression(FORMULA, make_table(), tie_weight=TIE_WEIGHT)


@pytest.fixture(scope="module")
def grouped():
    return frames.rank_regression("r(y) ~ w + r(x)", make_table(), by="g")


def reference(**more):
    rows = complete()
    arrays = {name: rows[name].to_numpy() for name in ("y", "x")}
    return {**arrays, "covariates": rows[["w"]], "tie_weight": TIE_WEIGHT, **more}


def test_coefficients_and_covariance_are_those_of_the_definition(result):
    order = [0, 2, 1]
    coefficients = estimate(np.ones(NUM_ROWS), **reference())[order]
    np.testing.assert_allclose(result.params, coefficients, rtol=tolerances.DEFINITION)
    psi = influence(lambda weights: estimate(weights, **reference()), NUM_ROWS)[:, order]
    cov = psi.T @ psi / NUM_ROWS**2
    np.testing.assert_allclose(result.cov_params(), cov, rtol=1e-7)
    np.testing.assert_allclose(result.bse, np.sqrt(np.diag(cov)), rtol=1e-7)


def test_names_and_kinds(result):
    names = ["Intercept", "w", "r(x)"]
    for series in (result.params, result.bse, result.zvalues, result.pvalues):
        assert isinstance(series, pd.Series)
        assert series.index.tolist() == names
        assert series.dtype == np.float64
    assert result.cov_params().index.tolist() == result.cov_params().columns.tolist() == names
    assert result.conf_int().index.tolist() == names
    assert (result.nobs, result.num_dropped, result.num_ranked) == (NUM_ROWS, NUM_MISSING, NUM_ROWS)
    assert repr(result) == "<RankRegressionResult 'r(y) ~ w + r(x)', 60 observations>"
    assert (result.status, result.tie_weight, result.vcov_type) == (Status.OK, TIE_WEIGHT, "rank")
    assert result.status_message == "Done: everything that was asked for was computed."


def test_tests_and_intervals_are_normal(result):
    z = result.params / result.bse
    np.testing.assert_allclose(result.zvalues, z)
    np.testing.assert_allclose(result.pvalues, 2 * stats.norm.sf(np.abs(z)), rtol=1e-12)
    for alpha in (0.05, 0.2):
        half = stats.norm.isf(alpha / 2) * result.bse
        ends = np.stack([result.params - half, result.params + half], axis=1)
        np.testing.assert_allclose(result.conf_int(alpha), ends, rtol=1e-12)


def test_tie_shares_count_tied_rows(result):
    rows = complete()
    expected = [rows[name].duplicated(keep=False).mean() for name in ("y", "x")]
    assert result.tie_shares.index.tolist() == ["r(y)", "r(x)"]
    np.testing.assert_allclose(result.tie_shares, expected)


def test_naive_errors_are_those_of_statsmodels(result):
    rows = complete()
    ranked = [ranks_of(rows[n].to_numpy(), np.ones(NUM_ROWS), TIE_WEIGHT) for n in ("y", "x")]
    design = sm.add_constant(np.column_stack([rows["w"], ranked[1]]))
    model = sm.OLS(ranked[0], design)
    for kind, cov_type in (("iid", "nonrobust"), ("HC1", "HC1")):
        other = frames.rank_regression(FORMULA, make_table(), tie_weight=TIE_WEIGHT, vcov=kind)
        assert other.vcov_type == kind
        expected = model.fit(cov_type=cov_type)
        np.testing.assert_allclose(other.bse, expected.bse, rtol=tolerances.EXACT_ARITHMETIC * 10)
        np.testing.assert_allclose(other.cov_params(), expected.cov_params(), rtol=1e-9)
        np.testing.assert_allclose(result.standard_errors(kind), other.bse)
        pd.testing.assert_series_equal(other.params, result.params)
        text = str(other.summary())
        assert "INCONSISTENT†" in text
        assert "WARNING: std err, z, P>|z| and the interval are inconsistent†; use vcov=" in text
        assert "consistent" in other.summary().columns
    np.testing.assert_allclose(result.rsquared, model.fit().rsquared)


@pytest.mark.parametrize(
    "wrap", [pl.from_pandas, pa.Table.from_pandas, dict], ids=["polars", "pyarrow", "dict"]
)
def test_every_kind_of_table_gives_the_same(result, wrap):
    other = frames.rank_regression(FORMULA, wrap(make_table()), tie_weight=TIE_WEIGHT)
    pd.testing.assert_series_equal(other.params, result.params, check_exact=True)
    assert other.num_dropped == NUM_MISSING


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".dta"])
def test_files_give_the_same(result, tmp_path, kind):
    path = tmp_path / f"table{kind}"
    table = make_table().drop(columns="keep")
    writers = {
        ".csv": lambda: table.to_csv(path, index=False),
        ".parquet": lambda: table.to_parquet(path),
        ".dta": lambda: table.to_stata(path, write_index=False),
    }
    writers[kind]()
    other = frames.rank_regression(FORMULA, frames.read_table(path), tie_weight=TIE_WEIGHT)
    np.testing.assert_allclose(other.params, result.params, rtol=1e-12)


def test_nothing_is_a_jax_array_and_x64_is_left_alone(result):
    assert not jax.config.jax_enable_x64
    fitted = frames.rank_regression(FORMULA, make_table(), tie_weight=TIE_WEIGHT)
    pd.testing.assert_series_equal(fitted.params, result.params, check_exact=True)
    record = (fitted.fit, fitted.sample.order, vars(fitted.sample), vars(fitted.sample.design))
    for leaf in jax.tree.leaves(record):
        assert not isinstance(leaf, jax.Array)
    assert fitted.fit.params.dtype == np.float64
    assert not jax.config.jax_enable_x64
    with jax.enable_x64(True):
        inside = frames.rank_regression(FORMULA, make_table(), tie_weight=TIE_WEIGHT)
    np.testing.assert_allclose(inside.params, result.params, rtol=1e-14)


def test_single_precision_is_near(result):
    single = frames.rank_regression(
        FORMULA, make_table(), tie_weight=TIE_WEIGHT, precision="single"
    )
    assert single.fit.params.dtype == np.float32
    assert single.tie_weight == TIE_WEIGHT
    np.testing.assert_allclose(single.bse, result.bse, rtol=tolerances.SINGLE_FIT)
    np.testing.assert_allclose(single.params, result.params, rtol=tolerances.SINGLE_FIT, atol=1e-6)
    assert single.predict(interval="level").shape == (NUM_ROWS, 4)


def test_fits_share_one_program(result, count_compiles):
    with count_compiles() as compiles:
        for tie_weight in (0.0, 0.7, 1.0):
            frames.rank_regression(FORMULA, make_table(), tie_weight=tie_weight)
    assert compiles.count("_fit") == 0


def test_dropped_coefficients_are_missing_and_said(result):
    table = make_table().assign(w=7.0)
    table.loc[41, "w"] = np.nan
    dropped = frames.rank_regression(FORMULA, table)
    assert dropped.status is Status.COLLINEAR
    assert "Dropped: w." in dropped.status_message
    assert dropped.params.isna().tolist() == [False, True, False]
    assert dropped.bse.isna().tolist() == [False, True, False]
    text = str(dropped.summary())
    assert "Status:" in text
    assert "COLLINEAR: Some columns are linear combinations" in text
    row = next(line for line in text.splitlines() if line.startswith("w "))
    assert row.split() == ["w", "dropped", "|"]
    assert dropped.to_dict()["params"][1] is None
    rows = table.dropna()
    np.testing.assert_allclose(dropped.predict(rows), dropped.predict(), rtol=1e-12)
    test = dropped.wald_test("w = 0")
    assert test.status is Status.COLLINEAR
    assert "reported missing" in test.status_message


def test_tidy_speaks_pyfixest(result, grouped):
    table = result.tidy()
    columns = ["Estimate", "Std. Error", "t value", "Pr(>|t|)", "2.5%", "97.5%"]
    assert table.columns.tolist() == columns
    assert table.index.name == "Coefficient"
    np.testing.assert_allclose(table["Estimate"], result.params)
    np.testing.assert_allclose(table["t value"], result.zvalues)
    np.testing.assert_allclose(table[["2.5%", "97.5%"]], result.conf_int())
    assert result.tidy(alpha=0.1).columns[-2:].tolist() == ["5%", "95%"]
    by_group = grouped.tidy()
    assert by_group.columns.tolist() == ["Term", "Group", *columns]
    assert by_group["Group"].tolist() == ["east", "north", "west"] * 3
    assert by_group["Term"].tolist() == ["Intercept"] * 3 + ["w"] * 3 + ["r(x)"] * 3
    assert by_group.index[3] == "w[east]"


def test_predictions_and_their_intervals_are_those_of_the_definition(result):
    levels, others = np.array([-3.0, 0.5, 99.0, -99.0]), np.array([0.1, -1.0, 2.0, 0.0])
    new = pd.DataFrame({"x": levels, "w": others})
    more = reference(new=(levels, others[:, None]))
    value = estimate(np.ones(NUM_ROWS), **more)
    psi = influence(lambda weights: estimate(weights, **more), NUM_ROWS)
    bse = np.sqrt(np.sum(psi**2, axis=0)) / NUM_ROWS
    predicted = result.predict(new)
    assert predicted.name == "Predicted"
    np.testing.assert_allclose(predicted, value, rtol=1e-10)
    table = result.predict(new, interval="level", alpha=0.1)
    assert table.columns.tolist() == ["Estimate", "Std. Error", "5%", "95%"]
    np.testing.assert_allclose(table["Estimate"], value, rtol=1e-10)
    np.testing.assert_allclose(table["Std. Error"], bse, rtol=1e-6)
    np.testing.assert_allclose(table["95%"], value + stats.norm.isf(0.05) * bse, rtol=1e-6)


def test_predictions_with_fixed_ranks_are_linear_in_the_coefficients(result):
    new = complete().head(7)
    rank = ranks_of(complete()["x"].to_numpy(), np.ones(NUM_ROWS), TIE_WEIGHT, new["x"].to_numpy())
    rows = np.column_stack([np.ones(7), new["w"], rank])
    table = result.predict(new, interval="rank")
    np.testing.assert_allclose(table["Estimate"], rows @ result.params, rtol=1e-12)
    cov = result.cov_params().to_numpy()
    np.testing.assert_allclose(
        table["Std. Error"], np.sqrt(np.einsum("ni,ij,nj->n", rows, cov, rows)), rtol=1e-10
    )


def test_predictions_keep_their_rows(result):
    rows = make_table()
    fitted = result.predict()
    assert (
        fitted.index.tolist() == np.flatnonzero(rows[["y", "x", "w"]].notna().all(axis=1)).tolist()
    )
    outcome = ranks_of(complete()["y"].to_numpy(), np.ones(NUM_ROWS), TIE_WEIGHT)
    np.testing.assert_allclose(fitted + result.fit.residuals, outcome)
    new = result.predict(rows.drop(columns="y"))
    assert new.index.tolist() == list(range(len(rows)))
    assert np.flatnonzero(new.isna()).tolist() == [20, 41]
    np.testing.assert_allclose(new[fitted.index], fitted, rtol=1e-12)
    inside = result.predict(interval="rank")
    np.testing.assert_allclose(inside["Estimate"], fitted, rtol=1e-12)


def test_predictions_by_group(grouped):
    rows = complete()
    fitted = grouped.predict()
    np.testing.assert_allclose(grouped.predict(rows), fitted, rtol=1e-11)
    for kind in ("rank", "level"):
        table = grouped.predict(rows.iloc[[3, 1]], interval=kind)
        np.testing.assert_allclose(table["Estimate"], fitted.iloc[[3, 1]], rtol=1e-11)
        assert (table["Std. Error"] > 0).all()
    with pytest.raises(ValueError, match="g has levels that the sample does not have: south"):
        grouped.predict(rows.head(2).assign(g="south"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="w"), "there is no column 'w'"),
        (lambda rows: rows.assign(x=np.inf), "newdata has infinite values"),
        (lambda rows: rows.assign(w=np.inf), "newdata has infinite values"),
    ],
)
def test_refused_new_rows(result, change, message):
    with pytest.raises(ValueError, match=message):
        result.predict(change(complete().head(3)))


def test_refused_predictions(result):
    with pytest.raises(ValueError, match="interval is 'both'; needed is None, 'rank' or 'level'"):
        result.predict(interval="both")
    with pytest.raises(TypeError, match="table must be a pandas, polars or pyarrow table"):
        result.predict(3)
    with pytest.raises(ValueError, match=r"alpha must lie strictly between 0 and 1, got 5\.0"):
        result.predict(alpha=5)


def test_intervals_at_a_level_need_influence_functions(result):
    fit = dataclasses.replace(result.fit, working_influence=None)
    without = dataclasses.replace(result, fit=fit)
    message = "interval='level' needs the influence functions of 60 rows on 3 coefficients, which"
    with pytest.raises(ValueError, match=f"{message} were too many to keep; take interval='rank'"):
        without.predict(interval="level")
    pd.testing.assert_frame_equal(
        without.predict(interval="rank"), result.predict(interval="rank"), check_exact=True
    )


def test_wald_tests(result, grouped):
    one = result.wald_test("r(x) = 0")
    np.testing.assert_allclose(one.statistic, result.zvalues["r(x)"] ** 2, rtol=1e-10)
    np.testing.assert_allclose(one.pvalue, result.pvalues["r(x)"], rtol=1e-8)
    assert (one.degrees_of_freedom, one.status) == (1, Status.OK)
    matrix = np.zeros((2, 9))
    matrix[0, 6], matrix[0, 7], matrix[1, 6], matrix[1, 8] = 1, -1, 2, 3
    texts = ["r(x)[east] = r(x)[north]", "2*r(x)[east] + 3 * r(x)[west] = 0.5"]
    cov, params = grouped.cov_params().to_numpy(), grouped.params.to_numpy()
    distance = matrix @ params - [0, 0.5]
    expected = distance @ np.linalg.solve(matrix @ cov @ matrix.T, distance)
    for restrictions in (texts, ", ".join(texts), (matrix, [0, 0.5])):
        test = grouped.wald_test(restrictions)
        np.testing.assert_allclose(test.statistic, expected, rtol=1e-8)
        np.testing.assert_allclose(test.pvalue, stats.chi2.sf(expected, 2), rtol=1e-8)
    texts = ["r(x)[east] - r(x)[north]", "2*r(x)[east] + 3*r(x)[west]"]
    alone = grouped.wald_test(matrix)
    np.testing.assert_allclose(alone.statistic, grouped.wald_test(texts).statistic)


@pytest.mark.parametrize(
    ("restrictions", "message"),
    [
        ("r(X) = 0", "there is no coefficient 'r(X)'; did you mean 'r(x)'? there are Intercept, w"),
        ("ww = 0", "there is no coefficient 'ww'"),
        ("w * r(x) = 0", "restrictions 'w * r(x) = 0' are not linear equations"),
        ("w = = 0", "are not linear equations"),
        ("", "restrictions are empty"),
        (np.ones((1, 2)), "restrictions have shape (1, 2); needed are 3 columns, one per"),
        ((np.ones((2, 3)), [0.0]), "values have shape (1,); needed is one per row, 2"),
    ],
)
def test_refused_restrictions(result, restrictions, message):
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        result.wald_test(restrictions)
    assert message in str(raised.value)


def test_mobility(grouped, result):
    table = grouped.mobility(rank=0.3)
    assert table.index.names == ["Measure", "Group"]
    relative = table.loc["relative"]
    np.testing.assert_allclose(relative["Estimate"], grouped.params.iloc[6:], rtol=1e-12)
    np.testing.assert_allclose(relative["Std. Error"], grouped.bse.iloc[6:], rtol=1e-10)
    mean, cov = complete()["w"].mean(), grouped.cov_params().to_numpy()
    row = np.zeros(9)
    row[[1, 4, 7]] = 1, mean, 0.3
    north = table.loc[("absolute", "north")]
    np.testing.assert_allclose(north["Estimate"], row @ grouped.params, rtol=1e-12)
    np.testing.assert_allclose(north["Std. Error"], np.sqrt(row @ cov @ row), rtol=1e-10)
    np.testing.assert_allclose(
        north["97.5%"] - north["2.5%"], 2 * stats.norm.isf(0.025) * north["Std. Error"], rtol=1e-10
    )
    assert result.mobility().index.tolist() == ["absolute", "relative"]
    for rank in (0, 1.5):
        with pytest.raises(ValueError, match="rank must lie strictly between 0 and 1"):
            result.mobility(rank=rank)


def test_bootstrap_is_near_the_asymptotic_errors(result):
    for method in ("percentile", "percentile-t", "normal"):
        table = result.bootstrap(3, num_replicates=300, method=method)
        assert table.index.tolist() == list(result.names)
        assert table.columns.tolist() == ["Estimate", "Std. Error", "2.5%", "97.5%"]
        np.testing.assert_allclose(table["Std. Error"], result.bse, rtol=0.2)
        np.testing.assert_allclose(table[["2.5%", "97.5%"]], result.conf_int(), atol=0.12)
        assert table.attrs == {"method": method, "num_replicates": 300, "num_failed": 0}
    again = result.bootstrap(jax.random.key(3), num_replicates=300, method="normal")
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": 0, "method": "basic"}, ValueError, "method is 'basic'; needed is one of perc"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 1.5}, TypeError, "seed must be a Python int"),
        ({"seed": 0, "num_replicates": 0}, ValueError, "num_replicates must be at least 1, got 0"),
        ({"seed": 0, "alpha": 0.0}, ValueError, "alpha must lie strictly between 0 and 1"),
    ],
)
def test_refused_bootstraps(result, arguments, error, message):
    with pytest.raises(error, match=message):
        result.bootstrap(**arguments)


def test_record_is_json_and_complete(result, grouped, tmp_path):
    path = tmp_path / "fit.json"
    grouped.save(path)
    record = json.loads(path.read_text())
    assert record == grouped.to_dict()
    assert record["names"] == list(grouped.names)
    np.testing.assert_array_equal(record["params"], grouped.params)
    np.testing.assert_array_equal(record["cov"], grouped.cov_params())
    np.testing.assert_array_equal(record["bse_by_kind"]["HC1"], grouped.standard_errors("HC1"))
    assert (record["n"], record["num_dropped"], record["by"]) == (NUM_ROWS, NUM_MISSING, "g")
    assert record["groups"] == ["east", "north", "west"]
    assert record["tie_shares"].keys() == {"r(y)", "r(x)"}
    assert record["status"] == "OK"
    assert {"python", "jaxpapers", "jax", "numpy", "formulaic"} == record["versions"].keys()
    assert result.to_dict()["by"] is None
