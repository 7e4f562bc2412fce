"""Fixtures that every test can rely on."""

import contextlib
import gc
import os
from pathlib import Path

import jax
import pytest

from jaxpapers import engine

REPOSITORY = Path(__file__).resolve().parents[1]
COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
MOST_MAPS = 30_000
engine.compile_quickly()  # compiling is most of what the tests cost


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


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and jax.default_backend() != "gpu":
        pytest.skip("needs a GPU")
