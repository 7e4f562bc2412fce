"""What a measurement depends on beside the code: machine, versions, settings, commit, load."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax
import numpy as np

from benchmarks import allocator

PACKAGES = (
    *("jaxpapers", "jax", "jaxlib", "numpy", "scipy", "numba", "statsmodels"),
    *("equinox", "optax", "numpyro", "pyvinecopulib", "copulae", "copulax", "mesa"),
)
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "XLA_FLAGS",
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
)
"""Settings of threads, compiler and allocator that change speed."""


def describe():
    """Return what is known of machine, versions, settings, commit and load, ready for JSON."""
    device = jax.local_devices()[0]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform": platform.platform(),
        "processor": processor(),
        "num_cores": num_cores(),
        "load_average": load_average(),
        "device": " ".join(dict.fromkeys([device.platform, device.device_kind])),
        "x64": jax.dtypes.canonicalize_dtype(np.float64) == np.float64,
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "allocator": allocator.current(),
        "transparent_hugepages": allocator.kernel_setting(),
        "commit": commit(),
    }


def load_average():
    """Return the load of the machine over the last minute, None where it is not known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def num_cores():
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def processor():
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def installed(package):
    """Return the version of a package, None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit():
    """Return the commit of the working tree, with a mark if the tree differs; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
