"""`abl store`: what lies in a store, whether it is whole, and what goes."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from abl import kept_files
from abl.record import patient
from abl.record.done import CHECKSUM, DONE
from abl.record.store import Store
from commands import abl
from tiny_sweeps import write_sweep, write_tiny_set


@pytest.fixture(scope="module")
def run_twice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the tiny sweep, run, edited and run again. Not to be written to."""
    folder = tmp_path_factory.mktemp("twice")
    write_tiny_set(folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("abl.app.session._draw", lambda *given: None)
        for epochs in (2, 3):
            write_sweep(folder, {"train.epochs": epochs})
            sweep(folder)
        yield folder


def sweep(folder: Path) -> str:
    result = abl(folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(run_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.setattr("abl.app.session._draw", lambda *given: None)
    monkeypatch.setattr("abl.scratch.tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("abl.scratch.SHORT", ())
    return Path(shutil.copytree(run_twice, tmp_path / "copy"))


def said(folder: Path, *words: str, code: int = 0) -> list[str]:
    """Lines of `abl store`, each a line without a traceback."""
    result = abl(folder, "store", *words)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output.splitlines()


def store_of(folder: Path) -> Store:
    return Store(folder / "mlruns/store")


def trainings(folder: Path) -> list[str]:
    store = store_of(folder)
    known = store.known(store.digests())
    return [d for d, done in known.items() if done.stage["kind"] == "train"]


def inodes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_ls_tells_what_is_asked_for_and_what_is_not(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO("\n".join(said(folder, "ls", "--format", "csv")))))
    counts = {(row["sweeps"], row["what"], row["kind"]): int(row["count"]) for row in rows}
    for whose in ("tiny", "(nobody)"):
        assert counts[whose, "finished", "train"] == 4
        assert counts[whose, "finished", "select"] == 1
    assert counts["tiny", "tables", "sweeps"] == 1
    files = [path for path in store_of(folder).root.rglob("*") if path.is_file()]
    locks = sum(path.stat().st_size for path in files if path.suffix == ".lock")
    assert sum(int(row["bytes"]) for row in rows) == sum(p.stat().st_size for p in files) - locks
    text = said(folder, "ls")
    assert any(line.startswith("tiny      finished  train") for line in text), text
    assert "`abl store gc --keep SIZE`" in text[-1]


def test_no_store_is_told(tmp_path: Path) -> None:
    for verb in ("ls", "verify", "gc"):
        (line,) = said(tmp_path, verb, code=2)
        assert line == "abl: --mlruns mlruns: no store there: run `abl sweep FILE` first"
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("name", ["weights_00003.safetensors", "history.parquet"])
def test_verify_finds_damage_that_no_plan_reads_and_a_sweep_mends_it(
    folder: Path, name: str
) -> None:
    digest = next(d for d in trainings(folder) if name in store_of(folder).done(d).files)
    path = store_of(folder).folder(digest) / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    damaged, counted = said(folder, "verify", code=1)
    assert damaged.startswith("abl: damaged: train ")
    assert f"{name} is damaged (checksum); the next `abl sweep`" in damaged
    assert counted.endswith(": 1 damaged")
    assert "damaged" in said(folder, "verify", code=1)[0]  # it stays told until it is mended
    assert "damaged in the store, computed again" in sweep(folder)
    assert path.read_bytes() == whole
    assert said(folder, "verify")[-1].endswith(": all are right")


@pytest.mark.parametrize("harm", ["cut", "gone", "no_done", "swapped", "strange"])
def test_verify_tells_every_kind_of_damage(folder: Path, harm: str) -> None:
    store = store_of(folder)
    one, two = (store.folder(digest) for digest in trainings(folder)[:2])
    if harm == "cut":
        (one / "predictions.parquet").write_bytes(b"x")
        words = "predictions.parquet has 1 bytes and not "
    elif harm == "gone":
        (one / "history.parquet").unlink()
        words = "history.parquet is missing"
    elif harm == "no_done":
        (one / DONE).unlink()
        words = "DONE.json is missing"
    elif harm == "swapped":
        one.rename(folder / "aside")
        two.rename(one)
        (folder / "aside").rename(two)
        words = "DONE.json does not say what its folder's name does"
    else:
        (one.parent / "notes").mkdir()
        words = "not a stage: notes: no stage of abl has such a name; move it out of the store"
    lines = said(folder, "verify", code=1)
    assert words in lines[0]
    assert len(lines) == (3 if harm == "swapped" else 2)


def test_what_cannot_be_read_is_told_apart_and_nothing_of_it_is_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, digest = store_of(folder), trainings(folder)[0]
    before, real = inodes(store.root / "done"), kept_files._unblocked

    def refused(path: Path, flags: int) -> int:
        if Path(path).parent.name == digest:
            raise OSError(116, os.strerror(116))
        return real(path, flags)

    monkeypatch.setattr(patient, "PAUSES_S", ())
    with monkeypatch.context() as patch:
        patch.setattr(kept_files, "_unblocked", refused)
        unreadable, counted = said(folder, "verify", code=1)
    assert unreadable.startswith("abl: unreadable: ")
    assert "cannot be read (Stale file handle); nothing of it was discarded" in unreadable
    assert counted.endswith(": 1 unreadable")
    assert inodes(store.root / "done") == before
    assert said(folder, "verify")[-1].endswith("all are right")


def test_verify_completes_what_earlier_versions_wrote(folder: Path) -> None:
    store = store_of(folder)
    digest = trainings(folder)[0]
    done = store.folder(digest) / DONE
    content = json.loads(done.read_text())
    del content[CHECKSUM]
    done.write_text(json.dumps(content))
    os.utime(done, (1e9, 1e9))
    before = inodes(store.root / "done")
    assert said(folder, "verify")[-1].endswith("all are right")
    after = inodes(store.root / "done")
    assert {path for path in after if after[path] != before.get(path)} <= {done}
    assert after.keys() == before.keys()
    assert json.loads(done.read_text()).items() > content.items()
    assert CHECKSUM in json.loads(done.read_text())
    assert done.stat().st_mtime == 1e9
    assert Store(store.root).has(digest)


def test_an_earlier_done_that_lists_other_files_is_damage(folder: Path) -> None:
    store = store_of(folder)
    done = store.folder(trainings(folder)[0]) / DONE
    content = json.loads(done.read_text())
    del content[CHECKSUM], content["files"]["history.parquet"]
    done.write_text(json.dumps(content))
    assert "lists other files than were committed" in said(folder, "verify", code=1)[0]


def test_verify_of_one_sweep_reads_its_stages_alone(folder: Path) -> None:
    assert said(folder, "verify", "--sweep", "tiny")[-1].startswith("verified 5 stages")
    (line,) = said(folder, "verify", "--sweep", "tinny", code=2)
    assert line == "abl: no sweep 'tinny' was run here: did you mean 'tiny'?"


def test_gc_leaves_a_store_that_verifies_and_a_sweep_that_goes_on(folder: Path) -> None:
    store = store_of(folder)
    size = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    keep = f"{size - 10_000}B"
    would = said(folder, "gc", "--keep", keep, "--dry-run")
    assert said(folder, "ls", "--format", "csv") == said(folder, "ls", "--format", "csv")
    went = said(folder, "gc", "--keep", keep)
    assert [line.replace("would remove", "removed") for line in would[:-1]] == went[:-1]
    assert all("that no sweep asks for" in line for line in went[:-1]), went
    assert said(folder, "verify", "--sweep", "tiny")[-1].startswith("verified 5 stages")
    assert "nothing to compute" in (again := sweep(folder)) or "5 reused" in again, again
    assert said(folder, "gc", "--keep", "0B", code=1)[-1].startswith("abl: --keep 0 B: ")
    assert store_of(folder).digests() == []
    assert abl(folder, "table", "tiny").exit_code == 0
    assert "to compute: 1 select, 4 train" in sweep(folder)
    assert said(folder, "verify")[-1].startswith("verified 5 stages")


def test_gc_refuses_what_is_no_size_and_an_object_store(folder: Path) -> None:
    (line,) = said(folder, "gc", "--keep", "5gb", code=2)
    assert line == "abl: --keep 5gb: is no size: write it as 5GB"
    (line,) = said(folder, "gc", "--store", "memory://bucket/x", code=2)
    assert "works on folders" in line
    assert len(store_of(folder).digests()) == 10


@pytest.mark.parametrize("name", ["outcome.json", "predictions.parquet", "sums.json"])
def test_a_table_that_holds_other_numbers_is_told_and_made_again(folder: Path, name: str) -> None:
    latest = json.loads((folder / "mlruns/store/sweeps/tiny/latest.json").read_text())["key"]
    path = folder / "mlruns/store/sweeps/tiny" / latest / name
    right = path.read_bytes()
    at = right.rindex(b"0.") + 2 if name == "outcome.json" else len(right) // 2
    path.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
    lines = said(folder, "verify", code=1)
    assert lines[0] == (
        f"abl: damaged: tiny, table {latest}: {name}; `abl sweep FILE` makes it again"
    )
    shown = abl(folder, "compare", "tiny:#1", "tiny:#2")
    assert (shown.exit_code, "is damaged" in shown.output) == (2, True), shown.output
    if name != "predictions.parquet":
        assert abl(folder, "table", "tiny").exit_code == 2
        assert abl(folder, "record").exit_code == 2
    sweep(folder)
    assert path.read_bytes() == right
    assert said(folder, "verify")[-1].endswith("all are right")


def test_tables_of_earlier_versions_are_believed_and_completed(folder: Path) -> None:
    (sums,) = [
        path
        for path in (folder / "mlruns/store/sweeps/tiny").rglob("sums.json")
        if path.parent.name
        == json.loads((folder / "mlruns/store/sweeps/tiny/latest.json").read_text())["key"]
    ]
    sums.unlink()
    assert abl(folder, "table", "tiny").exit_code == 0
    assert said(folder, "verify")[-1].endswith("all are right")
    sweep(folder)
    assert sums.exists()


def test_one_stage_that_has_gone_is_one_stage(folder: Path) -> None:
    shown = []
    for digest in trainings(folder):  # those of the latest table among them
        shutil.rmtree(store_of(folder).folder(digest))
        shown += abl(folder, "status").stdout.splitlines()
    lines = dict.fromkeys(line.strip() for line in shown if "not in the store" in line)
    assert [line.rpartition("complete, ")[2] for line in lines][:2] == [
        "1 stage not in the store", "2 stages not in the store"
    ]  # fmt: skip
