"""The closing lines: what it took, and how to run it on a GPU and at paper scale."""

from . import environment
from .formatting import count_of, format_duration, format_seconds
from .outcome import QUICK_SECONDS, Reproduction

_GPU_PIP = 'pip install "jaxpapers[cuda13]"'
_ESTIMATE_BASIS = "per experiment: compile seconds + run seconds × paper work / quick work"


def closing_lines(result: Reproduction) -> dict[str, str]:
    """Give the last lines of a reproduction, for the console and for the report.

    Args:
        result: The reproduction.

    Returns:
        Label to text, some of two lines: report, seconds, systems over the quick budget if any,
        device, how to run on a GPU and, after a quick run, how to run at paper scale and how long
        that would take.
    """
    lines = {
        "report": str(result.report),
        "seconds": f"{result.seconds:.1f}",
        "over budget": budget_text(result),
        "device": f"{result.device}, {result.dtype}",
        "on a GPU": gpu_text(result),
    }
    estimate = estimate_text(result)
    if estimate:
        lines["at paper scale"] = f"{result.paper_command}\n{estimate}"
    return {label: text for label, text in lines.items() if text}


def budget_text(result: Reproduction) -> str:
    """Name the systems that took longer than they may at quick scale.

    Args:
        result: The reproduction.

    Returns:
        One clause; empty where every system kept to its budget.
    """
    systems = [f"{name} {format_seconds(time)}" for name, time in result.over_budget.items()]
    budget = f"a system has {QUICK_SECONDS:.0f} s at quick scale on 2 cores"
    return f"✗ {', '.join(systems)}; {budget}" if systems else ""


def gpu_text(result: Reproduction) -> str:
    """Say how to run the same on a GPU.

    Args:
        result: The reproduction.

    Returns:
        One or two lines.
    """
    if environment.is_accelerated():
        return "this run used one"
    return (
        f'{_GPU_PIP} (in a checkout: pip install -e ".[cuda13]"; cuda12 for older drivers), '
        f"then the same command:\n{result.command}"
    )


def paper_seconds(result: Reproduction) -> float | None:
    """Estimate the seconds at paper scale on the same device.

    Args:
        result: The reproduction.

    Returns:
        Sum over the finished experiments of compile seconds plus run seconds times the registered
        `paper_cost_ratio`; None when the run was not quick or nothing finished.
    """
    records = [outcome.record for outcome in result.outcomes]
    costs = [
        record.seconds_compile + record.seconds_run * outcome.experiment.paper_cost_ratio
        for record, outcome in zip(records, result.outcomes, strict=True)
        if record is not None
    ]
    return sum(costs) if costs and result.scale == "quick" else None


def estimate_text(result: Reproduction) -> str:
    """Write the estimate for paper scale and how it is computed.

    Args:
        result: The reproduction.

    Returns:
        One clause; empty where there is no estimate.
    """
    seconds = paper_seconds(result)
    if seconds is None:
        return ""
    resumed = any(entry.record is not None and entry.record.resumed for entry in result.outcomes)
    at_least = "at least " if resumed else ""
    without = f", without {count_of(len(result.failed), 'failed experiment')}"
    return (
        f"{at_least}about {format_duration(seconds)} on this device; {_ESTIMATE_BASIS}"
        f"{without if result.failed else ''}"
    )
