"""Subsets, groups, missing values, and data that identify nothing."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tolerances
from frame_cases import NUM_ROWS, complete, estimate, influence, make_table, ranks_of

from jaxpapers import frames
from jaxpapers.engine import Status
from jaxpapers.frames.formulas import parse_formula
from jaxpapers.frames.inference import places_among_all
from jaxpapers.frames.samples import read_sample

FORMULA = "r(y) ~ r(x) + w"


@pytest.fixture(scope="module")
def over_all():
    return frames.rank_regression(FORMULA, make_table(), subset="keep", ranks_over="all")


def read(table, by=None, subset=None, ranks_over=None):
    formula = parse_formula(FORMULA, by)
    return read_sample(formula, table, missing="drop", subset=subset, ranks_over=ranks_over)


def arrays(rows):
    return {
        "y": rows["y"].to_numpy(),
        "x": rows["x"].to_numpy(),
        "covariates": rows[["w"]],
        "tie_weight": 1.0,
    }


def test_ranks_over_all_rows_are_those_of_the_definition(over_all):
    """Influence of every row, in the subset or not, by the numerical derivative."""
    rows = complete()
    members = rows["keep"].to_numpy()

    def coefficients(weights):
        return estimate(weights, **arrays(rows), members=members)

    np.testing.assert_allclose(
        over_all.params, coefficients(np.ones(NUM_ROWS)), rtol=tolerances.DEFINITION
    )
    psi = influence(coefficients, NUM_ROWS)
    np.testing.assert_allclose(over_all.fit.influence, psi, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(over_all.cov_params(), psi.T @ psi / NUM_ROWS**2, rtol=1e-6)
    assert (np.abs(psi[~members]) > 1e-3).any()
    assert (over_all.nobs, over_all.num_ranked) == (members.sum(), NUM_ROWS)


def test_naive_errors_over_all_rows_are_those_of_the_subset(over_all):
    rows = complete()
    members = rows["keep"].to_numpy()
    ones = np.ones(NUM_ROWS)
    ranked = [ranks_of(rows[name].to_numpy(), ones, 1.0)[members] for name in ("y", "x")]
    design = np.column_stack([ones[members], ranked[1], rows["w"][members]])
    inverse = np.linalg.inv(design.T @ design)
    residuals = ranked[0] - design @ over_all.params
    freedom = members.sum() - 3
    iid = inverse * np.sum(residuals**2) / freedom
    meat = design.T @ (design * residuals[:, None] ** 2)
    hc1 = inverse @ meat @ inverse * members.sum() / freedom
    np.testing.assert_allclose(over_all.covariance("iid"), iid, rtol=1e-10)
    np.testing.assert_allclose(over_all.covariance("HC1"), hc1, rtol=1e-10)
    total = np.sum((ranked[0] - ranked[0].mean()) ** 2)
    np.testing.assert_allclose(over_all.rsquared, 1 - np.sum(residuals**2) / total, rtol=1e-12)


def test_everything_else_works_over_all_rows(over_all):
    rows = complete()
    fitted = over_all.predict()
    assert fitted.index.tolist() == np.flatnonzero(make_table().eval(
        "keep and y == y and x == x and w == w"
    )).tolist()  # fmt: skip
    for interval in ("rank", "level"):
        table = over_all.predict(rows[rows["keep"]], interval=interval)
        np.testing.assert_allclose(table["Estimate"], fitted, rtol=1e-10)
    assert over_all.wald_test("r(x) = 0").status is Status.OK
    assert over_all.mobility().shape == (2, 4)
    header = dict(over_all.summary().header)
    assert header["Ranked over"] == "60 rows"
    assert header["Observations"] == str(int(rows["keep"].sum()))


def test_grouped_over_all_rows():
    """The groups of a subset have the joint covariance of a fit with the rest as a group."""
    table = make_table()
    part = table["g"] != "west"
    result = frames.rank_regression(FORMULA, table, by="g", subset=part, ranks_over="all")
    whole = frames.rank_regression(FORMULA, table, by="g")
    assert result.groups == ("east", "north")
    names = list(result.names)
    np.testing.assert_allclose(result.params, whole.params[names], rtol=1e-10)
    np.testing.assert_allclose(result.cov_params(), whole.cov_params().loc[names, names], rtol=1e-9)
    assert result.fit.num_groups == 2
    among_all = whole.positions[[whole.names.index(name) for name in names]]
    np.testing.assert_array_equal(places_among_all(result), among_all)


def test_ranks_over_the_subset_are_those_of_the_rows_alone():
    table = make_table()
    alone = read(table[table["keep"]])
    for subset in ("keep", "keep == True", table["keep"], table["keep"].to_numpy()):
        part = read(table, subset=subset, ranks_over="subset")
        for ours, expected in zip(part.order, alone.order, strict=True):
            np.testing.assert_array_equal(ours.order, expected.order)
            np.testing.assert_array_equal(ours.ends, expected.ends)
        np.testing.assert_array_equal(part.design.covariates, alone.design.covariates)
        np.testing.assert_array_equal(part.rows, np.flatnonzero(table["keep"])[alone.rows])
        assert part.codes is None
        assert not part.ranks_more
        assert part.num_missing == alone.num_missing


def test_a_subset_of_all_rows_changes_nothing():
    table = make_table()
    whole = frames.rank_regression(FORMULA, table)
    all_rows = np.ones(len(table), bool)
    part = frames.rank_regression(FORMULA, table, subset=all_rows, ranks_over="all")
    pd.testing.assert_series_equal(part.bse, whole.bse, check_exact=True)


def test_the_formula_and_by_name_the_same_groups():
    table = make_table()
    by = frames.rank_regression(FORMULA, table, by="g")
    for text in ("r(y) ~ (r(x) + w):g", "r(y) ~ g + (r(x) + w):g - 1", "r(y) ~ (r(x) + w):C(g)"):
        inside = frames.rank_regression(text, table)
        pd.testing.assert_series_equal(inside.params, by.params, check_exact=True)
        pd.testing.assert_frame_equal(inside.cov_params(), by.cov_params(), check_exact=True)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_any_order_of_the_levels_is_right(kind):
    """csranks has wrong standard errors where levels are not in alphabetical order."""
    table = make_table()
    sorted_levels = frames.rank_regression(FORMULA, table, by="g")
    order = ["west", "east", "south", "north"]
    if kind == "pandas":
        table["g"] = pd.Categorical(table["g"], categories=order)
    else:
        table = pl.from_pandas(table).with_columns(pl.col("g").cast(pl.Enum(order)))
    result = frames.rank_regression(FORMULA, table, by="g")
    assert result.groups == ("west", "east", "north")
    names = list(sorted_levels.names)
    np.testing.assert_allclose(result.params[names], sorted_levels.params, rtol=1e-12)
    np.testing.assert_allclose(
        result.cov_params().loc[names, names], sorted_levels.cov_params(), rtol=1e-10
    )


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        ([10, 2, 7], ("2", "7", "10")),
        ([10.0, 2.0, 7.5], ("2", "7.5", "10")),
        ([True, False, True], ("False", "True")),
    ],
    ids=["integers", "floats", "booleans"],
)
def test_numbers_can_be_groups_by_name(codes, labels):
    table = complete()
    table["h"] = np.array(codes)[np.arange(len(table)) % len(codes)]
    assert read(table, by="h").levels.labels == labels


def test_missing_groups_are_dropped_and_counted():
    table = make_table()
    table.loc[[0, 1], "g"] = None
    assert read(table, by="g").num_missing == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subset": "keep"}, "subset needs ranks_over: 'subset' takes ranks among the rows of"),
        ({"ranks_over": "all"}, "ranks_over is 'all' but subset is None; give both or none"),
        ({"subset": "keep", "ranks_over": "some"}, "ranks_over is 'some'; needed is one of"),
        ({"vcov": "HC3"}, "vcov is 'HC3'; needed is one of 'rank', 'iid', 'HC1'"),
        ({"missing": "fill"}, "missing is 'fill'; needed is one of 'drop', 'raise'"),
        ({"precision": "half"}, "precision is 'half'; needed is one of 'double', 'single'"),
        ({"tie_weight": 1.5}, "tie_weight is 1.5; needed is a number in [0, 1]"),
        ({"by": "G"}, "there is no column 'G'; did you mean 'g'?"),
        ({"missing": "raise"}, "3 rows have missing values in y, x, w; fill them, or leave"),
        (
            {"subset": "w > 99", "ranks_over": "subset"},
            "no rows are left: table has 63, of which subset takes 0, and 0 are left out",
        ),
        ({"subset": "w > 99", "ranks_over": "all"}, "no rows are left in subset"),
        (
            {"subset": np.arange(63) < 2, "ranks_over": "subset"},
            "there are 2 complete rows for 3 coefficients; needed are at least as many",
        ),
        (
            {"by": "h"},
            "groups of 'h' are too small: a (2), b (1); needed are at least 3 rows, one per",
        ),
    ],
)
def test_refused_arguments(arguments, message):
    table = make_table().assign(h="c")
    table.loc[[0, 1], "h"] = "a"
    table.loc[[2], "h"] = "b"
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        frames.rank_regression(FORMULA, table, **arguments)
    assert message in str(raised.value)


def test_tie_weights_of_other_types():
    for value in ("1", True, None):
        with pytest.raises(TypeError, match="tie_weight must be a number, got"):
            frames.rank_regression(FORMULA, make_table(), tie_weight=value)


@pytest.mark.parametrize(
    ("formula", "change", "message"),
    [
        (FORMULA, {"x": 2.0}, "the regressor x is 2.0 in all 61 rows, so r(x) has no coefficient"),
        (
            FORMULA,
            {"y": 2.0},
            "the outcome y is 2.0 in all 61 rows, so there is nothing to explain",
        ),
        (FORMULA, {"y": np.inf}, "y is infinite in 61 rows; leave them out or make them missing"),
        (FORMULA, {"x": -np.inf}, "x is infinite in 61 rows"),
        (FORMULA, {"w": np.inf}, "w is infinite in 61 rows"),
        ("r(y) ~ r(x) + log(w)", {"w": 0.0}, "log(w) is infinite in 61 rows"),
        ("r(np.log(y)) ~ r(x)", {"y": 0.0}, "np.log(y) is infinite in 62 rows"),
        (FORMULA, {"y": np.nan}, "no rows are left: table has 63, and 63 are left out"),
        ("r(y) ~ r(x) + log(w)", {"w": -1.0}, "no rows are left: table has 63, and 63 are left"),
        ("r(y) ~ 0", {}, "formula has no regressors and no intercept; needed is one of them"),
        ("r(y) ~ (r(x) + w):g", {"g": [1, "a", 2.5] * 21}, "column 'g' mixes types"),
    ],
)
def test_refused_data(formula, change, message):
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        frames.rank_regression(formula, make_table().assign(**change))
    assert message in str(raised.value)


def test_undefined_functions_of_the_data_are_missing():
    table = make_table().assign(w=np.where(np.arange(63) == 41, -1.0, 2.0 + np.arange(63)))
    result = frames.rank_regression("r(y) ~ r(x) + log(w)", table)
    assert (result.nobs, result.num_dropped) == (60, 3)
    assert np.flatnonzero(result.predict(table).isna()).tolist() == [20, 41]
    with pytest.raises(ValueError, match="3 rows have missing values in y, x, w"):
        frames.rank_regression("r(y) ~ r(x) + log(w)", table, missing="raise")


def test_a_collinear_group_is_named():
    table = make_table()
    table.loc[(table["g"] == "east") & table["x"].notna(), "x"] = 1.0
    result = frames.rank_regression(FORMULA, table, by="g")
    assert result.status is Status.COLLINEAR
    assert result.status_message.endswith("Dropped: r(x)[east].")
    assert np.isnan(result.params["r(x)[east]"])
    assert np.isfinite(result.params.drop("r(x)[east]")).all()
    assert result.predict(table[table["g"] == "east"].dropna()).isna().all()


def test_outcome_on_a_constant_alone():
    """csranks has no standard errors for this; at w = 1/2 the mean rank is a fixed number."""
    result = frames.rank_regression("r(y) ~ 1", make_table(), tie_weight=0.5)
    num_obs = result.nobs
    np.testing.assert_allclose(result.params["Intercept"], 0.5 + 0.5 / num_obs, rtol=1e-12)
    np.testing.assert_allclose(result.bse["Intercept"], 0.5 * num_obs**-1.5, rtol=1e-9)
    assert result.predict(make_table().head(3)).tolist() == [result.params["Intercept"]] * 3
    with pytest.raises(ValueError, match="mobility needs a ranked regressor and an intercept"):
        result.mobility()


def test_rank_on_level_predicts_by_levels():
    result = frames.rank_regression("r(y) ~ x + w", make_table())
    rows = complete()
    expected = result.params["Intercept"] + rows[["x", "w"]] @ result.params[["x", "w"]]
    table = result.predict(rows, interval="level")
    np.testing.assert_allclose(table["Estimate"], expected, rtol=1e-12)
    with pytest.raises(ValueError, match="interval is 'rank', but no regressor is ranked"):
        result.predict(rows, interval="rank")
    assert result.tie_shares.index.tolist() == ["r(y)"]


def test_new_levels_of_a_category_are_refused():
    table = make_table()
    table["side"] = np.where(table["w"].isna(), None, np.where(table["w"] > 0, "up", "down"))
    result = frames.rank_regression("r(y) ~ r(x) + side", table)
    assert result.names == ("Intercept", "r(x)", "side[T.up]")
    rows = table.dropna().head(4)
    np.testing.assert_allclose(result.predict(rows), result.predict()[rows.index])
    with pytest.raises(ValueError, match="there are levels that the sample does not have, 'left'"):
        result.predict(rows.assign(side="left"))
