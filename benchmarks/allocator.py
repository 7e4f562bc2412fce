"""Which pages malloc takes from the system: settled before a process starts, so by starting anew.

XLA takes its temporaries from malloc at every call, NumPy asks for huge pages by itself. Needs
nothing but Python's own library.
"""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

DEFAULT, HUGE_PAGES = "default", "hugepages"
CHOICES = (DEFAULT, HUGE_PAGES)
VARIABLE = "GLIBC_TUNABLES"
TUNABLE = "glibc.malloc.hugetlb"
LEAST_GLIBC = (2, 35)
KERNEL_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def current() -> str:
    """Return the setting under which this process runs, and all that it starts."""
    return HUGE_PAGES if f"{TUNABLE}=1" in tunables() else DEFAULT


def tunables() -> list[str]:
    """Return the tunables of glibc that this process was given."""
    return [text for text in os.environ.get(VARIABLE, "").split(":") if text]


def kernel_setting() -> str | None:
    """Return when the kernel gives huge pages: always, madvise, never; None where not known."""
    if not KERNEL_SETTING.exists():
        return None
    return KERNEL_SETTING.read_text().partition("[")[2].partition("]")[0]


def settle(choice: str, script: Path, arguments: Sequence[str]) -> None:
    """Start a script anew where this process does not run under the setting asked for.

    Args:
        choice: One of CHOICES; the default leaves everything as it is.
        script: The script that runs.
        arguments: Its arguments.

    Raises:
        SystemExit: If the system's malloc has no such setting.
    """
    if choice == DEFAULT or current() == choice:
        return
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < LEAST_GLIBC:
        raise SystemExit(
            f"--allocator {choice}: this is {platform.system()} with "
            f"{library or 'an unknown libc'} {version}".rstrip()
            + f"; needed is Linux with glibc {'.'.join(map(str, LEAST_GLIBC))} or newer"
        )
    others = [text for text in tunables() if not text.startswith(f"{TUNABLE}=")]
    environment = os.environ | {VARIABLE: ":".join([*others, f"{TUNABLE}=1"])}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, str(script), *arguments], environment)
