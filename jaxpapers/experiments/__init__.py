"""Experiments: the papers' tables and figures as recipes at scale quick, paper or full.

`experiments_of` lists the recipes of a system, `reproduce` runs recipes and writes one report.

Promises, *jit · vmap · grad · shard*:

``experiments_of``, ``select_experiments``, ``reproduce`` | no: host | no: host
| no: host | no: host
"""

from .claims import Claim, Verdict
from .context import Context
from .outcome import Outcome, Reproduction
from .record import Record
from .registry import (
    SCALES,
    SYSTEMS,
    Experiment,
    Scale,
    System,
    experiments_of,
    select_experiments,
)
from .results import ExperimentResult, Picture, Table
from .runner import reproduce

__all__ = [
    "SCALES",
    "SYSTEMS",
    "Claim",
    "Context",
    "Experiment",
    "ExperimentResult",
    "Outcome",
    "Picture",
    "Record",
    "Reproduction",
    "Scale",
    "System",
    "Table",
    "Verdict",
    "experiments_of",
    "reproduce",
    "select_experiments",
]
