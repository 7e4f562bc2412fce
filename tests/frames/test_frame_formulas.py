"""What formulas mean, and what they refuse with which message."""

import numpy as np
import pandas as pd
import pytest

from jaxpapers import frames
from jaxpapers.frames.design import build_design, required_columns
from jaxpapers.frames.formulas import COVERED, parse_formula
from jaxpapers.frames.tables import as_table, read_columns

RANDOM = np.random.default_rng(5)
NUM_ROWS = 40
TABLE = pd.DataFrame(
    {
        "y": RANDOM.normal(size=NUM_ROWS),
        "x": RANDOM.integers(0, 9, NUM_ROWS),
        "w": RANDOM.uniform(1, 2, NUM_ROWS),
        "g": RANDOM.choice(list("abc"), NUM_ROWS),
        "flag": RANDOM.random(NUM_ROWS) > 0.5,
        "name": [f"n{i}" for i in range(NUM_ROWS)],
        "day": pd.date_range("2020-01-01", periods=NUM_ROWS),
        "my x": RANDOM.normal(size=NUM_ROWS),
        "Intercept": 1.0,
    }
)
TABLE["level"] = pd.Categorical(TABLE["g"], categories=["c", "b", "a"], ordered=True)


def design(text, by=None, table=TABLE):
    formula = parse_formula(text, by)
    columns = read_columns(as_table(table), required_columns(formula), None)
    return build_design(formula, columns.frame)


def reported(built):
    return [built.encoding.columns[place] for place in built.encoding.reported]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("r(y) ~ r(x)", ["Intercept", "r(x)"]),
        (
            "r(y) ~ w + r(x, increasing=False) + I(w**2) - 1",
            ["w", "r(x, increasing=False)", "I(w ** 2)"],
        ),
        ("r(y) ~ r(`my x`) + flag + 0", ["r(`my x`)", "flag"]),
        ("r(`my x` * 2) ~ r(np.log(w))", ["Intercept", "r(np.log(w))"]),
        ("log(w) ~ r(x)", ["Intercept", "r(x)"]),
        ("r(y) ~ g + r(x) - 1", ["g[a]", "g[b]", "g[c]", "r(x)"]),
        ("r(y) ~ r(x) + level", ["Intercept", "r(x)", "level[T.b]", "level[T.a]"]),
        ("r(y) ~ x + r(x) + C(x > 3)", ["Intercept", "x", "r(x)", "C(x > 3)[T.True]"]),
        ("r(y) ~ x:w + r(x) + w", ["Intercept", "r(x)", "w", "x:w"]),
        ("r(y) ~ r(x) + g:w", ["Intercept", "r(x)", "g[a]:w", "g[b]:w", "g[c]:w"]),
        ("r(y) ~ r(x) + poly(w, 2)", ["Intercept", "r(x)", "poly(w, 2)[1]", "poly(w, 2)[2]"]),
        ("r(y) ~ r(name.str.len() + day.dt.day)", ["Intercept", "r(name.str.len() + day.dt.day)"]),
        ("r(level.cat.codes) ~ w", ["Intercept", "w"]),
        ("r(y) ~ 1", ["Intercept"]),
        ("r(y) ~ (r(x) + w + x:w):g", ["Intercept", "r(x)", "w", "x:w"]),
        ("r(y) ~ (w + r(x)):C(x) - 1", ["w", "r(x)"]),
        ("r(y) ~ g + (w + r(x)):g - 1", ["Intercept", "w", "r(x)"]),
        ("r(y) ~ r(x) %in% g", ["Intercept", "r(x)"]),
    ],
)
def test_names_are_those_of_the_formula_in_its_order(text, names):
    assert reported(design(text)) == names


def test_arrays_are_evaluated_columns():
    built = design("log(w) ~ x:w + r(x) + np.sqrt(w) + flag")
    np.testing.assert_allclose(built.outcome, np.log(TABLE["w"]))
    assert built.regressor.dtype == np.int64
    np.testing.assert_array_equal(built.regressor, TABLE["x"])
    expected = np.stack([np.sqrt(TABLE["w"]), TABLE["flag"], TABLE["x"] * TABLE["w"]], axis=1)
    np.testing.assert_allclose(built.covariates, expected)


def test_ranks_come_from_the_data_as_given():
    """Integers that are one number in float64 are ranked apart."""
    table = TABLE.assign(x=2**60 + np.arange(NUM_ROWS) % 2)
    assert set(design("r(y) ~ r(x)", table=table).regressor) == {2**60, 2**60 + 1}


@pytest.mark.parametrize(
    ("text", "by", "group", "intercept"),
    [
        ("r(y) ~ r(x):g", None, "g", True),
        ("r(y) ~ (r(x) + w):g", None, "g", True),
        ("r(y) ~ (r(x) + w):g - 1", None, "g", False),
        ("r(y) ~ r(x):C(`a b`) + C(`a b`) - 1", None, "a b", True),
        ("r(y) ~ r(x)", "g", "g", True),
        ("r(y) ~ r(x) + w:g", None, None, True),
    ],
)
def test_groups(text, by, group, intercept):
    formula = parse_formula(text, by)
    assert (formula.group, formula.intercept) == (group, intercept)


def test_directions():
    formula = parse_formula("r(y, increasing=False) ~ r(x)")
    assert (formula.outcome.increasing, formula.regressor.increasing) == (False, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r(y) ~ log(r(x))", f"the term log(r(x)): {COVERED}"),
        ("r(y) ~ I(r(x)**2)", f"the term I(r(x) ** 2): {COVERED}"),
        ("r(y) ~ r(x) + {r(x)**2}", f"the term r(x) ** 2: {COVERED}"),
        ("r(y) ~ r(x)**2", f"the power r(x)**2: {COVERED}"),
        ("r(y) ~ r(x)^2", f"the power r(x)^2: {COVERED}"),
        ("r(y) ~ r(x)*w", f"the term r(x):w beside r(x): {COVERED}"),
        ("r(y) ~ (r(x) + w)**2", f"the term r(x):w beside r(x): {COVERED}"),
        ("r(y) ~ r(x)/g", f"the term r(x):g beside r(x): {COVERED}"),
        ("r(y) ~ 2:r(x)", f"the term 2:r(x): {COVERED}"),
        ("r(y) ~ r(x):w:g", f"the term r(x):w:g: {COVERED}"),
        ("r(y) ~ r(x):log(w)", f"the term r(x):log(w): {COVERED}"),
        ("r(y) ~ poly(r(x), 2)", f"the term poly(r(x), 2): {COVERED}"),
        ("r(y) ~ r(r(x))", f"the term r(r(x)): {COVERED}"),
        ("r(y) ~ r(x):r(w)", f"the term r(x):r(w): {COVERED}"),
        ("log(r(y)) ~ r(x)", f"the term log(r(y)): {COVERED}"),
        ("r(y) ~ r(x) + r(w)", "there are 2 ranked regressors, r(w), r(x); covered is one"),
        ("r(y) ~ r(x):g + w", "the term w is the same for all groups 'g', which is not covered"),
        ("r(y) ~ r(x, omega=1)", "the tie weight is the same for all ranks; give tie_weight="),
        ("r(y) ~ r(x, tie_weight=1)", "the tie weight is the same for all ranks"),
        ("r(y) ~ r(x, method='min')", "r() has no argument 'method', only increasing"),
        ("r(y) ~ r(x, False)", "has 2 values; needed is one, and the direction by name"),
        ("r(y) ~ r()", "r() has 0 values; needed is one"),
        ("r(y) ~ r(x, increasing=FALSE)", "increasing must be True or False, got FALSE"),
        ("r(y) ~ r(1)", "r(1): r() needs a column, got 1"),
        ("y ~ x", "ranks nothing; write r(...) around the outcome or a regressor, or use ordinary"),
        ("~ r(x)", "formula '~ r(x)' has no outcome; needed is 'outcome ~ regressors'"),
        ("r(y) + r(w) ~ x", "has the left-hand side r(y) + r(w); needed is one outcome"),
        ("r(y) ~ r(x) | w", "has several parts; needed is one right-hand side"),
        ("r(y) ~ ((r(x)", "cannot be read: Could not find matching context marker."),
        ("r(y) ~ r(x) +* w", "cannot be read: Operator"),
        ("r(y) ~ r(x y)", "cannot be read: invalid syntax"),
        ("r(y) ~ .", "cannot be read: '.' does not stand for columns here; write them out"),
    ],
)
def test_refused_formulas(text, message):
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        parse_formula(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "by", "message"),
    [
        ("r(y) ~ r(x):g", "g", "by is 'g', but the formula has the group 'g' already"),
        ("r(y) ~ r(x) + g", "g", "the term g has the column of by='g'"),
        ("r(y) ~ r(x) + w:C(g)", "g", "the term w:C(g) has the column of by='g'"),
    ],
)
def test_refused_groups(text, by, message):
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        parse_formula(text, by)
    assert message in str(raised.value)


def test_arguments_of_other_types():
    with pytest.raises(TypeError, match="formula must be a string, got int"):
        parse_formula(3)
    with pytest.raises(TypeError, match="by must be the name of one column, got list"):
        parse_formula("r(y) ~ r(x)", ["g"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r(y) ~ r(X)", "there is no column 'X'; did you mean 'x'? there are y, x, w, g, flag"),
        ("r(y) ~ r(x) + zz", "there is no column 'zz'; there are y, x, w"),
        ("r(y) ~ r(x) + levle", "there is no column 'levle'; did you mean 'level'?"),
        ("r(y) ~ r(x) + sqrt(w)", "there is no function 'sqrt' (in sqrt(w)); NumPy's functions"),
        ("r(y) ~ r(x) + np.sqroot(w)", "Unable to evaluate factor `np.sqroot(w)`"),
        ("r(g) ~ r(x)", "r(g): g is text; needed are numbers (those of an ordered category"),
        ("r(y) ~ r(level)", "r(level): level is category; needed are numbers"),
        ("r(y) ~ r(day)", "r(day): day is datetime64"),
        ("g ~ r(x)", "g: g is text; needed are numbers"),
        ("r(g + g) ~ r(x)", "r(g + g): g + g is not numeric; needed are numbers"),
        ("r(poly(w, 2)) ~ r(x)", "has 2 columns (poly(w, 2)[1], poly(w, 2)[2]); needed is one"),
        ("r(y) ~ r(x) + name", "column 'name' (text) would be categories, but it has a different"),
        ("r(y) ~ r(x) + C(w)", "column 'w' (float64) would be categories, but it has a different"),
        ("r(y) ~ r(x) + Intercept", "a column called 'Intercept' is taken for the constant"),
    ],
)
def test_refused_columns(text, message):
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        design(text)
    assert message in str(raised.value)


def test_a_number_is_no_group_unless_said_so():
    table = TABLE[["y", "x"]]
    with pytest.raises(ValueError, match=r"multiplies a rank with the number 'x'.*write C\(x\)"):
        frames.rank_regression("r(y) ~ r(y):x", table)
