from __future__ import annotations

import os
from pathlib import Path

import pytest

from abl.record.done import files_below
from abl.record.store import Store
from tiny_sweeps import nap


def test_a_stage_is_not_committed_without_files_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, stage = Store(tmp_path), nap("a")
    with store.claim(stage.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "more").mkdir()
        (attempt.folder / "more/b.txt").write_text("b")
        (attempt.folder / "a.txt").write_text("a")
        names = [path.name for path in files_below(attempt.folder)]
        assert names == ["a.txt", "b.txt"]
        listed = os.scandir

        def closed(path: object) -> object:
            if str(path).endswith("more"):
                raise PermissionError(13, "Permission denied", str(path))
            return listed(path)  # type: ignore[call-overload]

        monkeypatch.setattr(os, "scandir", closed)
        with pytest.raises(PermissionError):
            store.commit(attempt, stage, {}, {})
        assert not store.has(stage.digest)
        monkeypatch.setattr(os, "scandir", listed)
        done = store.commit(attempt, stage, {}, {})
        assert set(done.files) == {"a.txt", "more/b.txt"}
