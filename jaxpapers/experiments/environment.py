"""What a run stood on: versions, device, commit, installed extras."""

import functools
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import jax

import jaxpapers

CORE_PACKAGES: tuple[str, ...] = (
    "jax",
    "jaxlib",
    "numpy",
    "optax",
    "numpyro",
    "equinox",
    "chex",
    "jaxtyping",
)
PACKAGE_FOLDER = Path(jaxpapers.__file__).resolve().parent
_NOT_FOR_USERS = ("all", "test", "bench", "dev")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?[^;]*;\s*extra\s*==\s*['\"](\w+)['\"]")


def versions() -> dict[str, str]:
    """Give the versions of jaxpapers, Python and the core packages.

    Returns:
        Name to version; `"missing"` for a package that is not installed.
    """
    found = {"jaxpapers": jaxpapers.__version__, "python": platform.python_version()}
    for name in CORE_PACKAGES:
        found[name] = _version_of(name) or "missing"
    return found


def device_text() -> str:
    """Describe the devices that JAX computes on.

    Returns:
        For example `cpu (2 cores)` or `2 × NVIDIA H200 (gpu)`.
    """
    devices = jax.devices()
    first = devices[0]
    if first.platform == "cpu":
        text = f"cpu ({available_cores()} cores)"
    else:
        text = f"{first.device_kind} ({first.platform})"
    return text if len(devices) == 1 else f"{len(devices)} × {text}"


def is_accelerated() -> bool:
    """Say whether JAX computes on something faster than a CPU.

    Returns:
        True on a GPU or TPU.
    """
    return jax.default_backend() != "cpu"


def available_cores() -> int:
    """Count the CPU cores this process may use.

    Returns:
        The count, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jax_settings() -> dict[str, Any]:
    """Give the settings of JAX that change results or start-up time.

    Returns:
        `x64`, `matmul precision` and `cache folder`; None where a setting is at its default.
    """
    names = {
        "x64": "jax_enable_x64",
        "matmul precision": "jax_default_matmul_precision",
        "cache folder": "jax_compilation_cache_dir",
    }
    return {label: getattr(jax.config, name) for label, name in names.items()}


@functools.cache
def commit(folder: Path = PACKAGE_FOLDER) -> str | None:
    """Give the git commit that a package is at.

    Args:
        folder: Folder of the package.

    Returns:
        The full hash, followed by `+changes` where the package has changes that are not
        committed; None where the package is not tracked by git (an installed wheel, for example).
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(folder, "rev-parse", "HEAD")
    return f"{head}+changes" if head and _git(folder, "status", "--porcelain", "--", ".") else head


def extras() -> dict[str, dict[str, str | None]]:
    """List the optional dependencies a user may want.

    Returns:
        Extra to a mapping from distribution to its version, None where it is not installed;
        empty when the package runs without being installed.
    """
    try:
        requirements = importlib.metadata.requires("jaxpapers") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found: dict[str, dict[str, str | None]] = {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None or match[2] in _NOT_FOR_USERS:
            continue
        name = f"jax-{match[2]}-plugin" if match[2].startswith("cuda") else match[1]
        found.setdefault(match[2], {})[name] = _version_of(name)
    return found


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip()
