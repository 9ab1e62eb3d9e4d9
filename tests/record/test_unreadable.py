"""A finished stage is discarded only if its content is proven wrong; the rest is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from abl import kept_files
from abl.errors import DamagedError
from abl.record import finished, patient
from abl.record.done import DONE
from abl.record.patient import UnreadableError
from abl.record.store import Store
from tiny_sweeps import by_digest, nap

A, B = nap("a"), nap("b")
FAULTS = [errno.ESTALE, errno.EACCES, errno.EIO, errno.EMFILE, errno.EPERM, errno.ETIMEDOUT]
ALWAYS = 10**6


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(patient, "PAUSES_S", (0.0, 0.0, 0.0))
    store = Store(tmp_path / "store")
    for stage in (A, B):
        with store.claim(stage.digest) as attempt:
            assert attempt is not None
            (attempt.folder / "weights.pt").write_bytes(b"weights")
            (attempt.folder / "predictions.parquet").write_bytes(b"predictions")
            store.commit(attempt, stage, {"seconds": 1.5}, {})
    return Store(store.root)


def refuse(monkeypatch: pytest.MonkeyPatch, path: Path, code: int, times: int) -> None:
    """Reads and looks at a path fail so many times."""
    left = [times]

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def tried(asked: Any, *args: Any, **kwargs: Any) -> Any:
            if Path(asked) == path and left[0] > 0:
                left[0] -= 1
                raise OSError(code, os.strerror(code), str(path))
            return real(asked, *args, **kwargs)

        return tried

    for place, name in ((kept_files, "_unblocked"), (Path, "stat"), (finished, "sha256_of")):
        monkeypatch.setattr(place, name, refusing(getattr(place, name)))
    monkeypatch.setattr(patient.os, "stat", refusing(os.stat))


def seen(store: Store) -> dict[str, tuple[int, bytes]]:
    """Inode and bytes of everything that is finished."""
    done = store.root / "done"
    return {
        str(Path(folder, name)): (
            os.lstat(Path(folder, name)).st_ino,
            Path(folder, name).read_bytes(),
        )
        for folder, _, names in os.walk(done)
        for name in names
    }


@pytest.mark.parametrize("code", FAULTS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", [DONE, "weights.pt", "predictions.parquet", ""])
@pytest.mark.parametrize("times", [1, 3, ALWAYS])
def test_what_cannot_be_read_is_asked_for_again_then_told_and_never_discarded(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int, name: str, times: int
) -> None:
    before = seen(store)
    path = store.folder(A.digest) / name if name else store.folder(A.digest)
    with monkeypatch.context() as patched:
        refuse(patched, path, code, times)
        if times < ALWAYS:
            assert store.usable(by_digest(A, B)) == ({A.digest, B.digest}, {})
            assert store.file(A.digest, "weights.pt").exists()
        else:
            with pytest.raises(UnreadableError) as told:
                store.usable(by_digest(A, B))
            assert str(path) in str(told.value)
            assert os.strerror(code) in str(told.value)
            assert "\n" not in str(told.value)
            with suppress(UnreadableError), store.claim(A.digest) as attempt:
                assert attempt is None, "nobody computes again what may be there"
    assert seen(store) == before
    assert Store(store.root).usable(by_digest(A, B)) == ({A.digest, B.digest}, {})


@pytest.mark.parametrize("code", FAULTS, ids=errno.errorcode.get)
def test_a_checksum_that_cannot_be_taken_is_no_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    before = seen(store)
    assert store.has(A.digest)
    path = store.folder(A.digest) / "weights.pt"
    with monkeypatch.context() as patched:
        refuse(patched, path, code, ALWAYS)
        for read in (lambda: store.file(A.digest, "weights.pt"), lambda: store.damaged(A.digest)):
            with pytest.raises(UnreadableError):
                read()
    assert seen(store) == before
    assert store.damaged(A.digest) == ""


def test_a_file_that_goes_while_it_is_read_is_damage(store: Store) -> None:
    assert store.has(A.digest)
    (store.folder(A.digest) / "weights.pt").unlink()
    with pytest.raises(DamagedError, match=r"weights\.pt"):
        store.file(A.digest, "weights.pt")
    assert store.usable(by_digest(A))[0] == set()
    assert store.usable(by_digest(B))[0] == {B.digest}


def test_one_stage_that_cannot_be_read_keeps_no_other_sweep_from_planning(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abl.record.recipes import recipes_of

    with monkeypatch.context() as patched:
        refuse(patched, store.folder(A.digest) / DONE, errno.EACCES, ALWAYS)
        found = recipes_of(Store(store.root)).seconds({"nap"})
    assert len(found) == 1
