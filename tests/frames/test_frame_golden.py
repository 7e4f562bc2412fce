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


def python_name(name, levels, *, grouped):
    """Our name of a coefficient of csranks."""
    name = name.replace("(Intercept)", "Intercept").replace(
        "increasing = FALSE", "increasing=False"
    )
    for factor, values in levels.items():
        for value in values:
            if name == factor + value:
                return f"Intercept[{value}]" if grouped else f"{factor}[T.{value}]"
            name = re.sub(
                rf"^(.+):{factor}{value}$|^{factor}{value}:(.+)$", rf"\1\2[{value}]", name
            )
    return name


def numbers(values):
    """JSON's null as NaN."""
    return np.array(values, float)


def check(folder, name):
    golden = json.loads((folder / f"golden_{name}.json").read_text())
    formula = golden["formula"].replace("FALSE", "False")
    table = frames.read_table(folder / golden["data"])
    result = frames.rank_regression(formula, table, tie_weight=golden["omega"])
    levels, grouped = golden["factor_levels"] or {}, ":" in formula
    names = [python_name(each, levels, grouped=grouped) for each in golden["coef_names"]]
    assert list(result.names) == names
    exact = {"rtol": tolerances.GOLDEN, "atol": 0}
    np.testing.assert_allclose(result.params, numbers(golden["coef"]), **exact)
    np.testing.assert_allclose(result.bse, numbers(golden["se"]), **exact)
    np.testing.assert_allclose(result.rsquared, golden["r_squared"], **exact)
    for kind, key in (("iid", "naive_lm_se"), ("HC1", "hc1_se")):
        np.testing.assert_allclose(result.standard_errors(kind), numbers(golden[key]), **exact)
    cov = numbers(golden["vcov"])
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    error = np.abs(result.cov_params().to_numpy() - cov) / scale
    np.testing.assert_array_equal(np.isnan(error), np.isnan(cov))
    assert np.nanmax(error) < tolerances.GOLDEN
    ends = {"rtol": tolerances.GOLDEN, "atol": tolerances.GOLDEN}
    np.testing.assert_allclose(result.conf_int(), numbers(golden["confint95"]), **ends)
    np.testing.assert_allclose(result.conf_int(alpha=0.1), numbers(golden["confint90"]), **ends)
    np.testing.assert_allclose(result.zvalues, numbers(golden["z"]), **ends)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_golden(name):
    check(FOLDER, name)


@pytest.mark.reference
@pytest.mark.parametrize("name", ELSEWHERE)
def test_golden_elsewhere(name, reference_data):
    check(reference_data / "rankreg", name)
