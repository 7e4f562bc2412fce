"""Fitted copulas as DataTrees and netCDF files: what is in them, who reads them, what is kept."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray
from copula_cases import ASSETS, NUM_DRAWS, planted, stock_prices

from jaxpapers import frames

pytestmark = pytest.mark.usefixtures("quick_compiles")


@pytest.fixture(scope="module")
def result():
    return planted()


@pytest.fixture
def path(result, tmp_path):
    result.to_netcdf(tmp_path / "fit.nc")
    return tmp_path / "fit.nc"


def test_groups_dimensions_and_attributes(result):
    tree = result.to_datatree()
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data"}
    posterior = tree["posterior"]
    assert dict(posterior.sizes) == {
        **{"chain": 1, "draw": NUM_DRAWS, "param": 7},
        **{"asset": 3, "asset_2": 3, "factor": 1},
    }
    assert posterior["correlation"].dims == ("chain", "draw", "asset", "asset_2")
    assert list(posterior["asset"].to_numpy()) == list(ASSETS)
    one = posterior["correlation"].sel(chain=0, draw=4, asset="JPM", asset_2="XOM")
    np.testing.assert_array_equal(one, result.posterior.correlation[4, 1, 2])
    np.testing.assert_array_equal(posterior["nu"][0], result.posterior.nu)
    np.testing.assert_array_equal(posterior["delta"][0], result.posterior.delta)
    assert float(tree["sample_stats"]["pareto_k"]) == 0.31
    np.testing.assert_array_equal(tree["sample_stats"]["mode_log_posterior"], [101.5, 95.0])
    data = tree["observed_data"]
    assert (data["time"].to_numpy() == stock_prices().index[1:].to_numpy()).all()
    np.testing.assert_array_equal(data["u"], result.sample.u)
    np.testing.assert_array_equal(data["returns"].sel(asset="XOM"), result.sample.returns[:, 2])
    assert tree.attrs["status"] == "CONVERGED"
    assert json.loads(tree.attrs["settings"])["family"] == "skew-t"
    assert {"python", "jaxpapers", "jax"} <= set(json.loads(tree.attrs["versions"]))


def test_chains_are_an_axis():
    result = planted("t", algorithm="nuts", elbo=np.float64(np.nan), pareto_k=np.float64(np.nan))
    tree = result.to_datatree()
    half = NUM_DRAWS // 2
    assert tree["posterior"].sizes["chain"] == 2
    np.testing.assert_array_equal(tree["posterior"]["nu"][1], result.posterior.nu[half:])
    np.testing.assert_array_equal(tree["sample_stats"]["lp"][1], result.fit.trace[half:])
    assert "elbo_trace" not in tree["sample_stats"]
    assert "delta" not in tree["posterior"]


def test_arviz_reads_the_file(result, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz

    data = arviz.from_netcdf(path)
    assert {"posterior", "sample_stats", "observed_data"} <= set(data.groups())
    summary = arviz.summary(data, var_names=["nu", "delta"], kind="stats", round_to="none")
    np.testing.assert_allclose(summary.loc["nu", "mean"], result.nu)
    np.testing.assert_allclose(summary.loc["delta[JPM]", "mean"], result.delta["JPM"])
    np.testing.assert_allclose(summary.loc["delta[XOM]", "sd"], result.bse["delta[XOM]"])


def test_a_file_is_read_back_whole(result, path):
    again = frames.read_copula_fit(path)
    assert again.settings == result.settings
    assert again.assets == result.assets
    assert (again.sample.margins, again.num_dropped) == ("empirical", 0)
    assert again.sample.index.equals(result.sample.index)
    assert again.sample.index.name == "Date"
    np.testing.assert_array_equal(again.fit.draws, result.fit.draws)
    np.testing.assert_array_equal(again.fit.trace, result.fit.trace)
    np.testing.assert_array_equal(again.sample.u, result.sample.u)
    pd.testing.assert_series_equal(again.params, result.params)
    pd.testing.assert_frame_equal(again.simulate(1, 20), result.simulate(1, 20))
    again.to_netcdf(path)
    xarray.testing.assert_identical(
        frames.read_copula_fit(path).to_datatree(), result.to_datatree()
    )


def test_dependence_and_summary_of_a_file_are_those_of_the_fit(tmp_path):
    result = planted("gaussian", status=np.int32(31))
    result.to_netcdf(tmp_path / "fit.nc")
    again = frames.read_copula_fit(tmp_path / "fit.nc")
    pd.testing.assert_frame_equal(again.quantile_dependence(), result.quantile_dependence())
    assert str(again.summary()) == str(result.summary())


@pytest.mark.parametrize("family", ["skew-normal", "t", "gaussian"])
def test_other_families_are_read_back(tmp_path, family):
    result = planted(family)
    result.to_netcdf(tmp_path / "fit.nc")
    again = frames.read_copula_fit(tmp_path / "fit.nc")
    assert type(again.fit.model) is type(result.fit.model)
    pd.testing.assert_series_equal(again.params, result.params)


def test_single_precision_stays_single(tmp_path):
    result = planted("gaussian", dtype=np.float32)
    result.to_netcdf(tmp_path / "fit.nc")
    again = frames.read_copula_fit(tmp_path / "fit.nc")
    assert again.fit.draws.dtype == np.float32
    assert again.posterior.correlation.dtype == np.float32
    pd.testing.assert_frame_equal(again.simulate(1, 5), result.simulate(1, 5))


def test_rows_without_dates(tmp_path):
    result = planted("gaussian", table=stock_prices().reset_index(drop=True))
    result.to_netcdf(tmp_path / "fit.nc")
    again = frames.read_copula_fit(tmp_path / "fit.nc")
    assert list(again.sample.index) == list(range(1, 301))
    assert "From" not in dict(again.summary().header)


# --- files that are whole or not there ------------------------------------------------------------


def test_missing_folders_are_made(result, tmp_path):
    result.to_netcdf(tmp_path / "some" / "folder" / "fit.nc")
    assert [path.name for path in (tmp_path / "some" / "folder").iterdir()] == ["fit.nc"]


def test_a_write_that_fails_leaves_the_old_file(result, path, monkeypatch):
    before = path.read_bytes()

    def half(tree, target, **settings):
        with open(target, "wb") as stream:
            stream.write(before[: len(before) // 2])
        raise OSError("no space left")

    monkeypatch.setattr(xarray.DataTree, "to_netcdf", half)
    with pytest.raises(OSError, match="no space left"):
        result.to_netcdf(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["fit.nc"]


def test_files_that_are_no_fit(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*other.nc"):
        frames.read_copula_fit(tmp_path / "other.nc")
    (tmp_path / "table.nc").write_text("Date,A\n")
    with pytest.raises(ValueError, match=r"table.nc cannot be read as a fitted copula"):
        frames.read_copula_fit(tmp_path / "table.nc")
    cut = tmp_path / "cut.nc"
    cut.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut.nc cannot be read as a fitted copula"):
        frames.read_copula_fit(cut)
    xarray.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="it is not a factor copula"):
        frames.read_copula_fit(tmp_path / "other.nc")
    tree = xarray.DataTree(xarray.Dataset(attrs={"jaxpapers_format": 99}))
    tree.to_netcdf(tmp_path / "later.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="it has format 99, this version reads up to 1"):
        frames.read_copula_fit(tmp_path / "later.nc")
