"""How programs run: drivers, batches and devices, status codes, argument checks.

An `Algorithm` offers ``init``, ``step`` and ``status``; `run` and `unroll` drive it, and there is
no other driver loop in the package. `batched_map` and `sharded_map` spread rows over batches and
devices, `replicate` does it for Monte Carlo, `simulate` and `average` for worlds
that are one pure loop, `stream` gives these a cheap generator. Results carry a `Status`;
`require_ok` raises it.

Promises, *jit · vmap · grad · shard*:

``run``           | no: host loop | no: host loop | no: host loop | no: host loop
``unroll``        | yes | yes | yes: where the algorithm allows | yes
``simulate``, ``average`` | yes: without progress | yes | yes: where the world allows
| yes: by `mesh`
``replicate``     | yes: without progress | yes | yes: where the function allows | yes: by `mesh`
``batched_map``   | yes | yes | yes: where the function allows | yes
``sharded_map``   | yes | yes | yes: where the function allows | yes: by `mesh`
``finite_status`` | yes | yes | no: integers | yes
``require_ok``    | no: reads values | no: reads values | no: reads values | no: reads values
``check_array``, ``check_count``, ``check_finite``, ``check_key``, ``check_probability``,
``check_shapes``, ``is_concrete``, ``warn_if_truncated`` | yes: traced values pass | yes: as jit
| no: no floats | yes: as jit
``stream``, ``mix`` | yes | yes | no: integers | yes
``compile_quickly``, ``double_precision``, ``fold_loops``, ``loop_options``, ``replicate_mesh``,
``require_extra``, ``status_message``, ``write_whole`` | no: host | no: host | no: host | no: host
"""

from ..numerics.status import Status, status_message
from .algorithm import Algorithm, finite_status
from .batching import batched_map, replicate_mesh, sharded_map
from .checkpoint import Checkpoint
from .checks import (
    check_array,
    check_count,
    check_finite,
    check_key,
    check_probability,
    check_shapes,
    is_concrete,
)
from .compiling import compile_quickly, fold_loops, loop_options
from .drivers import RunResult, run, unroll
from .extras import require_extra
from .precision import PrecisionWarning, double_precision, warn_if_truncated
from .progress import Progress
from .replicates import (
    ReplicateData,
    Replicates,
    ReplicateState,
    replicate,
)
from .status import RunError, require_ok
from .streams import mix, stream
from .whole_files import write_whole
from .worlds import Average, AverageState, Moments, average, simulate

__all__ = [
    "Algorithm",
    "Average",
    "AverageState",
    "Checkpoint",
    "Moments",
    "PrecisionWarning",
    "Progress",
    "ReplicateData",
    "ReplicateState",
    "Replicates",
    "RunError",
    "RunResult",
    "Status",
    "average",
    "batched_map",
    "check_array",
    "check_count",
    "check_finite",
    "check_key",
    "check_probability",
    "check_shapes",
    "compile_quickly",
    "double_precision",
    "finite_status",
    "fold_loops",
    "is_concrete",
    "loop_options",
    "mix",
    "replicate",
    "replicate_mesh",
    "require_extra",
    "require_ok",
    "run",
    "sharded_map",
    "simulate",
    "status_message",
    "stream",
    "unroll",
    "warn_if_truncated",
    "write_whole",
]
