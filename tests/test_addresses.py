"""Addresses that are none are refused in a line without their password, wherever given."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.addresses import split_address
from abl.errors import InputError
from abl.record.mlflow_client import RecordPlace
from abl.search.kept import check_storage
from commands import abl

# brackets are of an IPv6 host; NFKC makes a slash of the last
REFUSED = [
    "http://u:Zq8[sekret]G@127.0.0.1:9", "http://[::1:sekret@h", "http://u:sekret]G@h:9",
    "s3://u:Zq8[sekret]G@bucket/x", "mysql://u:sekret\u2100G@127.0.0.1:9/d",
    r"http:\\u:sekret@127.0.0.1:9", r"http:\u:sekret@h",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("given_by", ["--record", "--store", "--data", "--address"])
def test_an_option_that_is_no_address(tiny_sweep: Path, address: str, given_by: str) -> None:
    executor = ["--executor", "tune" if given_by == "--address" else "local"]
    result = abl(tiny_sweep.parent, "sweep", "tiny.yaml", *executor, given_by, address)
    assert result.exit_code == 2, result.output
    assert "sekret" not in result.output
    assert "Zq8" not in result.output
    assert "Traceback" not in result.output
    assert given_by in result.output


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("name", ["ABL_RECORD", "ABL_STORE"])
def test_a_variable_that_is_no_address(
    tiny_sweep: Path, monkeypatch: pytest.MonkeyPatch, address: str, name: str
) -> None:
    monkeypatch.setenv(name, address)
    result = abl(tiny_sweep.parent, "sweep", "tiny.yaml", "--executor", "local")
    assert result.exit_code == 2, result.output
    assert "sekret" not in result.output
    assert "not an address" in result.output


@pytest.mark.parametrize("address", REFUSED)
def test_a_database_of_a_search_that_is_no_address(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ABL_SEARCH_STORAGE", address)
    with pytest.raises(InputError, match="search: the study at") as caught:
        check_storage()
    assert "sekret" not in str(caught.value)
    assert "Zq8" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dme%3BPWD%3Dsekret%3B",
        "u:sekret@127.0.0.1:9", "http://127.0.0.1:9/x;jsessionid=sekret",
    ],
)  # fmt: skip
def test_a_record_in_an_odd_form_keeps_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"MLflow at .*\*\*\*") as caught:
        RecordPlace(tmp_path / "mlruns", address).check_reachable()
    assert "sekret" not in str(caught.value)


@given(st.text(st.sampled_from("ab[]/@:%?#\u2100"), max_size=30))
def test_an_address_is_split_or_refused_in_a_line(text: str) -> None:
    said = ""
    try:
        split_address(f"http://u:sekret{text}@h:9/d", "--record")
    except InputError as error:
        said = str(error)
    assert said == "" or said.startswith("--record http://")
    assert "\n" not in said
    assert "sekret" not in said
