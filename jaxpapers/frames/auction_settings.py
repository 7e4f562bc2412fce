"""How a text was sold: choices by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .. import auctions
from .copula_settings import Precision
from .names import check_choice, unknown_name

RuleName = Literal["linear", "log-linear"]
PaymentName = Literal[
    "second price", "myerson", "one draw", "vcg", "first price", "all-pay", "none"
]
PairName = Literal["partners", "rivals"]

RULES: dict[str, Callable[[], auctions.Rule]] = {
    "linear": auctions.LinearRule,
    "log-linear": auctions.LogLinearRule,
}
PAYMENTS: dict[str, Callable[[], auctions.Payment]] = {
    "second price": auctions.SecondPrice,
    "myerson": auctions.Myerson,
    "one draw": auctions.OneDraw,
    "vcg": auctions.VCG,
    "first price": auctions.FirstPrice,
    "all-pay": auctions.AllPay,
    "none": auctions.NoPayment,
}
PAIRS: dict[str, auctions.BrandPair] = {"partners": auctions.PARTNERS, "rivals": auctions.RIVALS}


@dataclass(frozen=True)
class AuctionSettings:
    """How a text was sold.

    Attributes:
        rule: "linear" or "log-linear"; what the caller says where a rule of another kind was used.
        payment: "second price", "myerson", "one draw", "vcg", "first price", "all-pay" or "none".
        prompt: what all agents have read.
        precision: "double" or "single".
        seed: of all randomness; None where a key was given.
    """

    rule: str
    payment: str
    prompt: str
    precision: Precision
    seed: int | None


def chosen_rule(name: Any) -> auctions.Rule:
    """The aggregation rule of a name.

    Args:
        name: "linear" or "log-linear".

    Returns:
        The rule.

    Raises:
        ValueError: another name; the message gives the nearest.
    """
    return _chosen("rule", name, RULES)()


def chosen_payment(name: Any) -> auctions.Payment:
    """The payment rule of a name.

    Args:
        name: as in `AuctionSettings`.

    Returns:
        The payment rule.

    Raises:
        ValueError: another name; the message gives the nearest.
    """
    return _chosen("payment", name, PAYMENTS)()


def chosen_pair(name: Any) -> auctions.BrandPair:
    """The fictional brands of a name.

    Args:
        name: "partners" or "rivals".

    Returns:
        The pair.

    Raises:
        ValueError: another name; the message gives the nearest.
    """
    return _chosen("pair", name, PAIRS)


def check_precision(value: Any) -> None:
    """Checks a precision.

    Args:
        value: the argument.

    Raises:
        ValueError: neither "double" nor "single".
    """
    check_choice("precision", value, ("double", "single"))


def _chosen(what, name, choices):
    if name not in choices:
        raise ValueError(unknown_name(what, str(name), choices))
    return choices[name]
