"""Compile times on CPUs, where a program that runs for seconds can compile for as long."""

import os

import jax

FLAG = "--xla_cpu_use_fusion_emitters"
FOLDING_FLAG = "--xla_backend_extra_options"
FOLDING = "xla_cpu_small_while_loop_byte_threshold=1048576"
VERSIONS = ((0, 10),)
"""Releases of JAX whose XLA has the flag; one that it does not know would end the process."""


def compile_quickly() -> bool:
    """Has XLA compile programs for CPUs in .6 of the time or less, until the process ends.

    Sets `--xla_cpu_use_fusion_emitters=false` in the environment variable `XLA_FLAGS`, where the
    flag is not set already. To be called before anything is computed; later it has no effect.
    Programs run about as fast, their last digits may differ. `jaxpapers` on the command line and
    the benchmarks call it, importing the package does not.

    Returns:
        Whether the flag is set; False where this release of JAX is not known to have it.
    """
    return _set_flag(FLAG, "false")


def fold_loops() -> bool:
    """Has XLA fold loops over up to 1 MB into one kernel on a CPU, until the process ends.

    Worlds of a simulation that are one scalar loop run 5 to 10 times faster. Sets the option in the
    environment variable `XLA_FLAGS`, where none like it is set already. To be called before
    anything is computed; later it has no effect. `jaxpapers games` calls it, importing the package
    does not.

    Returns:
        Whether the flag is set; False where this release of JAX is not known to have it.
    """
    return _set_flag(FOLDING_FLAG, FOLDING)


def _set_flag(name: str, value: str) -> bool:
    flags = os.environ.get("XLA_FLAGS", "").split()
    if not any(flag.partition("=")[0] == name for flag in flags):
        if jax.__version_info__[:2] not in VERSIONS:
            return False
        os.environ["XLA_FLAGS"] = " ".join([*flags, f"{name}={value}"])
    return True


def loop_options() -> dict[str, bool]:
    """XLA's options for programs that are one long scalar loop on a CPU.

    Without the option the compiler copies a loop's tables in every step (20 times slower for
    Q-learning). It is meant to concern speed alone, but XLA of jaxlib 0.10.2 lets an array that is
    read again be overwritten where a loop starts from a copy of it. Use it for a program whose
    results a test holds against the same program without it, and for no other.

    Returns:
        Options for `jax.jit(compiler_options=)` and `run`; empty on other platforms and with
        releases of JAX that are not known to have the option.
    """
    is_known = jax.__version_info__[:2] in VERSIONS and jax.default_backend() == "cpu"
    return {"xla_cpu_copy_insertion_use_region_analysis": True} if is_known else {}
