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

from .cli_games import games_calvano, games_play

Verb = Callable[..., int]
_SYNOPSIS_WIDTH = 50
_PRINTED_ROWS = 50


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
    from jaxpapers import engine, experiments

    if not systems or "games" in systems:
        engine.fold_loops()
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


def copulas_fit(
    data: Path,
    *,
    num_factors: int,
    output: Path | None = None,
    date: str = "Date",
    date_format: str | None = None,
    returns: bool = False,
    family: Literal["skew-t", "skew-normal", "t", "gaussian"] = "skew-t",
    margins: Literal["empirical", "kernel"] = "empirical",
    algorithm: Literal["vi", "full-rank", "hybrid", "nuts"] = "vi",
    num_steps: int | None = None,
    rank: int | None = None,
    missing: Literal["drop", "refuse"] = "drop",
    precision: Literal["double", "single"] = "double",
    seed: int = 0,
    checkpoint: Path | None = None,
) -> int:
    """Fit a factor copula to a file of prices and print its summary.

    Args:
        data: Table to read, one column per asset and one of dates: csv, parquet or Stata dta.
        num_factors: Number of factors, below the number of assets.
        output: netCDF file for the posterior, which ArviZ reads as well.
        date: Column of the dates.
        date_format: How dates are written, such as %d/%m/%Y; ISO 8601 when left out.
        returns: The file holds returns, not prices.
        family: skew-t, or its limits skew-normal, t and gaussian.
        margins: How returns become copula data: empirical takes ranks, kernel smooths them.
        algorithm: vi is variational, hybrid the paper's, nuts runs chains.
        num_steps: Steps of the optimiser, for nuts draws of each chain; 2000, 5000 for hybrid,
            1000 for nuts when left out.
        rank: Factors of the Gaussian of vi and hybrid; 5 when left out.
        missing: drop leaves rows with a missing return out and prints how many, refuse is an error.
        precision: single computes in float32, in which the search for the mode ends early.
        seed: Seed of all randomness.
        checkpoint: Folder in which the fit saves itself; the same command goes on from there.

    Returns:
        Exit code 0.

    Raises:
        ValueError: output is a folder.
    """
    from jaxpapers import engine, frames

    if output is not None:
        _check_output(output)
    read = frames.read_returns if returns else frames.read_prices
    fit = frames.fit_copula(
        seed,
        read(data, date, date_format=date_format),
        num_factors=num_factors,
        values="returns" if returns else "prices",
        family=family,
        margins=margins,
        algorithm=algorithm,
        num_steps=num_steps,
        rank=rank,
        missing="raise" if missing == "refuse" else "drop",
        precision=precision,
        progress=engine.Progress("copula"),
        checkpoint=checkpoint,
    )
    print(fit.summary())
    if output is not None:
        fit.to_netcdf(output)
        print(f"written to {output}")
    return 0


def copulas_dependence(
    fit: Path,
    *,
    level: float = 0.05,
    assets: tuple[str, ...] = (),
    output: Path | None = None,
) -> int:
    """Print the quantile dependence of the pairs of a fitted copula.

    LL: both low; UR: both high; LR: the first high, the second low; UL: the first low, the second
    high; asymmetry: UR - LL. Each has mean, sd and 95 % interval of the posterior, and what was
    observed. Of many pairs the most asymmetric are printed, the file has all.

    Args:
        fit: File that copulas fit has written.
        level: Level of the corners, up to 0.5.
        assets: Names of assets whose pairs are wanted; all when left out.
        output: CSV file for the table.

    Returns:
        Exit code 0.

    Raises:
        ValueError: output is a folder.
    """
    from jaxpapers import frames
    from jaxpapers.experiments.files import write_bytes

    if output is not None:
        _check_output(output)
    table = frames.read_copula_fit(fit).quantile_dependence(level, assets=assets or None)
    is_long = len(table) > _PRINTED_ROWS
    print(_most_asymmetric(table) if is_long else table.round(4).to_string(index=False))
    if output is not None:
        write_bytes(output, table.to_csv(index=False, lineterminator="\n").encode())
        print(f"written to {output}")
    return 0


def auctions_demo(
    *,
    bids: str,
    pair: Literal["partners", "rivals"] = "partners",
    rule: Literal["linear", "log-linear"] = "linear",
    num_tokens: int = 32,
    seed: int = 0,
    output: Path | None = None,
) -> int:
    """Sell a text between two fictional brands, word by word, and print who moved what.

    Args:
        bids: Two numbers with a comma between them, such as 1,2.
        pair: partners is an airline and a resort, rivals are two airlines.
        rule: How what the brands would say becomes one distribution.
        num_tokens: Words and marks of the text.
        seed: Seed of all randomness.
        output: Folder for auction.nc, tokens.csv and attribution.png.

    Returns:
        Exit code 0.

    Raises:
        ValueError: bids that are no numbers, output is a file.
    """
    from jaxpapers import frames

    numbers = _numbers("bids", bids)
    _check_folder(output)
    sold = frames.token_auction(seed, pair, numbers, rule=rule, num_tokens=num_tokens)
    print(sold.text, sold.attribution_text(), sold.summary().as_text(), sep="\n\n")
    if output is not None:
        from jaxpapers.experiments.auctions_figures import attribution_figure
        from jaxpapers.experiments.files import write_bytes
        from jaxpapers.plots.style import render_png

        sold.to_netcdf(output / "auction.nc")
        sold.to_csv(output / "tokens.csv")
        write_bytes(output / "attribution.png", render_png(attribution_figure(sold)))
        print(f"written to {output}: auction.nc, tokens.csv, attribution.png")
    return 0


def auctions_sweep(
    *,
    pair: Literal["partners", "rivals"] = "partners",
    rule: Literal["linear", "log-linear", "both"] = "both",
    num_shares: int = 11,
    num_texts: int = 50,
    num_tokens: int = 32,
    seed: int = 0,
    output: Path | None = None,
) -> int:
    """Sell texts of two brands as the bids shift, and print revenue and welfare.

    Bids sum to 1; lambda is the share of the first.

    Args:
        pair: partners is an airline and a resort, rivals are two airlines.
        rule: How what the brands would say becomes one distribution.
        num_shares: Values of lambda from 0 to 1.
        num_texts: Texts at each.
        num_tokens: Words and marks of each text.
        seed: Seed of all randomness.
        output: Folder for sweep.csv and sweep.png.

    Returns:
        Exit code 0.

    Raises:
        ValueError: output is a file.
    """
    from jaxpapers import frames
    from jaxpapers.frames.auction_sweep import sweep_text

    _check_folder(output)
    table = frames.sweep_bids(
        seed,
        pair,
        rules=("linear", "log-linear") if rule == "both" else (rule,),
        num_shares=num_shares,
        num_texts=num_texts,
        num_tokens=num_tokens,
    )
    print(sweep_text(table))
    if output is not None:
        from jaxpapers.experiments.auctions_figures import sweep_figure
        from jaxpapers.experiments.files import write_bytes
        from jaxpapers.plots.style import render_png

        content = table.to_csv(index=False, lineterminator="\n").encode()
        write_bytes(output / "sweep.csv", content)
        write_bytes(output / "sweep.png", render_png(sweep_figure(table)))
        print(f"written to {output}: sweep.csv, sweep.png")
    return 0


def auctions_check(
    *,
    rule: Literal["linear", "log-linear"],
    num_agents: int = 2,
    vocab_size: int = 3,
    num_restarts: int = 64,
    num_steps: int = 200,
    seed: int = 0,
) -> int:
    """Search auctions in which a higher bid does not help who makes it.

    Args:
        rule: How what the agents say becomes one distribution.
        num_agents: Agents of the auctions.
        vocab_size: Tokens of the auctions.
        num_restarts: Searches, each from random distributions and bids.
        num_steps: Steps of each.
        seed: Seed of all randomness.

    Returns:
        Exit code 0, whatever is found.
    """
    from jaxpapers import frames

    found = frames.check_rule(
        seed,
        rule,
        num_agents=num_agents,
        vocab_size=vocab_size,
        num_restarts=num_restarts,
        num_steps=num_steps,
    )
    print(found.report())
    return 0


COMMANDS: Mapping[str, Verb | Mapping[str, Verb]] = {
    "reproduce": reproduce,
    "info": info,
    "auctions": {"demo": auctions_demo, "sweep": auctions_sweep, "check": auctions_check},
    "copulas": {"fit": copulas_fit, "dependence": copulas_dependence},
    "games": {"play": games_play, "calvano": games_calvano},
    "ranks": {"fit": ranks_fit},
}
_SYNOPSES = {
    "reproduce": "reproduce [SYSTEM ...]",
    "auctions demo": "auctions demo --bids B1,B2",
    "auctions check": "auctions check --rule RULE",
    "copulas fit": "copulas fit DATA --num-factors K",
    "copulas dependence": "copulas dependence FIT",
    "games play": "games play GAME",
    "ranks fit": "ranks fit DATA FORMULA",
}
_EXAMPLES = (
    "jaxpapers reproduce ranks --scale quick --output report --seed 0",
    "jaxpapers auctions demo --bids 1,2 --pair rivals",
    "jaxpapers copulas fit PRICES.csv --num-factors 3 --output fit.nc",
    "jaxpapers copulas dependence fit.nc --level 0.05 --output table.csv",
    "jaxpapers games play evacuation --agents 100 --talk --gif out.gif",
    "jaxpapers games calvano --sessions 300",
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
    )


def _with_metavars(verb: Verb, tyro: Any) -> Verb:
    """Name values in the help by their parameters, and take keyword-only ones as options.

    Programs compile quickly from here on: the words are understood, something will be computed.
    """

    @functools.wraps(verb)
    def named(*values: Any, **settings: Any) -> int:
        importlib.import_module("jaxpapers.engine").compile_quickly()
        return verb(*values, **settings)

    parameters = [
        _as_argument(entry, tyro) for entry in inspect.signature(verb).parameters.values()
    ]
    named.__annotations__ = {entry.name: entry.annotation for entry in parameters}
    vars(named).pop("__wrapped__")
    vars(named)["__signature__"] = inspect.Signature(parameters)
    return named


def _as_argument(parameter: inspect.Parameter, tyro: Any) -> inspect.Parameter:
    annotation = parameter.annotation
    if parameter.default is parameter.empty or parameter.default in (None, ()):
        annotation = Annotated[annotation, tyro.conf.arg(metavar=parameter.name.upper())]
    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        annotation = tyro.conf.Positional[annotation]
    return parameter.replace(annotation=annotation)


def _check_output(path: Path) -> None:
    """Fail before the work, not after it, where a file cannot be written."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; needed is the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)


def _check_folder(path: Path | None) -> None:
    """Fail before the work, not after it, where files cannot be written to a folder."""
    if path is not None and path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; needed is the name of a folder")


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"{name} is {text!r}; needed are numbers with commas between them, such as 1,2"
        ) from error


def _most_asymmetric(table: Any) -> str:
    """The pairs whose asymmetry is largest, one line each."""
    rows = table[table["quantity"] == "asymmetry"].drop(columns="quantity")
    order = rows["mean"].abs().sort_values(ascending=False).index[:_PRINTED_ROWS]
    shown = rows.loc[order].round(4).to_string(index=False)
    return f"UR - LL of the {len(order)} most asymmetric of {len(rows)} pairs\n\n{shown}"


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
