import json
import subprocess
import sys
import types

import pytest

import jaxpapers
from jaxpapers import cli
from jaxpapers.experiments import Experiment, ExperimentResult
from jaxpapers.experiments.environment import versions


@pytest.mark.parametrize("words", [[], ["--help"], ["help"]], ids=str)
def test_help_names_every_verb(capsys, words):
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    for path in ("reproduce [SYSTEM ...]", "info", "ranks fit DATA FORMULA"):
        assert f"jaxpapers {path}" in printed
    assert "--traceback" in printed


def test_help_of_a_system(capsys):
    assert cli.main(["ranks"]) == 0
    printed = capsys.readouterr().out
    assert "ranks fit" in printed
    assert "jaxpapers info" not in printed


def test_help_does_not_import_jax():
    code = (
        "import sys; from jaxpapers.cli import main; main(['--help']); main(['--version'])\n"
        "try: main(['ranks', 'fit', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'jax', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "DATA" in finished.stdout


def test_module_is_the_command():
    command = [sys.executable, "-m", "jaxpapers", "--version"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout == f"jaxpapers {jaxpapers.__version__}\n"


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxpapers {jaxpapers.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reproduc"], "unknown command 'reproduc': did you mean 'reproduce'? choose from"),
        (["ranks", "fitt"], "unknown verb of ranks 'fitt': did you mean 'fit'?"),
        (["reproduce", "rank"], "unknown system 'rank': did you mean 'ranks'?"),
        (["reproduce", "rank", "games"], "unknown system 'rank'"),
    ],
)
def test_mistakes_are_one_line(capsys, words, message):
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"jaxpapers: error: {message}")
    assert printed.err.count("\n") == 1


def test_traceback_on_request():
    with pytest.raises(ValueError, match="unknown command"):
        cli.main(["reproduc", "--traceback"])


@pytest.mark.parametrize("words", [["ranks", "fit"], ["reproduce", "--scale", "tiny"]], ids=str)
def test_missing_or_wrong_arguments_end_with_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert "FORMULA" in captured.out + captured.err or "quick" in captured.out + captured.err


def test_missing_data_file_is_one_line(capsys):
    assert cli.main(["ranks", "fit", "nowhere.csv", "r(y) ~ r(x)"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("jaxpapers: error: ")
    assert "nowhere.csv" in complaint
    assert complaint.count("\n") == 1


def test_missing_tyro_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tyro", None)
    with pytest.raises(ImportError, match=r'needs tyro: pip install "jaxpapers\[cli\]"'):
        cli.main(["info", "--traceback"])
    assert cli.main(["info"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_info(capsys):
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for name, version in versions().items():
        assert any(line.split() == [name, version] for line in printed.splitlines())
    for label in ("devices", "x64", "matmul precision", "cache folder", "extra cuda13", "commit"):
        assert any(line.startswith(label) for line in printed.splitlines())


def fine(context):
    return ExperimentResult("It ran.", (), sizes={"seed": context.seed})


def faulty(context):
    raise ValueError("it broke")


def interrupted(context):
    raise KeyboardInterrupt


@pytest.fixture
def register(monkeypatch):
    def set_experiments(run):
        settings = {"quick": {}, "paper": {}, "full": {}}
        module = types.ModuleType("games_experiments")
        module.EXPERIMENTS = (Experiment("probe", "games", "A probe", (), run, settings, 2.0),)
        name = f"jaxpapers.experiments.{module.__name__}"
        monkeypatch.setitem(sys.modules, name, module)

    return set_experiments


def test_reproduce(register, tmp_path, capsys):
    register(fine)
    words = ["reproduce", "games", "--seed", "4", "--output", str(tmp_path / "out")]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert "[1/1] games/probe  started …" in printed
    assert f"report          {tmp_path / 'out' / 'index.html'}" in printed
    record = json.loads((tmp_path / "out" / "games" / "probe" / "record.json").read_text())
    assert (record["scale"], record["seed"], record["sizes"]) == ("quick", 4, {"seed": 4})


def test_failed_experiment_ends_with_1(register, tmp_path, capsys):
    register(faulty)
    assert cli.main(["reproduce", "games", "--output", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "ValueError: it broke" in printed
    assert (tmp_path / "index.html").exists()


def test_interrupted_reproduction_says_how_to_go_on(register, tmp_path, capsys):
    register(interrupted)
    assert cli.main(["reproduce", "games", "--output", str(tmp_path)]) == 130
    assert "the same command continues" in capsys.readouterr().err
