"""Formulas evaluated on a table: arrays in, arrays out, for the sample and for new rows."""

import ast
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Real

from .. import engine
from .formulas import RankFormula, Variable, python_expression
from .names import listed

if TYPE_CHECKING:
    import pandas

INTERCEPT = "Intercept"
NUMBERS_NEEDED = "needed are numbers (those of an ordered category c are c.cat.codes)"


@dataclass(frozen=True)
class Encoding:
    """How columns of a table become columns of a design, fixed by the sample.

    Attributes:
        regressor: formulaic's specification of what is ranked, None if no regressor is.
        covariates: formulaic's specification of the covariates, None without.
        covariate_names: names of the covariate columns, the constant left out.
        formula: the formula.
    """

    regressor: Any
    covariates: Any
    covariate_names: tuple[str, ...]
    formula: RankFormula

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns as the arrays hold them: intercept, regressor, covariates."""
        head = (INTERCEPT,) if self.formula.intercept else ()
        ranked = (self.formula.regressor.label,) if self.formula.regressor else ()
        return (*head, *ranked, *self.covariate_names)

    @property
    def reported(self) -> tuple[int, ...]:
        """Places in `columns` in the order of the formula, the intercept first."""
        place = int(self.formula.intercept)
        next_covariate = place + (self.formula.regressor is not None)
        order = [0] if self.formula.intercept else []
        widths = {} if self.covariates is None else _widths(self.covariates)
        for term in self.formula.terms:
            if term is None:
                order.append(place)
                continue
            width = widths[str(term)]
            order.extend(range(next_covariate, next_covariate + width))
            next_covariate += width
        return tuple(order)

    def new_rows(
        self, frame: "pandas.DataFrame"
    ) -> tuple[Real[np.ndarray, " new"] | None, Float[np.ndarray, "new covariate"] | None]:
        """Levels of the regressor and covariates of new rows.

        Args:
            frame: the columns that the formula needs, complete.

        Returns:
            Regressor and covariates, None where the formula has none.

        Raises:
            ValueError: levels of a category that the sample does not have, a term that cannot be
                evaluated.
        """
        regressor = covariates = None
        if self.regressor is not None:
            regressor = _first_column(_matrix(self.regressor, frame))
        if self.covariates is not None:
            covariates = _without_constant(_matrix(self.covariates, frame))
        return regressor, covariates


@dataclass(frozen=True)
class Design:
    """A formula evaluated on the sample.

    Attributes:
        outcome: values of the outcome, in the dtype of the data if it is ranked.
        regressor: values of what is ranked among the regressors, or None.
        covariates: covariates, or None.
        encoding: how they were made.
    """

    outcome: Real[np.ndarray, " obs"]
    regressor: Real[np.ndarray, " obs"] | None
    covariates: Float[np.ndarray, "obs covariate"] | None
    encoding: Encoding

    def complete(self) -> Bool[np.ndarray, " obs"]:
        """Rows in which no function of the data, such as a logarithm, is undefined."""
        complete = ~_is_nan(self.outcome)
        if self.regressor is not None:
            complete &= ~_is_nan(self.regressor)
        if self.covariates is not None:
            complete &= ~np.isnan(self.covariates).any(axis=1)
        return complete

    def check_finite(self) -> None:
        """Checks that no column is infinite.

        Raises:
            ValueError: one is; the message has its name.
        """
        formula = self.encoding.formula
        named: list[tuple[str, Any]] = [(str(formula.outcome.factor), self.outcome)]
        if formula.regressor is not None:
            named.append((str(formula.regressor.factor), self.regressor))
        if self.covariates is not None:
            named.extend(zip(self.encoding.covariate_names, self.covariates.T, strict=True))
        for name, values in named:
            count = int(np.isinf(values).sum()) if values.dtype.kind == "f" else 0
            if count:
                raise ValueError(
                    f"{name} is infinite in {count} row{'s' if count > 1 else ''}; leave them out "
                    "or make them missing"
                )


def required_columns(formula: RankFormula) -> tuple[str, ...]:
    """Columns of the table that a formula needs, the group included.

    Args:
        formula: the formula.

    Returns:
        Names, each once.

    Raises:
        ValueError: a function that formulas do not know.
    """
    return tuple(dict.fromkeys([*_columns_of(formula.outcome.factor), *regressor_columns(formula)]))


def regressor_columns(formula: RankFormula) -> tuple[str, ...]:
    """Columns that the right-hand side needs, the group included.

    Args:
        formula: the formula.

    Returns:
        Names, each once.

    Raises:
        ValueError: a function that formulas do not know.
    """
    names = [name for factor in formula.regressor_factors for name in _columns_of(factor)]
    return tuple(dict.fromkeys([*names, *([formula.group] if formula.group else [])]))


def _columns_of(factor: Any) -> list[str]:
    if factor.eval_method.value != "python":
        return [factor.expr] if factor.eval_method.value == "lookup" else []
    transforms = engine.require_extra("formulaic.transforms", "formula").TRANSFORMS
    tree, aliases = python_expression(factor.expr)
    nodes = list(ast.walk(tree))
    called = {node.func for node in nodes if isinstance(node, ast.Call)}
    owners = {node.value for node in nodes if isinstance(node, ast.Attribute)}
    names = []
    for node in nodes:
        if not isinstance(node, ast.Name):
            continue
        if node in called and node.id not in transforms:
            raise ValueError(
                f"there is no function {node.id!r} (in {factor}); NumPy's functions are written "
                f"np.{node.id}"
            )
        is_module = node in owners and node.id in transforms
        if node not in called and not is_module:
            names.append(aliases.get(node.id, node.id))
    return names


def build_design(formula: RankFormula, frame: "pandas.DataFrame") -> Design:
    """Evaluates a formula on the sample.

    Args:
        formula: the formula.
        frame: the columns that it needs, complete.

    Returns:
        The design.

    Raises:
        ValueError: a variable that is not a number where one is needed, a term that cannot be
            evaluated, text with as many values as rows.
    """
    formulaic = engine.require_extra("formulaic", "formula")
    types = engine.require_extra("formulaic.parser.types", "formula")
    for variable in (formula.outcome, formula.regressor):
        if variable is not None:
            _check_level(variable, frame)
    _check_categories(formula, frame)
    if any(factor.expr == INTERCEPT for factor in formula.regressor_factors):
        raise ValueError(f"a column called {INTERCEPT!r} is taken for the constant; rename it")
    parts = {"outcome": [types.Term([formula.outcome.factor])]}
    if formula.regressor is not None:
        parts["regressor"] = [types.Term([formula.regressor.factor])]
    covariates = [term for term in formula.terms if term is not None]
    if covariates:
        constant = [types.Term([types.Factor("1", eval_method="literal")])]
        parts["covariates"] = (constant if formula.intercept else []) + covariates
    matrices = _matrix(formulaic.Formula(**parts), frame)
    outcome = _numbers(formula.outcome, matrices.outcome)
    regressor = formula.regressor and _numbers(formula.regressor, matrices.regressor)
    values = _without_constant(matrices.covariates) if covariates else None
    names = [n for n in matrices.covariates.columns if n != INTERCEPT] if covariates else []
    encoding = Encoding(
        regressor=None if formula.regressor is None else matrices.regressor.model_spec,
        covariates=matrices.covariates.model_spec if covariates else None,
        covariate_names=tuple(map(str, names)),
        formula=formula,
    )
    return Design(outcome, regressor, values, encoding)


def _check_level(variable: Variable, frame: "pandas.DataFrame") -> None:
    """Refuses a column that holds no numbers before it is encoded as categories."""
    if variable.factor.eval_method.value != "lookup":
        return
    dtype = frame[variable.factor.expr].dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "buif":
        kind = _kind(dtype)
        raise ValueError(f"{variable.label}: {variable.factor} is {kind}; {NUMBERS_NEEDED}")


def _kind(dtype: Any) -> str:
    """Name of a dtype; that of text is not the same in all versions of pandas."""
    return "text" if str(dtype) in ("object", "str", "string") else str(dtype)


def _check_categories(formula: RankFormula, frame: "pandas.DataFrame") -> None:
    """Refuses categories that would become as many columns as there are rows."""
    terms = [term for term in formula.terms if term is not None]
    for factor in (factor for term in terms for factor in term.factors):
        if factor.eval_method.value != "lookup" and not factor.expr.startswith("C("):
            continue
        for name in _columns_of(factor):
            column: Any = frame[name]
            counted = factor.expr.startswith("C(") or column.dtype.kind not in "buif"
            if counted and column.nunique() >= max(len(column), 2):
                raise ValueError(
                    f"column {name!r} ({_kind(column.dtype)}) would be categories, but it has a "
                    f"different value in each of {len(column)} rows, such as {column.iloc[0]!r}; "
                    "convert it to numbers or leave it out"
                )


def _matrix(spec: Any, frame: "pandas.DataFrame") -> Any:
    """Evaluates a formula, or what was made of one before, without dropping rows."""
    errors = engine.require_extra("formulaic.errors", "formula")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", errors.DataMismatchWarning)
            return spec.get_model_matrix(frame, na_action="ignore", output="pandas")
    except errors.DataMismatchWarning as error:
        levels = str(error).partition("{")[2].partition("}")[0]
        raise ValueError(
            f"there are levels that the sample does not have, {levels}; predictions need levels "
            "from the sample"
        ) from error
    except (errors.FormulaicError, SyntaxError, TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"formula cannot be evaluated on the table: {reason}") from error


def _first_column(matrix: "pandas.DataFrame") -> Real[np.ndarray, " row"]:
    return matrix.iloc[:, 0].to_numpy()


def _numbers(variable: Variable, matrix: Any) -> Real[np.ndarray, " row"]:
    """The one numeric column that an outcome or a ranked regressor must be."""
    kinds = {kind.value for kind, _ in matrix.model_spec.encoder_state.values()}
    values = _first_column(matrix)
    if "categorical" in kinds or values.dtype.kind not in "buif":
        raise ValueError(f"{variable.label}: {variable.factor} is not numeric; {NUMBERS_NEEDED}")
    if matrix.shape[1] != 1:
        raise ValueError(
            f"{variable.label}: {variable.factor} has {matrix.shape[1]} columns "
            f"({listed(matrix.columns)}); needed is one"
        )
    return values if variable.ranked else values.astype(np.float64)


def _without_constant(matrix: "pandas.DataFrame") -> Float[np.ndarray, "row covariate"]:
    kept = [place for place, name in enumerate(matrix.columns) if name != INTERCEPT]
    return matrix.iloc[:, kept].to_numpy(np.float64)


def _widths(spec: Any) -> dict[str, int]:
    """Number of columns of each term."""
    return {str(entry.term): len(entry.columns) for entry in spec.structure}


def _is_nan(values: Real[np.ndarray, " row"]) -> Bool[np.ndarray, " row"]:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
