"""Fixtures that every test can rely on."""

import contextlib
import gc
import os
import shutil
from pathlib import Path

import jax
import pytest

from jaxpapers import engine

REPOSITORY = Path(__file__).resolve().parents[1]
COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
MOST_MAPS = 30_000
MOST_BYTES = 2 << 30
PROGRAMS = REPOSITORY / ".pytest_cache" / "programs"
# What the tests cost is compiling, so it is done quickly, and once for all processes and runs.
engine.compile_quickly()
for name, value in {
    "jax_compilation_cache_dir": str(PROGRAMS),
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}.items():
    os.environ.setdefault(name.upper(), str(value))  # for processes that tests start
    jax.config.update(name, value)


class CompileCount:
    """Names of the programs that XLA compiled inside a ``with count_compiles()`` block.

    Attributes:
        names: one entry per compiled program, the name of the jitted function.
    """

    def __init__(self):
        self.names: list[str] = []

    @property
    def total(self) -> int:
        """Number of programs compiled, those of single eager operations included."""
        return len(self.names)

    def count(self, name: str) -> int:
        """Number of programs compiled for the jitted function called `name`."""
        return self.names.count(name)

    def listen(self, event: str, duration: float, **details):
        del duration
        if event == COMPILE_EVENT:
            name = str(details.get("fun_name", ""))
            self.names.append(name.removeprefix("jit(").removesuffix(")"))


@contextlib.contextmanager
def _count_compiles():
    counted = CompileCount()
    jax.monitoring.register_event_duration_secs_listener(counted.listen)
    try:
        yield counted
    finally:
        jax.monitoring.unregister_event_duration_listener(counted.listen)


@pytest.fixture
def count_compiles():
    """``with count_compiles() as compiles: ...`` then ``compiles.total``, ``.count(name)``."""
    return _count_compiles


@pytest.fixture(autouse=True)
def _rank_promotion_raises():
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(params=[False, True], ids=["f32", "x64"])
def x64(request):
    """Runs the test twice, in single and in double precision; the value says which."""
    with jax.enable_x64(request.param):
        yield request.param


@pytest.fixture(scope="module")
def quick_compiles():
    """Programs are compiled without optimisation: for laws that do not hang on it."""
    name = "jax_disable_most_optimizations"
    before = jax.config.values[name]
    jax.config.update(name, True)
    yield
    jax.config.update(name, before)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of reference data that is not part of this repository; skips where it is absent."""
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("JAXPAPERS_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set JAXPAPERS_DATA")
    return folder


@pytest.fixture(autouse=True, scope="module")
def _few_programs_are_held():
    """Each compiled program holds memory maps, of which a process may have 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


def pytest_configure(config):
    """Programs of many runs are thrown away when they have become many."""
    is_worker = hasattr(config, "workerinput")
    programs = [] if is_worker or not PROGRAMS.is_dir() else PROGRAMS.iterdir()
    if sum(file.stat().st_size for file in programs) > MOST_BYTES:
        shutil.rmtree(PROGRAMS)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and jax.default_backend() != "gpu":
        pytest.skip("needs a GPU")
