"""Where Ray keeps its token: a place that it cannot use is told before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from abl.errors import InputError
from abl.runner.ray_folder import check_room, check_token_place


@pytest.fixture(autouse=True)
def _a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def told() -> str:
    with pytest.raises(InputError) as caught:
        check_token_place()
    (problem,) = caught.value.problems
    line = str(problem)
    assert "\n" not in line
    assert "--executor local" in line
    return line


def test_a_home_that_can_be_written_will_do(tmp_path: Path) -> None:
    check_token_place()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["a file", "below a file", "no path", "token is a folder's file"])
def test_a_home_without_room_for_a_token_is_told_with_what_to_type(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "file"
    if place == "token is a folder's file":
        home.mkdir()
        (home / ".ray").write_text("")
    else:
        home.write_text("")
    given = {"below a file": str(home / "home"), "no path": "not/absolute"}.get(place, str(home))
    monkeypatch.setenv("HOME", given)
    line = told()
    assert f"HOME={given}" in line
    assert "export RAY_AUTH_TOKEN=" in line


def test_a_token_that_is_given_needs_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "not/absolute")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    check_token_place()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / "token").write_text("0" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    check_token_place()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    check_token_place()


def test_a_token_file_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    assert f"RAY_AUTH_TOKEN_PATH={tmp_path / 'none'}" in told()


@pytest.mark.parametrize("free", [0, 5, 31, 32, 10_000])
def test_a_folder_without_room_for_a_session_is_told_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x" * 64)
    asked: list[str] = []

    def state(folder: Path) -> SimpleNamespace:
        asked.append(str(folder))
        return SimpleNamespace(f_bavail=free * 10**6, f_frsize=1)

    monkeypatch.setattr(os, "statvfs", state)
    if free >= 32:
        check_room()
    else:
        with pytest.raises(InputError) as caught:
            check_room()
        assert str(caught.value) == (
            f"TMPDIR=/tmp: {free} MB are free there, and Ray needs 32 MB for its sockets and "
            "logs: make room, or set TMPDIR to another folder, or use --executor local"
        )
    assert asked == ["/tmp"]
