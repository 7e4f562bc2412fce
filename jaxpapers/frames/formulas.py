"""Formulas with `r()`: what is ranked, what is a covariate, and what the theory does not cover."""

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import engine
from .names import listed

if TYPE_CHECKING:
    from formulaic.parser.types import Factor, Term

COVERED = (
    "r() may stand alone, as the outcome and as one regressor, or inside the product with a group, "
    "as in r(x):G; functions, powers and products of ranks are not covered by the theory"
)


@dataclass(frozen=True)
class Variable:
    """The outcome or the regressor of a formula.

    Attributes:
        label: as the formula has it, such as "r(x, increasing=False)".
        factor: what is evaluated on the table: the part inside r().
        ranked: whether it enters as its rank.
        increasing: direction of the rank.
    """

    label: str
    factor: "Factor"
    ranked: bool = False
    increasing: bool = True


@dataclass(frozen=True)
class RankFormula:
    """A regression with ranks as a formula describes it.

    Attributes:
        text: the formula.
        outcome: left-hand side.
        regressor: the ranked regressor, None if no regressor is ranked.
        terms: right-hand side in the order of the formula without the constant, the group taken
            out of each term; None in the place of the ranked regressor.
        intercept: whether there is a constant (in every group).
        group: column of the groups, None without.
        group_term: the term that made it the group, None if the group came beside the formula.
    """

    text: str
    outcome: Variable
    regressor: Variable | None
    terms: tuple["Term | None", ...]
    intercept: bool
    group: str | None
    group_term: str | None

    @property
    def regressor_factors(self) -> tuple["Factor", ...]:
        """Everything that the right-hand side evaluates on the table, the group aside."""
        ranked = [self.regressor.factor] if self.regressor else []
        return (*ranked, *(f for term in self.terms if term is not None for f in term.factors))


def parse_formula(text: str, by: str | None = None) -> RankFormula:
    """Reads a formula.

    Args:
        text: such as `r(y) ~ r(x, increasing=False) + w` or `r(y) ~ (r(x) + w):G`.
        by: column of groups, for a formula that names none.

    Returns:
        What it means.

    Raises:
        TypeError: text or by that are not strings.
        ValueError: a formula that cannot be read, or that the theory does not cover.
    """
    if not isinstance(text, str):
        raise TypeError(f"formula must be a string, got {type(text).__name__}")
    if by is not None and not isinstance(by, str):
        raise TypeError(f"by must be the name of one column, got {type(by).__name__}")
    left, right = _sides(text)
    outcome = _outcome(text, left)
    regressor, partner = _regressor(right)
    if not outcome.ranked and regressor is None:
        raise ValueError(
            f"formula {text!r} ranks nothing; write r(...) around the outcome or a regressor, or "
            "use ordinary least squares (statsmodels, pyfixest)"
        )
    group = None if partner is None else _group_name(partner, regressor)
    if group is not None and by is not None:
        raise ValueError(
            f"by is {by!r}, but the formula has the group {group!r} already; give one of them"
        )
    terms, intercept = _own_terms(right, group, by)
    return RankFormula(
        text=text,
        outcome=outcome,
        regressor=regressor,
        terms=terms,
        intercept=intercept,
        group=group or by,
        group_term=None if group is None or regressor is None else f"{regressor.label}:{partner}",
    )


def _sides(text: str) -> tuple[list["Term"], list["Term"]]:
    """Terms of the left and right-hand side."""
    formulaic = engine.require_extra("formulaic", "formula")
    parser = engine.require_extra("formulaic.parser", "formula").DefaultFormulaParser()
    errors = engine.require_extra("formulaic.errors", "formula")
    try:
        _refuse_powers(parser.get_ast(text))
        formula = formulaic.Formula(text)
    except (errors.FormulaicError, SyntaxError) as error:
        reason = str(error).splitlines()[0]
        if reason.startswith("The `.` operator"):
            reason = "'.' does not stand for columns here; write them out"
        raise ValueError(f"formula {text!r} cannot be read: {reason}") from error
    left = list(formula.lhs) if hasattr(formula, "lhs") else []
    if not left:
        raise ValueError(f"formula {text!r} has no outcome; needed is 'outcome ~ regressors'")
    if not isinstance(formula.rhs, formulaic.SimpleFormula):
        raise ValueError(f"formula {text!r} has several parts; needed is one right-hand side")
    return left, list(formula.rhs)


def _refuse_powers(node: Any) -> None:
    """Refuses `r(x)**2`, which formulas read as `r(x)` itself."""
    operator = getattr(node, "operator", None)
    if operator is None:
        return
    if operator.symbol in ("**", "^"):
        base = str(node.args[0])
        if base.startswith("r("):
            raise ValueError(f"the power {base}{operator.symbol}{node.args[1]}: {COVERED}")
    for argument in node.args:
        _refuse_powers(argument)


def _outcome(text: str, left: list["Term"]) -> Variable:
    if len(left) != 1 or len(left[0].factors) != 1:
        raise ValueError(
            f"formula {text!r} has the left-hand side {' + '.join(map(str, left))}; needed is one "
            "outcome"
        )
    factor = left[0].factors[0]
    return _ranked(factor) or Variable(str(factor), factor)


def _regressor(right: list["Term"]) -> tuple[Variable | None, "Factor | None"]:
    """The ranked regressor and the factor it is multiplied with."""
    found = []
    for term in right:
        variables = [_ranked(factor) for factor in term.factors]
        ranked = [variable for variable in variables if variable is not None]
        if not ranked:
            continue
        others = [f for f, v in zip(term.factors, variables, strict=True) if v is None]
        if (
            len(ranked) > 1
            or len(others) > 1
            or any(f.eval_method.value == "literal" for f in others)
        ):
            raise ValueError(f"the term {term}: {COVERED}")
        found.append((term, ranked[0], others[0] if others else None))
    labels = {variable.label for _, variable, _ in found}
    if len(labels) > 1:
        raise ValueError(
            f"there are {len(labels)} ranked regressors, {listed(sorted(labels))}; covered is one"
        )
    if len(found) > 1:
        raise ValueError(f"the term {found[-1][0]} beside {found[0][0]}: {COVERED}")
    return (found[0][1], found[0][2]) if found else (None, None)


def _ranked(factor: "Factor") -> Variable | None:
    """A bare `r(...)` as a variable; None for a factor without r()."""
    if factor.eval_method.value != "python":
        return None
    tree, aliases = python_expression(factor.expr)
    calls = [node for node in ast.walk(tree) if _is_rank_call(node)]
    if not calls:
        return None
    call = calls[0]
    if call is not tree or len(calls) > 1 or not isinstance(call, ast.Call):
        raise ValueError(f"the term {factor.expr}: {COVERED}")
    increasing = _direction(factor.expr, call)
    return Variable(factor.expr, _inner(factor.expr, call, aliases), True, increasing)


def _is_rank_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "r"


def python_expression(expression: str) -> tuple[ast.expr, dict[str, str]]:
    """Reads a factor as Python.

    Args:
        expression: the factor, with names in backticks where they are no identifiers.

    Returns:
        The syntax tree, and which identifiers in it stand for names in backticks.

    Raises:
        ValueError: it is not Python.
    """
    code = engine.require_extra("formulaic.utils.code", "formula")
    aliases: dict[str, str] = {}
    try:
        text = code.sanitize_variable_names(expression, {}, aliases)
        return ast.parse(text, mode="eval").body, aliases
    except SyntaxError as error:
        raise ValueError(f"{expression!r} cannot be read: {error.msg}") from error


def _direction(label: str, call: ast.Call) -> bool:
    if len(call.args) != 1:
        raise ValueError(
            f"{label} has {len(call.args)} values; needed is one, and the direction by name, as in "
            "r(x, increasing=False)"
        )
    increasing = True
    for keyword in call.keywords:
        if keyword.arg in ("tie_weight", "omega"):
            raise ValueError(
                f"{label}: the tie weight is the same for all ranks; give tie_weight= beside the "
                "formula"
            )
        if keyword.arg != "increasing":
            raise ValueError(f"{label}: r() has no argument {keyword.arg!r}, only increasing")
        value = keyword.value
        if not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
            raise ValueError(f"{label}: increasing must be True or False, got {ast.unparse(value)}")
        increasing = value.value
    return increasing


def _inner(label: str, call: ast.Call, aliases: dict[str, str]) -> "Factor":
    """What is ranked, as a factor of its own."""
    types = engine.require_extra("formulaic.parser.types", "formula")
    argument = call.args[0]
    if isinstance(argument, ast.Name):
        return types.Factor(aliases.get(argument.id, argument.id), eval_method="lookup")
    if isinstance(argument, ast.Constant | ast.Starred):
        raise ValueError(f"{label}: r() needs a column, got {ast.unparse(argument)}")
    text = ast.unparse(argument)
    for identifier, name in aliases.items():
        text = re.sub(rf"\b{re.escape(identifier)}\b", lambda _, n=name: f"`{n}`", text)
    return types.Factor(text, eval_method="python")


def _group_name(partner: "Factor", regressor: Variable | None) -> str:
    """Column that a factor beside r(x) names as the group."""
    if partner.eval_method.value == "lookup":
        return partner.expr
    match = re.fullmatch(r"C\((`?)([^`(),]+)\1\)", partner.expr)
    if match is None:
        label = "" if regressor is None else regressor.label
        raise ValueError(f"the term {label}:{partner}: {COVERED}")
    return match[2]


def _own_terms(
    right: list["Term"], group: str | None, by: str | None
) -> tuple[tuple["Term | None", ...], bool]:
    """Terms with the group taken out, None for the ranked one; and whether there is a constant."""
    types = engine.require_extra("formulaic.parser.types", "formula")
    terms: list[Term | None] = []
    intercept = False
    for term in right:
        literal = all(factor.eval_method.value == "literal" for factor in term.factors)
        inside = [factor for factor in term.factors if _names(factor, group or by)]
        if by is not None and inside:
            raise ValueError(
                f"the term {term} has the column of by={by!r}; every group has its own "
                "coefficients already, so leave it out"
            )
        if literal or (inside and len(term.factors) == 1):
            intercept = True
        elif group is not None and not inside:
            raise ValueError(
                f"the term {term} is the same for all groups {group!r}, which is not covered; "
                f"write all terms inside the product, as in (r(x) + w):{group}"
            )
        elif any(_ranked(factor) for factor in term.factors):
            terms.append(None)
        else:
            terms.append(types.Term([f for f in term.factors if f not in inside]))
    return tuple(terms), intercept


def _names(factor: "Factor", column: str | None) -> bool:
    """Whether a factor is the column itself, or C() of it."""
    if column is None:
        return False
    if factor.eval_method.value == "lookup":
        return factor.expr == column
    return factor.expr in (
        f"C({column})",
        f"C(`{column}`)",
    )
