"""What the source must look like: each rule takes one parsed file and yields its violations."""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).resolve().parents[2]

LEVELS = {
    "numerics": 0,
    "engine": 1,
    **dict.fromkeys(("copulas", "ranks", "auctions", "games"), 2),
    **dict.fromkeys(("frames", "plots", "language"), 3),
    "experiments": 4,
    "cli": 5,
    "__main__": 6,
}
PAPERS_LEVEL = 2
FRIENDLY_LEVEL = 3

CORE = {"jax", "jaxlib", "numpy", "equinox", "jaxtyping"}
ALGORITHM_PACKAGES = {"optax", "numpyro"}

LONGEST_FILE = 600
LONGEST_FUNCTION = 50

MODULE_NAMES_OF_NOTHING = {"util", "utils", "helper", "helpers", "misc", "common", "tools", "lib"}
STUB_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK|[Nn]ot implemented|[Cc]oming soon|[Ss]tub)\b")

# Calls that may run while a module is imported although they start with a forbidden prefix:
# they ask about dtypes or wrap functions and put nothing on a device.
QUIET_CALLS = {
    "jax.numpy.finfo",
    "jax.numpy.iinfo",
    "jax.numpy.dtype",
    "jax.numpy.issubdtype",
    "jax.numpy.vectorize",
}
DEVICE_CALLS = re.compile(
    r"jax\.(numpy|random|lax|nn|scipy|device_put|devices|local_devices|device_count"
    r"|local_device_count|default_backend|make_mesh|distributed|block_until_ready)(\.|$)"
)
FORBIDDEN_NAMES = {
    "jax.pmap": "use jax.shard_map",
    "jax.tree_map": "use jax.tree.map",
    "jax.experimental.shard_map": "use jax.shard_map",
    "jax.experimental.enable_x64": "use jax.enable_x64",
    "jax.pure_callback": "no callbacks",
    "jax.experimental.io_callback": "no callbacks",
    "jax.debug": "no callbacks",
}

NAMES = {
    r"(rng|rng_key|prng|prng_key|random_key|random_state)": "key",
    r"n_\w+": "num_...",
    r"(nsteps|num_iter|num_iters|num_iterations)": "num_steps",
    r"(max_iter|max_iters|max_iterations)": "max_steps",
    r"(num_boot|num_bootstraps?|num_reps?|num_replications|replications)": "num_replicates",
    r"(num_samples?|num_sims|num_simulations)": "num_draws",
    r"batchsize": "batch_size",
    r"(tol|atol|rtol)": "tolerance",
    r"(conf_level|confidence|confidence_level)": "level",
    r"(verbose|quiet|silent)": "progress",
}


@dataclass(frozen=True)
class Source:
    """One file of Python: its place in the repository and its text."""

    path: PurePosixPath
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def parts(self) -> tuple[str, ...]:
        """Dotted name of the module as a tuple, `__init__` left out."""
        parts = self.path.with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def unit(self) -> str:
        """Subpackage or top-level module of `jaxpapers`, empty for the package itself.

        The command line is one unit in several modules, `cli` and `cli_*`.
        """
        unit = self.parts[1] if len(self.parts) > 1 else ""
        return "cli" if unit.startswith("cli_") else unit

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


def read_sources(*folders: str) -> list[Source]:
    """All Python files below folders of the repository, in order."""
    paths = sorted(path for name in folders for path in (REPOSITORY / name).rglob("*.py"))
    relative = [PurePosixPath(path.relative_to(REPOSITORY).as_posix()) for path in paths]
    return [
        Source(name, path.read_text("utf-8"))
        for name, path in zip(relative, paths, strict=True)
        if ".ipynb_checkpoints" not in name.parts
    ]


# --- walking ------------------------------------------------------------------------------------


def is_type_checking(node: ast.AST) -> bool:
    """True for `if TYPE_CHECKING:`, whose body never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs at some time: all but the bodies of `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            yield child
            yield from running_nodes(child)


def import_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs while the module is imported: no bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            continue
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_definition = [*child.args.defaults, *child.args.kw_defaults]
            at_definition += getattr(child, "decorator_list", [])
            for part in filter(None, at_definition):
                yield part
                yield from import_time_nodes(part)
        else:
            yield from import_time_nodes(child)


def imported_names(node: ast.AST, source: Source) -> list[str]:
    """Absolute dotted names that a statement imports, or a call imports by a literal name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        start = source.parts if source.is_package else source.parts[:-1]
        start = start[: len(start) - node.level + 1] if node.level else ()
        base = ".".join([*start, *filter(None, [node.module])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = ast.unparse(node.func).split(".")[-1]
        name = node.args[0].value
        if called in {"require_extra", "import_module"} and isinstance(name, str):
            return [name]
    return []


def aliases(source: Source) -> dict[str, str]:
    """Dotted meaning of each name that an import binds anywhere in the file."""
    meaning = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                meaning[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            for alias, name in zip(node.names, imported_names(node, source), strict=True):
                meaning[alias.asname or alias.name] = name
    return meaning


def dotted(node: ast.AST, meaning: dict[str, str]) -> str:
    """Absolute dotted name of `a.b.c`, empty where the expression is something else."""
    if isinstance(node, ast.Name):
        return meaning.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, meaning)
        return f"{base}.{node.attr}" if base else ""
    return ""


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Positional parameters without `self` and `cls`."""
    positional = [*function.args.posonlyargs, *function.args.args]
    return positional[1:] if positional and positional[0].arg in {"self", "cls"} else positional


def docstring_length(node: ast.AST) -> int:
    body = getattr(node, "body", [])
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        return body[0].end_lineno - body[0].lineno + 1
    return 0


# --- rules on imports ---------------------------------------------------------------------------


def imports_point_down(source: Source) -> Iterator[str]:
    """cli, experiments, friendly layer, papers, engine, numerics: siblings stay apart."""
    here = LEVELS.get(source.unit)
    if source.unit and here is None:
        yield f"1: {source.unit} has no place in the order of layers"
    for node in running_nodes(source.tree):
        for name in imported_names(node, source):
            unit = name.removeprefix("jaxpapers.").split(".")[0]
            if not name.startswith("jaxpapers.") or unit not in LEVELS or unit == source.unit:
                continue
            if not source.unit:
                yield f"{node.lineno}: the package itself imports {unit} before it is used"
            elif LEVELS[unit] >= here:
                yield f"{node.lineno}: {source.unit} must not import {unit}"


def third_party_is_where_it_belongs(source: Source) -> Iterator[str]:
    """The core everywhere, optax and numpyro in papers, the rest lazily in the friendly layer."""
    at_import = {id(node) for node in import_time_nodes(source.tree)}
    level = LEVELS.get(source.unit, FRIENDLY_LEVEL)
    for node in running_nodes(source.tree):
        for name in imported_names(node, source):
            package = name.split(".")[0]
            if package in sys.stdlib_module_names or package == "jaxpapers":
                continue
            if not _is_allowed(package, source, level, id(node) in at_import):
                yield f"{node.lineno}: {package} must not be imported here"


def _is_allowed(package: str, source: Source, level: int, is_at_import: bool) -> bool:
    if not source.unit:
        return False
    if package in CORE:
        return True
    if package == "chex":
        return not (is_at_import and source.is_package)
    if package in ALGORITHM_PACKAGES:
        return level >= PAPERS_LEVEL and not (is_at_import and source.is_package)
    if is_at_import:
        return False
    return level >= FRIENDLY_LEVEL or (package == "orbax" and source.unit == "engine")


def nothing_on_a_device_at_import(source: Source) -> Iterator[str]:
    """No array, key or device query in the body of a module or class, or in a default."""
    meaning = aliases(source)
    for node in import_time_nodes(source.tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func, meaning)
            if DEVICE_CALLS.match(name) and name not in QUIET_CALLS:
                yield f"{node.lineno}: {name}() runs at import"


def no_global_configuration(source: Source) -> Iterator[str]:
    """No jax.config, no callback, no name that JAX has dropped; x64 is scoped by the engine."""
    meaning = aliases(source)
    # The report and `jaxpapers info` say how JAX is set; nobody sets it.
    may_read = source.unit in {"cli", "experiments"}
    for node in ast.walk(source.tree):
        names = [dotted(node, meaning)] if isinstance(node, ast.Attribute | ast.Name) else []
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = imported_names(node, source)
        is_set = isinstance(getattr(node, "ctx", None), ast.Store)
        for name in names:
            is_change = name == "jax.config.update" or is_set
            if re.match(r"jax\.config(\.|$)", name) and (is_change or not may_read):
                yield f"{node.lineno}: the library never touches jax.config"
            for forbidden, reason in FORBIDDEN_NAMES.items():
                if name == forbidden or name.startswith(forbidden + "."):
                    yield f"{node.lineno}: {name}: {reason}"
            if name == "jax.enable_x64" and source.unit != "engine":
                yield f"{node.lineno}: x64 is scoped by engine.double_precision() only"


# --- rules on shape -----------------------------------------------------------------------------


def files_are_short(source: Source) -> Iterator[str]:
    """600 lines at most."""
    length = source.text.count("\n")
    if length > LONGEST_FILE:
        yield f"1: {length} lines, {LONGEST_FILE} at most"


def functions_are_short(source: Source) -> Iterator[str]:
    """50 lines at most, the docstring not counted."""
    for function in functions(source):
        length = function.end_lineno - function.lineno + 1 - docstring_length(function)
        if length > LONGEST_FUNCTION:
            yield f"{function.lineno}: {function.name} has {length} lines, not {LONGEST_FUNCTION}"


def modules_are_named_after_things(source: Source) -> Iterator[str]:
    """No module that gathers what has no place."""
    for part in source.parts:
        if part.strip("_") in MODULE_NAMES_OF_NOTHING:
            yield f"1: {part} says nothing about what is in it"


def nothing_is_left_undone(source: Source) -> Iterator[str]:
    """No stub words, no NotImplementedError, no empty body, no silenced exception."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := STUB_WORDS.search(line):
            yield f"{number}: {found[0]!r}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{node.lineno}: NotImplementedError"
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield f"{node.lineno}: bare except"
            if all(_is_empty(statement) for statement in node.body):
                yield f"{node.lineno}: an exception is silenced; contextlib.suppress says which"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            body = node.body[1:] if docstring_length(node) else node.body
            if body and all(_is_empty(statement) for statement in body) and not _is_declared(node):
                yield f"{node.lineno}: {node.name} has no body"


def _is_empty(statement: ast.stmt) -> bool:
    is_ellipsis = isinstance(statement, ast.Expr) and ast.unparse(statement) == "..."
    return isinstance(statement, ast.Pass) or is_ellipsis


def _is_declared(node: ast.AST) -> bool:
    decorators = {ast.unparse(d).split(".")[-1] for d in node.decorator_list}
    return bool(decorators & {"abstractmethod", "overload"})


def nothing_is_inherited_by_super(source: Source) -> Iterator[str]:
    """A class is abstract or final: no super()."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super":
            yield f"{node.lineno}: super()"


def only_the_friendly_layer_prints(source: Source) -> Iterator[str]:
    """print and the standard streams: cli, experiments and the engine's progress only."""
    if source.unit in {"cli", "experiments"} or source.parts == ("jaxpapers", "engine", "progress"):
        return
    for node in ast.walk(source.tree):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if name == "print" or re.fullmatch(r"sys\.(stdout|stderr)\.write", name):
            yield f"{node.lineno}: {name}()"


def tests_are_real(source: Source) -> Iterator[str]:
    """No mock, no xfail, no skip outside conftest.py."""
    meaning = aliases(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported_names(node, source):
                if "mock" in name.split("."):
                    yield f"{node.lineno}: {name}"
        if isinstance(node, ast.Attribute):
            name = dotted(node, meaning)
            is_skip = re.fullmatch(r"pytest\.(mark\.)?(skip|skipif|importorskip)", name)
            if is_skip and source.path.name != "conftest.py":
                yield f"{node.lineno}: {name}"
            if re.fullmatch(r"pytest\.(mark\.)?xfail", name):
                yield f"{node.lineno}: {name}"


# --- rules on names and arguments ---------------------------------------------------------------


def things_have_one_name(source: Source) -> Iterator[str]:
    """Parameters and fields go by the names of the house style."""
    found = [(arg.arg, arg.lineno) for f in functions(source) for arg in _all_arguments(f)]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            found += [
                (field.target.id, field.lineno)
                for field in node.body
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            ]
    is_friendly = LEVELS.get(source.unit, FRIENDLY_LEVEL) >= FRIENDLY_LEVEL
    names = NAMES if is_friendly else {**NAMES, "seed": "key"}
    for name, line in found:
        for pattern, right in names.items():
            if re.fullmatch(pattern, name.strip("_")):
                yield f"{line}: {name} is called {right} here"


def _all_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    arguments = function.args
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def keys_come_first(source: Source) -> Iterator[str]:
    """A public function takes its key first and gives it no default."""
    for function in functions(source):
        if function.name.startswith("_"):
            continue
        names = [arg.arg for arg in parameters(function)]
        if "key" in [arg.arg for arg in _all_arguments(function)] and names[:1] != ["key"]:
            yield f"{function.lineno}: {function.name} does not take key first"
        if names[:1] == ["key"] and len(function.args.defaults) >= len(names):
            yield f"{function.lineno}: {function.name} has a default for key"


def no_boolean_is_positional(source: Source) -> Iterator[str]:
    """A flag of a public function is keyword-only."""
    for function in functions(source):
        positional = parameters(function)
        defaults = [None] * len(positional) + list(function.args.defaults)
        for arg, default in zip(positional, defaults[-len(positional) or None :], strict=False):
            is_flag = isinstance(default, ast.Constant) and isinstance(default.value, bool)
            is_flag |= arg.annotation is not None and ast.unparse(arg.annotation) == "bool"
            if is_flag and not function.name.startswith("_"):
                yield f"{arg.lineno}: {function.name} takes the flag {arg.arg} by position"


PACKAGE_RULES = (
    imports_point_down,
    third_party_is_where_it_belongs,
    nothing_on_a_device_at_import,
    no_global_configuration,
    nothing_is_inherited_by_super,
    only_the_friendly_layer_prints,
    things_have_one_name,
    keys_come_first,
    no_boolean_is_positional,
)
ALL_CODE_RULES = (
    files_are_short,
    functions_are_short,
    modules_are_named_after_things,
    nothing_is_left_undone,
)
TEST_RULES = (tests_are_real,)
