"""Numbers as people read them: few digits, standard errors after ±, seconds with one decimal."""

import math
from collections.abc import Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_number(value: float | None, digits: int = 4) -> str:
    """Format a number.

    Args:
        value: The number, or None.
        digits: Significant digits.

    Returns:
        For example `0.4826`, `20,000`, `1.2×10⁻⁶`; a dash for None.
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value) or value == 0:
        return "∞" if value > 0 else "−∞" if value < 0 else "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent < -4 or exponent >= 7:
        mantissa = f"{rounded / 10.0**exponent:.{digits - 1}f}".rstrip("0").rstrip(".")
        return _minus(f"{mantissa}×10{str(exponent).translate(_SUPERSCRIPTS)}")
    if float(value).is_integer() and abs(value) < 10**digits:
        return _minus(f"{int(value)}")
    decimals = max(digits - 1 - exponent, 0)
    grouping = "," if exponent >= 4 else ""
    return _minus(f"{rounded:{grouping}.{decimals}f}")


def format_estimate(value: float | None, standard_error: float | None) -> str:
    """Format an estimate with its standard error.

    Args:
        value: The estimate, or None.
        standard_error: Its standard error, or None.

    Returns:
        For example `0.9523 ± 0.0015`: two digits of the standard error, and no more decimals of
        the estimate than the standard error has; four digits where the error is smaller still.
    """
    if value is None or standard_error is None:
        return format_number(value)
    if standard_error <= 0 or not 1e-4 <= abs(value) < 1e7:
        return f"{format_number(value)} ± {format_number(standard_error, 2)}"
    decimals = 1 - math.floor(math.log10(standard_error))
    four_digits = 3 - math.floor(math.log10(abs(value)))
    if decimals > four_digits or decimals < 0:
        return f"{format_number(value)} ± {format_number(standard_error, 2)}"
    return _minus(f"{value:.{decimals}f} ± {standard_error:.{decimals}f}")


def format_published(value: float | None) -> str:
    """Format a published number with the digits it was published with.

    Args:
        value: The number, or None.

    Returns:
        For example `0.952`; a dash for None.
    """
    return _trim(format_number(value, 6))


def format_column(cells: Sequence[str]) -> list[str]:
    """Format one column of a CSV table for reading.

    Args:
        cells: The cells as written; empty stands for a missing value.

    Returns:
        Whole numbers with separators from 10,000 on; other numbers with as many decimals as give
        the largest of them four digits, or each with four digits where that would hide the small
        ones; texts as they are; a dash for an empty cell.
    """
    try:
        values = [float(cell) if cell else math.nan for cell in cells]
    except ValueError:
        return [cell or "–" for cell in cells]
    if all(cell.lstrip("-").isdigit() for cell in cells if cell):
        return [_whole(cell) for cell in cells]
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    if not sizes or not 0.1 <= max(sizes) < 1e4 or min(sizes) < 1e-2 * max(sizes):
        return [format_number(value) for value in values]
    decimals = 3 - math.floor(math.log10(max(sizes)))
    return [_minus(f"{v:.{decimals}f}") if math.isfinite(v) else format_number(v) for v in values]


def format_percent(share: float, decimals: int = 1) -> str:
    """Format a share in per cent.

    Args:
        share: The share.
        decimals: Decimals of the percentage.

    Returns:
        For example `79.1 %`, with a space that does not break.
    """
    return _minus(f"{100 * share:.{decimals}f}\u00a0%")


def format_seconds(seconds: float) -> str:
    """Format measured seconds.

    Args:
        seconds: The seconds.

    Returns:
        Seconds with one decimal, for example `12.3 s`.
    """
    return f"{seconds:,.1f} s"


def format_duration(seconds: float) -> str:
    """Format a rough duration.

    Args:
        seconds: The seconds.

    Returns:
        Two digits in the unit a person would use, for example `35 minutes` or `4.2 hours`.
    """
    for unit, size in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * size:
            return f"{float(f'{seconds / size:.1e}'):g} {unit}"
    return f"{max(round(seconds), 1)} seconds"


def count_of(number: int, singular: str) -> str:
    """Write a count with its noun.

    Args:
        number: How many.
        singular: The noun, with a regular plural.

    Returns:
        For example `1 claim` or `3 claims`.
    """
    return f"{number} {singular}" if number == 1 else f"{number} {singular}s"


def _whole(cell: str) -> str:
    if not cell:
        return "–"
    return _minus(f"{int(cell):,}" if abs(int(cell)) >= 10_000 else cell)


def _trim(text: str) -> str:
    mantissa, times, power = text.partition("×")
    short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{short}{times}{power}"


def _minus(text: str) -> str:
    return text.replace("-", "−")
