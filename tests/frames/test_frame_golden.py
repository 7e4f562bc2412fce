"""Formulas against stored output of csranks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tolerances

from jaxpapers import frames

FOLDER = Path(__file__).resolve().parents[1] / "golden"
SYNTHETIC = sorted(path.stem.removeprefix("golden_") for path in FOLDER.glob("golden_*.json"))
ELSEWHERE = ("pci_cov", "pci_grouped", "pci_plain")


def python_formula(text):
    return text.replace("TRUE", "True").replace("FALSE", "False")


def python_name(name, levels):
    """csranks' name of a coefficient as ours."""
    name = python_formula(name).replace("(Intercept)", "Intercept")
    for factor, values in levels.items():
        for value in values:
            if name == factor + value:
                grouped = len(values) > 3 or factor == "race"
                return f"Intercept[{value}]" if grouped else f"{factor}[T.{value}]"
            name = re.sub(rf"^(.+):{factor}{value}$", rf"\1[{value}]", name)
            name = re.sub(rf"^{factor}{value}:(.+)$", rf"\1[{value}]", name)
    return name


def check(folder, name):
    golden = json.loads((folder / f"golden_{name}.json").read_text())
    levels = golden["factor_levels"] or {}
    grouped = ":" in golden["formula"]
    names = [
        python_name(n, levels if grouped else levels) if grouped else categorical_name(n, levels)
        for n in golden["coef_names"]
    ]
    table = frames.read_table(folder / golden["data"])
    result = frames.rank_regression(
        python_formula(golden["formula"]), table, tie_weight=golden["omega"]
    )
    assert list(result.names) == names
    np.testing.assert_allclose(
        result.params.to_numpy(), np.array(golden["coef"], float), rtol=tolerances.GOLDEN, atol=0
    )
    cov = np.array(golden["vcov"], float)
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    error = np.abs(result.cov_params().to_numpy() - cov) / scale
    np.testing.assert_array_equal(np.isnan(error), np.isnan(cov))
    assert np.nanmax(error) < tolerances.GOLDEN
    np.testing.assert_allclose(result.rsquared, golden["r_squared"], rtol=tolerances.GOLDEN)
    for kind, key in (("iid", "naive_lm_se"), ("HC1", "hc1_se")):
        errors = result.standard_errors(kind)
        np.testing.assert_allclose(errors, np.array(golden[key], float), rtol=tolerances.GOLDEN)
    return golden, result


def categorical_name(name, levels):
    name = python_formula(name).replace("(Intercept)", "Intercept")
    for factor, values in levels.items():
        if name.removeprefix(factor) in values:
            return f"{factor}[T.{name.removeprefix(factor)}]"
    return name


@pytest.mark.parametrize("name", SYNTHETIC)
def test_golden(name):
    golden, result = check(FOLDER, name)
    intervals = result.conf_int().to_numpy()
    np.testing.assert_allclose(intervals, np.array(golden["confint95"], float), rtol=1e-8)
    np.testing.assert_allclose(
        result.conf_int(alpha=0.1), np.array(golden["confint90"], float), rtol=1e-8
    )
    np.testing.assert_allclose(result.zvalues, np.array(golden["z"], float), rtol=1e-8)


@pytest.mark.reference
@pytest.mark.parametrize("name", ELSEWHERE)
def test_golden_elsewhere(name, reference_data):
    check(reference_data / "rankreg", name)
