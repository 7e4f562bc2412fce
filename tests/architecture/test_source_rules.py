"""The rules of the architecture and the house style, held on every file of source."""

import textwrap
from pathlib import PurePosixPath

import architecture_rules as rules
import pytest

SKIP, EXPECTED_FAILURE = "pytest." + "skip", "pytest.mark." + "xfail"  # not run by this file

PACKAGE = rules.read_sources("jaxpapers")
TESTS = rules.read_sources("tests")
CODE = [*PACKAGE, *TESTS, *rules.read_sources("benchmarks", "notebooks", ".ci")]


def violations(rule, sources):
    return [f"{source.path}:{text}" for source in sources for text in rule(source)]


@pytest.mark.parametrize("rule", rules.PACKAGE_RULES, ids=lambda rule: rule.__name__)
def test_package_keeps(rule):
    assert violations(rule, PACKAGE) == []


@pytest.mark.parametrize("rule", rules.ALL_CODE_RULES, ids=lambda rule: rule.__name__)
def test_all_code_keeps(rule):
    # The rules themselves and their planted violations spell out what they look for.
    sources = [source for source in CODE if source.parts[:2] != ("tests", "architecture")]
    assert violations(rule, sources) == []


@pytest.mark.parametrize("rule", rules.TEST_RULES, ids=lambda rule: rule.__name__)
def test_tests_keep(rule):
    assert violations(rule, TESTS) == []


def test_these_tests_are_short_too():
    own = [source for source in TESTS if "architecture" in source.parts]
    assert violations(rules.files_are_short, own) == []
    assert violations(rules.functions_are_short, own) == []


def test_every_subpackage_has_a_place():
    units = {source.unit for source in PACKAGE} - {""}
    assert units <= set(rules.LEVELS)
    assert {"numerics", "engine"} <= units


# Each rule: files that it must complain about, then files that it must leave alone.
PLANTED = {
    "imports_point_down": (
        ("numerics/roots.py", "from jaxpapers import engine"),
        ("numerics/roots.py", "from ..engine import run"),
        ("engine/drivers.py", "import jaxpapers.ranks.model"),
        ("ranks/fit.py", "def f():\n    from ..games import play"),
        ("ranks/__init__.py", "from ..copulas import fit"),
        ("frames/table.py", "from ..plots import scatter"),
        ("plots/figure.py", "import importlib\nimportlib.import_module('jaxpapers.cli')"),
        ("experiments/mobility.py", "from ..cli import main"),
        ("__init__.py", "from . import ranks"),
        ("gadgets/thing.py", "x = 1"),
    ),
    "third_party_is_where_it_belongs": (
        ("ranks/fit.py", "import pandas as pd"),
        ("ranks/fit.py", "def f():\n    import pandas"),
        ("frames/table.py", "import narwhals as nw"),
        ("plots/figure.py", "from matplotlib import pyplot"),
        ("engine/checkpoint.py", "import orbax.checkpoint"),
        ("numerics/roots.py", "import optax"),
        ("ranks/__init__.py", "import chex"),
        ("ranks/__init__.py", "import numpyro"),
        ("ranks/fit.py", "require_extra('polars', 'io')"),
        ("__init__.py", "import jax"),
        ("numerics/roots.py", "try:\n    import scipy\nexcept ImportError:\n    scipy = None"),
    ),
    "nothing_on_a_device_at_import": (
        ("ranks/fit.py", "import jax.numpy as jnp\nZERO = jnp.zeros(3)"),
        ("ranks/fit.py", "import jax\nKEY = jax.random.key(0)"),
        ("ranks/fit.py", "from jax import random\ndef f(key=random.key(0)):\n    return key"),
        ("ranks/fit.py", "import jax\nclass A:\n    one: object = jax.numpy.asarray(1.0)"),
        ("ranks/fit.py", "from jax.numpy import ones\nif True:\n    x = [ones(2)]"),
        ("engine/devices.py", "import jax\nCOUNT = len(jax.devices())"),
    ),
    "no_global_configuration": (
        (
            "engine/drivers.py",
            "import jax\ndef f():\n    jax.config.update('jax_enable_x64', True)",
        ),
        ("engine/drivers.py", "from jax import config"),
        ("ranks/fit.py", "import jax\ndef f():\n    with jax.enable_x64(True):\n        return 1"),
        ("ranks/fit.py", "import jax\ndef f(x):\n    jax.debug.print('{}', x)"),
        ("ranks/fit.py", "from jax.experimental import io_callback"),
        ("ranks/fit.py", "from jax.experimental.shard_map import shard_map"),
        ("ranks/fit.py", "import jax\ndef f(x):\n    return jax.tree_map(abs, x)"),
    ),
    "nothing_is_inherited_by_super": (
        ("ranks/fit.py", "class A(B):\n    def f(self):\n        return super().f()"),
    ),
    "only_the_friendly_layer_prints": (
        ("ranks/fit.py", "def f():\n    print('done')"),
        ("frames/table.py", "import sys\ndef f():\n    sys.stdout.write('done')"),
        ("engine/drivers.py", "print(1)"),
    ),
    "things_have_one_name": (
        ("ranks/fit.py", "def f(n_steps):\n    return n_steps"),
        ("ranks/fit.py", "def f(x, *, seed):\n    return seed"),
        ("ranks/fit.py", "class A:\n    max_iter: int"),
        ("frames/table.py", "def f(table, rng):\n    return rng"),
    ),
    "keys_come_first": (
        ("ranks/fit.py", "def sample(model, key):\n    return key"),
        ("ranks/fit.py", "def sample(key=None):\n    return key"),
        ("ranks/fit.py", "def sample(model, *, key):\n    return key"),
        ("ranks/fit.py", "class A:\n    def sample(self, model, key):\n        return key"),
    ),
    "no_boolean_is_positional": (
        ("ranks/fit.py", "def fit(x, robust=True):\n    return x"),
        ("ranks/fit.py", "def fit(x, robust: bool):\n    return x"),
        ("ranks/fit.py", "class A:\n    def fit(self, x=1, robust=False):\n        return x"),
    ),
    "files_are_short": (("ranks/fit.py", "x = 1\n" * 601),),
    "functions_are_short": (("ranks/fit.py", "def f():\n" + "    x = 1\n" * 50),),
    "modules_are_named_after_things": (
        ("ranks/utils.py", "x = 1"),
        ("engine/_helpers.py", "x = 1"),
        ("common/__init__.py", "x = 1"),
    ),
    "nothing_is_left_undone": (
        ("ranks/fit.py", "x = 1  # TODO: more"),
        ("ranks/fit.py", "def f():\n    raise NotImplementedError"),
        ("ranks/fit.py", "def f():\n    pass"),
        ("ranks/fit.py", "def f():\n    '''Says what.'''\n    ..."),
        ("ranks/fit.py", "try:\n    x = 1\nexcept ValueError:\n    pass"),
        ("ranks/fit.py", "try:\n    x = 1\nexcept:\n    x = 2"),
    ),
    "tests_are_real": (
        ("test_fit.py", "from unittest import mock"),
        ("test_fit.py", "import unittest.mock"),
        ("test_fit.py", f"import pytest\n{SKIP}('later')"),
        ("test_fit.py", "import pytest\n@pytest.mark.skipif(True)\ndef f():\n    return 1"),
        ("test_fit.py", f"import pytest\n@{EXPECTED_FAILURE}\ndef f():\n    return 1"),
        ("test_fit.py", "import pytest\nscipy = pytest.importorskip('scipy')"),
        ("conftest.py", "import pytest\npytest.xfail('no')"),
    ),
}

INNOCENT = {
    "imports_point_down": (
        (
            "ranks/fit.py",
            "from .. import engine\nfrom ..numerics import linear",
        ),
        ("engine/__init__.py", "from ..numerics.status import Status\nfrom .drivers import run"),
        (
            "__init__.py",
            "if TYPE_CHECKING:\n    from . import cli",
        ),
        ("cli.py", "from jaxpapers import experiments, frames, __version__"),
    ),
    "third_party_is_where_it_belongs": (
        ("ranks/fit.py", "import chex\nimport optax\nimport numpy as np\nimport math"),
        (
            "frames/table.py",
            "def f():\n    import pandas\n    require_extra('xarray', 'io')",
        ),
        ("engine/checkpoint.py", "def f():\n    return require_extra('orbax.checkpoint', 'ckpt')"),
        (
            "plots/a.py",
            "if TYPE_CHECKING:\n    import matplotlib",
        ),
    ),
    "nothing_on_a_device_at_import": (
        ("ranks/fit.py", "import jax.numpy as jnp\nEPS = jnp.finfo(jnp.float32).eps"),
        ("ranks/fit.py", "import jax\n@jax.jit\ndef f(x):\n    return jax.numpy.sin(x)"),
        ("ranks/fit.py", "import jax.numpy as jnp\nf = lambda x: jnp.zeros(x)"),
    ),
    "no_global_configuration": (
        ("engine/precision.py", "import jax\ndef f():\n    return jax.enable_x64(True)"),
        ("experiments/a.py", "import jax\nX64 = getattr(jax.config, 'jax_enable_x64')"),
        ("ranks/fit.py", "import jax\ndef f(config):\n    return jax.tree.map(abs, config.value)"),
    ),
    "only_the_friendly_layer_prints": (
        ("engine/progress.py", "print(1)"),
        ("experiments/report.py", "print(1)"),
        ("cli.py", "print(1)"),
    ),
    "things_have_one_name": (
        ("ranks/fit.py", "def f(num_steps, max_steps, tolerance, level):\n    n_obs = 1"),
        ("experiments/a.py", "class Context:\n    seed: int"),
    ),
    "keys_come_first": (
        (
            "engine/drivers.py",
            "class A:\n    def init(self, key, data=None):\n        return key",
        ),
        ("frames/table.py", "def _column(table, key):\n    return table[key]"),
    ),
    "no_boolean_is_positional": (
        ("ranks/fit.py", "def fit(x, y=None, *, robust=True):\n    return x"),
        ("ranks/fit.py", "class A:\n    increasing: bool = True"),
    ),
    "functions_are_short": (
        ("ranks/fit.py", "def f():\n    '''Long.\n" + "\n" * 60 + "    '''\n    return 1"),
    ),
    "nothing_is_left_undone": (
        ("ranks/fit.py", "class FitError(ValueError):\n    '''The fit failed.'''"),
        ("ranks/fit.py", "class A:\n    @abc.abstractmethod\n    def f(self):\n        ..."),
    ),
    "tests_are_real": (("conftest.py", f"import pytest\n{SKIP}('no GPU')"),),
}

RULES = {r.__name__: r for r in (*rules.PACKAGE_RULES, *rules.ALL_CODE_RULES, *rules.TEST_RULES)}


def planted(path, text):
    folder = "tests" if path.endswith(("test_fit.py", "conftest.py")) else "jaxpapers"
    return rules.Source(PurePosixPath(folder, path), textwrap.dedent(text))


def test_every_rule_has_a_planted_violation():
    assert set(PLANTED) == set(RULES)


@pytest.mark.parametrize("name", PLANTED)
def test_rule_catches(name):
    for path, text in PLANTED[name]:
        assert list(RULES[name](planted(path, text))), f"{path}: {text}"


@pytest.mark.parametrize("name", INNOCENT)
def test_rule_leaves_alone(name):
    for path, text in INNOCENT[name]:
        assert list(RULES[name](planted(path, text))) == [], f"{path}: {text}"
