"""A disk that is full is named: that of the store, of TMPDIR, or both where nobody says which."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from abl.errors import disk_fault


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Folder -> bytes that are free there, as the system says."""
    (tmp_path / "store").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    free = {"store": 10**9, "tmp": 10**9}

    def state(path: Path) -> SimpleNamespace:
        left = free[Path(path).name]
        read_only = os.ST_RDONLY if left < 0 else 0
        return SimpleNamespace(
            f_bavail=max(left, 0), f_frsize=1, f_files=9, f_favail=9, f_flag=read_only
        )

    monkeypatch.setattr(os, "statvfs", state)
    return free


NO_ROOM = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_disk_without_room_is_named(tmp_path: Path, room: dict[str, int]) -> None:
    store, temporary = tmp_path / "store", f"{tmp_path}/tmp (TMPDIR)"
    ends = "; make room, then the same command goes on from here"
    for left, named in (
        ({"store": 5}, str(store)),
        ({"tmp": 5}, temporary),
        ({"store": 5, "tmp": 5}, f"{store} and {temporary}"),
        ({}, f"{store} or {temporary}"),
    ):
        room |= {"store": 10**9, "tmp": 10**9, **left}
        assert disk_fault(NO_ROOM, store) == f"No space left on device: {named}{ends}"
        # libraries that write from other languages
        said = f"SafetensorError: {os.strerror(errno.ENOSPC)} (os error 28)"
        assert disk_fault(RuntimeError(said), store) == f"No space left on device: {named}{ends}"


def test_a_disk_that_is_read_only_is_named(tmp_path: Path, room: dict[str, int]) -> None:
    room["tmp"] = -1
    error = OSError(errno.EROFS, os.strerror(errno.EROFS))
    assert f"{tmp_path}/tmp (TMPDIR); make it writable" in disk_fault(error, tmp_path / "store")


def test_a_file_that_is_named_says_where(tmp_path: Path, room: dict[str, int]) -> None:
    store = tmp_path / "store"
    room["tmp"] = 5
    for name, shown in ((store / "done/x", store), (tmp_path / "else", tmp_path / "else")):
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(name))
        assert f": {shown}; make room" in disk_fault(error, store)
