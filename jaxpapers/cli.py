"""The command line: `jaxpapers reproduce`, `jaxpapers info`, `jaxpapers <system> <verb>`.

Starting is fast: jax is imported by the verb that needs it. A system adds its verbs by one entry
in `COMMANDS`; the arguments of a verb are the parameters of its function.
"""

import difflib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jaxpapers

Verb = Callable[..., int]
_SYNOPSIS_WIDTH = 40


def reproduce(
    systems: tuple[str, ...],
    *,
    scale: Literal["quick", "paper", "full"] = "quick",
    output: Path = Path("report"),
    seed: int = 0,
) -> int:
    """Run the papers' experiments and write one report.

    Experiments that are finished in the output folder are not run again; interrupted ones resume.

    Args:
        systems: Systems to reproduce, such as ranks; all that have experiments when none is named.
        scale: quick takes about a minute per system, paper has the sizes of the paper, full more.
        output: Folder of the report, tables, figures and records.
        seed: Seed of all randomness.

    Returns:
        Exit code: 0, or 1 when an experiment failed.
    """
    from jaxpapers import experiments

    chosen = experiments.select_experiments(systems)
    try:
        result = experiments.reproduce(chosen, scale=scale, output=output, seed=seed)
    except KeyboardInterrupt:
        _complain("interrupted; the same command continues where this one stopped")
        return 130
    return result.exit_code


def info() -> int:
    """Print versions, devices, settings of jax and installed extras.

    Returns:
        Exit code 0.
    """
    from jaxpapers.experiments import environment

    settings = environment.jax_settings()
    lines = {
        **environment.versions(),
        "commit": environment.commit() or "not in a git checkout",
        "devices": _devices(environment.device_text),
        "x64": f"{settings['x64']} (the command line always computes in float64)",
        "matmul precision": settings["matmul precision"] or "jax's default",
        "cache folder": settings["cache folder"]
        or "none (set JAX_COMPILATION_CACHE_DIR to keep compiled programs)",
    }
    for extra, packages in environment.extras().items():
        missing = [name for name, version in packages.items() if version is None]
        found = ", ".join(f"{name} {version}" for name, version in packages.items())
        lines[f"extra {extra}"] = _pip_line(extra) if missing else found
    for name, text in lines.items():
        print(f"{name:<18}{text}")
    return 0


def ranks_fit(
    data: Path,
    formula: str,
    *,
    tie_weight: float = 1.0,
    by: str | None = None,
    vcov: Literal["rank", "iid", "HC1"] = "rank",
    missing: Literal["drop", "refuse"] = "drop",
    precision: Literal["double", "single"] = "double",
    output: Path | None = None,
) -> int:
    """Fit a regression with ranks to a data file and print its summary.

    Args:
        data: Table to read: csv, parquet or Stata dta.
        formula: Formula such as "r(child) ~ r(parent) + female"; r() takes ranks.
        tie_weight: Weight of ties in ranks, from 0 (smallest rank) over 0.5 (mid-rank) to 1.
        by: Column of groups: own coefficients per group, ranks pooled over all.
        vcov: Variance: rank is the consistent one; iid and HC1 are for comparison.
        missing: drop leaves rows with missing values out and prints how many, refuse is an error.
        precision: single computes in float32: standard errors are right to 1e-5.
        output: JSON file for coefficients, covariance, counts and tie shares.

    Returns:
        Exit code 0.
    """
    from jaxpapers import frames
    from jaxpapers.experiments.files import write_json

    table = frames.read_table(data)
    result = frames.rank_regression(
        formula,
        table,
        tie_weight=tie_weight,
        by=by,
        vcov=vcov,
        missing="raise" if missing == "refuse" else "drop",
        precision=precision,
    )
    print(result.summary())
    if output is not None:
        write_json(output, result.to_dict())
        print(f"written to {output}")
    return 0


COMMANDS: Mapping[str, Verb | Mapping[str, Verb]] = {
    "reproduce": reproduce,
    "info": info,
    "ranks": {"fit": ranks_fit},
}
_SYNOPSES = {
    "reproduce": "reproduce [SYSTEM ...]",
    "ranks fit": "ranks fit DATA FORMULA",
}
_EXAMPLES = (
    "jaxpapers reproduce ranks --scale quick --output report --seed 0",
    'jaxpapers ranks fit DATA.csv "r(child) ~ r(parent) + female" --tie-weight 0.5 --by region',
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after `jaxpapers`; those of the process when None.

    Returns:
        Exit code: 0 when all went well, 1 when an experiment failed, 2 for a mistake in what was
        asked, 130 when interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with_traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:
        sys.stdout = None
        return 141
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if with_traceback:
            raise
        _complain(f"error: {_one_line(error)}")
        return 2


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help_text())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"jaxpapers {jaxpapers.__version__}")
        return 0
    name, rest = words[0], words[1:]
    command = _look_up(COMMANDS, name, "command")
    if isinstance(command, Mapping):
        if not rest or rest[0] in ("-h", "--help"):
            print(_help_text(only=name))
            return 0
        verb = _look_up(command, rest[0], f"verb of {name}")
        return _call(verb, f"{name} {rest[0]}", rest[1:])
    return _call(command, name, rest)


def _look_up(table: Mapping[str, Any], name: str, what: str) -> Any:
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name.lower(), table, n=2, cutoff=0.5)
    hint = f" did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"unknown {what} {name!r}:{hint} choose from {', '.join(table)}")


def _call(verb: Verb, name: str, words: list[str]) -> int:
    try:
        tyro = importlib.import_module("tyro")
    except ModuleNotFoundError as error:
        raise ImportError(f"the command line needs tyro: {_pip_line('cli')}") from error
    return tyro.cli(
        _with_metavars(verb, tyro),
        prog=f"jaxpapers {name}",
        args=words,
        config=(tyro.conf.PositionalRequiredArgs, tyro.conf.FlagConversionOff),
    )


def _with_metavars(verb: Verb, tyro: Any) -> Verb:
    """Name positional and optional values in the help by their parameters, not by their types."""

    @functools.wraps(verb)
    def named(*values: Any, **settings: Any) -> int:
        return verb(*values, **settings)

    parameters = [
        parameter.replace(
            annotation=Annotated[
                parameter.annotation, tyro.conf.arg(metavar=parameter.name.upper())
            ]
        )
        if parameter.default is parameter.empty or parameter.default is None
        else parameter
        for parameter in inspect.signature(verb).parameters.values()
    ]
    named.__annotations__ = {entry.name: entry.annotation for entry in parameters}
    vars(named).pop("__wrapped__")
    vars(named)["__signature__"] = inspect.Signature(parameters)
    return named


def _help_text(only: str | None = None) -> str:
    lines = [f"jaxpapers {jaxpapers.__version__}: four papers as one numerical engine on JAX", ""]
    for name, command in COMMANDS.items():
        verbs = (
            {f"{name} {entry}": verb for entry, verb in command.items()}
            if isinstance(command, Mapping)
            else {name: command}
        )
        for path, verb in verbs.items() if only in (None, name) else ():
            synopsis = f"  jaxpapers {_SYNOPSES.get(path, path)}"
            summary = (verb.__doc__ or "").splitlines()[0]
            lines.append(f"{synopsis:<{_SYNOPSIS_WIDTH}}{summary}")
    lines += ["", "Any of these with --help says more. Also --version, and --traceback to see", ""]
    lines[-2] += " where an error came from."
    lines += ["Examples:", *(f"  {example}" for example in _EXAMPLES)]
    return "\n".join(lines)


def _devices(device_text: Callable[[], str]) -> str:
    try:
        return device_text()
    except RuntimeError as error:
        return f"none could be opened: {_one_line(error)}"


def _pip_line(extra: str) -> str:
    return f'pip install "jaxpapers[{extra}]"'


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split()) or type(error).__name__


def _complain(text: str) -> None:
    print(f"jaxpapers: {text}", file=sys.stderr)
