"""Compile times on CPUs, where a program that runs for seconds can compile for as long."""

import os

import jax

FLAG = "--xla_cpu_use_fusion_emitters"
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
    flags = os.environ.get("XLA_FLAGS", "").split()
    if not any(flag.partition("=")[0] == FLAG for flag in flags):
        if jax.__version_info__[:2] not in VERSIONS:
            return False
        os.environ["XLA_FLAGS"] = " ".join([*flags, f"{FLAG}=false"])
    return True
