import io
import json
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest

from jaxpapers.experiments import Table, environment
from jaxpapers.experiments.clock import CompileClock
from jaxpapers.experiments.console import Console
from jaxpapers.experiments.files import read_csv, read_json, write_bytes, write_csv, write_json
from jaxpapers.experiments.formatting import (
    format_column,
    format_duration,
    format_estimate,
    format_number,
    format_percent,
    format_published,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.48264, "0.4826"),
        (1.0, "1"),
        (20_000, "20,000"),
        (123_456.7, "123,500"),
        (1.23456e-6, "1.235×10⁻⁶"),
        (-0.5, "−0.5000"),
        (0.99999, "1.000"),
        (3.2e9, "3.2×10⁹"),
        (None, "–"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
        (0.0, "0"),
    ],
)
def test_format_number(value, text):
    assert format_number(value) == text


def test_format_percent():
    assert format_percent(0.79149) == "79.1\u00a0%"
    assert format_percent(1.0) == "100.0\u00a0%"
    assert format_percent(-0.056, 0) == "−6\u00a0%"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.952345, 0.00151, "0.9523 ± 0.0015"),
        (0.91234, 0.0213, "0.912 ± 0.021"),
        (1234.6, 56.7, "1235 ± 57"),
        (0.5, 1e-7, "0.5000 ± 1×10⁻⁷"),
        (0.5, None, "0.5000"),
        (None, None, "–"),
        (0.5, 0.0, "0.5000 ± 0"),
        (1e-7, 2e-9, "1×10⁻⁷ ± 2×10⁻⁹"),
        (-0.25, 0.013, "−0.250 ± 0.013"),
    ],
)
def test_format_estimate(value, error, text):
    assert format_estimate(value, error) == text


def test_format_published_keeps_its_digits():
    assert [format_published(value) for value in (0.952, 15.0, 0.785398163, None)] == [
        "0.952",
        "15",
        "0.785398",
        "–",
    ]


def test_format_column():
    assert format_column(["1", "20000", ""]) == ["1", "20,000", "–"]
    assert format_column(["0.95", "0.8", "1.25"]) == ["0.950", "0.800", "1.250"]
    assert format_column(["0.95", "1e-05"]) == ["0.9500", "1×10⁻⁵"]
    assert format_column(["a", "", "1"]) == ["a", "–", "1"]


def test_format_duration():
    seconds = (0.2, 45.0, 80.0, 2_100.0, 15_000.0, 500_000.0)
    texts = ["1 seconds", "45 seconds", "80 seconds", "35 minutes", "4.2 hours", "5.8 days"]
    assert [format_duration(entry) for entry in seconds] == texts


def test_tables_from_rows_and_frames():
    rows = [{"a": np.float32(0.5), "b": np.int32(3)}, {"a": np.nan, "b": 4}]
    expected = ({"a": 0.5, "b": 3}, {"a": None, "b": 4})
    assert Table(rows, "Rows.").records() == expected
    assert Table(pandas.DataFrame(rows), "A frame.").records() == expected


def test_csv_keeps_all_digits(tmp_path):
    path = tmp_path / "folder" / "table.csv"
    values = [0.1 + 0.2, 1e-300, None]
    write_csv(path, [{"x": value, "y": "a,b"} for value in values])
    columns, rows = read_csv(path)
    assert columns == ["x", "y"]
    assert [float(row[0]) if row[0] else None for row in rows] == values


def test_json_of_arrays(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": jnp.ones(2), "b": np.nan, "c": (1, True, None), "d": path.parent})
    assert json.loads(path.read_text()) == {
        "a": [1.0, 1.0],
        "b": None,
        "c": [1, True, None],
        "d": str(tmp_path),
    }
    path.write_text("{half")
    assert read_json(path) is None
    assert read_json(tmp_path / "nothing.json") is None


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_clock_measures_compiling_only():
    @jax.jit
    def inner(x):
        return jnp.sin(x) @ x

    @jax.jit
    def outer(x):
        return inner(x) + inner(x + 1.0)

    x = np.ones((3, 3), np.float32)
    start = time.perf_counter()
    with CompileClock() as clock:
        outer(x).block_until_ready()
        first = clock.seconds
        outer(x).block_until_ready()
        assert clock.seconds == first
    assert 0.0 < first <= time.perf_counter() - start
    outer(np.ones((4, 4), np.float32))
    assert clock.seconds == first


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_console_on_a_terminal_keeps_one_line():
    terminal = Terminal()
    console = Console(terminal)
    console.start("[1/1] one  started …")
    progress = console.progress_stream()
    progress.write("\r\x1b[Kdraws [##..] 1/2")
    progress.write("\n")
    console.end("[1/1] one  1.0 s")
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("\r\x1b[K[1/1] one  1.0 s\n")


def test_console_in_a_log_holds_back_quick_progress():
    log = io.StringIO()
    progress = Console(log).progress_stream()
    progress.write("draws: 1/2\n")
    assert log.getvalue() == ""


def test_console_writes_what_the_encoding_has():
    raw = io.BytesIO()
    console = Console(io.TextIOWrapper(raw, encoding="ascii"))
    console.line("started …")
    assert raw.getvalue() == b"started ?\n"


def test_commit_is_that_of_a_tracked_package(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    tracked, loose = tmp_path / "tracked", tmp_path / "loose"
    for folder in (tracked, loose):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    assert environment.commit(tmp_path) is None
    git("init")
    git("add", "tracked")
    git("commit", "-m", "first", "--no-gpg-sign", "--no-verify")
    assert environment.commit(tracked) == git("rev-parse", "HEAD")
    assert environment.commit(loose) is None
    environment.commit.cache_clear()
    (tracked / "__init__.py").write_text("x = 1\n")
    assert environment.commit(tracked) == git("rev-parse", "HEAD") + "+changes"


def test_extras_come_from_the_metadata():
    extras = environment.extras()
    assert {"cli", "io", "formula", "plot", "ckpt", "examples", "cuda12", "cuda13"} == set(extras)
    assert set(extras["plot"]) == {"matplotlib", "pillow"}
    assert set(extras["cuda12"]) == {"jax-cuda12-plugin"}
    assert extras["cli"]["tyro"]
