"""The record of a finished experiment, and the fingerprint that says whether it still holds."""

import dataclasses
import datetime
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from . import environment
from .claims import Claim
from .files import read_json, write_json
from .registry import Experiment
from .results import plain

RECORD_FILE = "record.json"
_SCHEMA = 1
_SHARED_FOLDERS = ("numerics", "engine", "frames", "plots")


@dataclasses.dataclass(frozen=True)
class Record:
    """Everything about a finished experiment that is not in its tables and figures.

    Attributes:
        experiment: Name of the experiment.
        system: Its system.
        title: Its title.
        scale: Scale of the run.
        seed: Seed of the run.
        fingerprint: Hash over configuration, versions, source and device (`fingerprint_of`).
        configuration: Settings at this scale.
        sizes: Sizes of the computation as the experiment reported them.
        sentence: The result in one sentence.
        claims: The settled claims.
        tables: File name of each table to its caption.
        figures: File name of each figure to its caption.
        versions: Versions of jaxpapers, Python and the core packages.
        device: Device in words.
        dtype: JAX's default float during the run.
        commit: Git commit of the package, or None.
        seconds_compile: Seconds of tracing and compiling.
        seconds_run: All other seconds.
        resumed: Whether an earlier attempt was continued; the seconds are those of the last one.
        finished: When it finished, UTC.
    """

    experiment: str
    system: str
    title: str
    scale: str
    seed: int
    fingerprint: str
    configuration: Mapping[str, Any]
    sizes: Mapping[str, Any]
    sentence: str
    claims: tuple[Claim, ...]
    tables: Mapping[str, str]
    figures: Mapping[str, str]
    versions: Mapping[str, str]
    device: str
    dtype: str
    commit: str | None
    seconds_compile: float
    seconds_run: float
    resumed: bool
    finished: str

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.seconds_compile + self.seconds_run


def surroundings() -> dict[str, Any]:
    """Give the fields of a `Record` that describe the machine and the moment.

    Returns:
        `versions`, `device`, `dtype`, `commit`, `finished`.
    """
    return {
        "versions": environment.versions(),
        "device": environment.device_text(),
        "dtype": jnp.result_type(float).name,
        "commit": environment.commit(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def fingerprint_of(experiment: Experiment, *, scale: str, seed: int) -> str:
    """Hash all that a finished result depends on.

    Configuration, scale, seed, registered claims, versions, kind of device, float type, and the
    source of everything the experiment calls: a result made by older code is not shown as current.

    Args:
        experiment: The experiment.
        scale: Scale of the run.
        seed: Seed of the run.

    Returns:
        A sha256 in hexadecimal.
    """
    parts = {
        "name": experiment.name,
        "run": getattr(experiment.run, "__qualname__", ""),
        "system": experiment.system,
        "scale": scale,
        "seed": seed,
        "configuration": plain(experiment.settings[scale]),
        "claims": plain([dataclasses.asdict(claim) for claim in experiment.claims]),
        "versions": environment.versions(),
        "platform": jax.default_backend(),
        "dtype": jnp.result_type(float).name,
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for path in sorted(set(_sources(experiment))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write_record(folder: Path, record: Record) -> None:
    """Write the record; it comes last, so a folder with a record holds a whole result.

    Args:
        folder: Folder of the experiment.
        record: The record.
    """
    write_json(folder / RECORD_FILE, {"schema": _SCHEMA, **dataclasses.asdict(record)})


def read_record(folder: Path) -> Record | None:
    """Read the record of a finished experiment.

    Args:
        folder: Folder of the experiment.

    Returns:
        The record, or None where there is none, where it has another form, or where one of its
        files is gone.
    """
    content = read_json(folder / RECORD_FILE)
    if not isinstance(content, dict) or content.pop("schema", None) != _SCHEMA:
        return None
    try:
        claims = tuple(Claim(**claim) for claim in content.pop("claims"))
        record = Record(claims=claims, **content)
    except (KeyError, TypeError, ValueError):
        return None
    whole = all((folder / name).is_file() for name in (*record.tables, *record.figures))
    return record if whole else None


def _sources(experiment: Experiment) -> Iterator[Path]:
    root = environment.PACKAGE_FOLDER
    for folder in (*_SHARED_FOLDERS, experiment.system):
        yield from (root / folder).rglob("*.py")
    yield from (root / "experiments").glob(f"{experiment.system}_*.py")
    own = inspect.getsourcefile(inspect.unwrap(experiment.run))
    if own is not None and Path(own).is_file():
        yield Path(own).resolve()
