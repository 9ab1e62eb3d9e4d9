"""A stage has one checkpoint on the disk, however often its training is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from faulty_runs import Forker, forking, wait_for

from abl.record.lease import FilePlace, Lease
from abl.record.store import Store
from abl.scratch import bytes_below
from abl.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tiny_sweeps import nap

SIZE = 400_000  # bytes of the weights
EPOCHS = 40
TRAINING = f"""
from pathlib import Path
import time, torch
from abl.record.store import Store
from abl.runner.engine import run_plan
from abl.stages.kind import kind
from abl.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tiny_sweeps import Heard, by_digest, double

@kind("training")
def training(work):
    found = load_checkpoint(work.checkpoints, "key")
    history = found.history if found else []
    while len(history) < {EPOCHS}:
        history.append(dict(epoch=float(len(history) + 1)))
        weights = dict(w=torch.zeros({SIZE} // 4))
        save_checkpoint(work.checkpoints, "key", Checkpoint(history, weights, dict(), dict(), []))
        with Path("epochs").open("a") as file:
            file.write(f"{{len(history)}}\\n")
        time.sleep(0.01)
    (work.out / "weights.bin").write_bytes(b"w")
    return dict()

def attempt(words):
    report = run_plan(by_digest(double("training", "a")), Store(Path("store")), Heard(),
                      executor="local")
    print(len(report.ran), report.failed)
"""


@pytest.fixture(scope="module")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    with forking(tmp_path_factory.mktemp("trainers"), TRAINING) as forker:
        yield forker


def epochs_of(folder: Path) -> list[int]:
    file = folder / "epochs"
    return [int(each) for each in file.read_text().split()] if file.exists() else []


def has_gone_on(folder: Path, epochs: int) -> bool:
    return len(epochs_of(folder)) > epochs


def test_kills_of_a_training_leave_one_checkpoint(trainers: Forker, tmp_path: Path) -> None:
    work, sizes = tmp_path / "store/work", []
    for _ in range(6):
        before = len(epochs_of(tmp_path))
        driver = trainers.start(tmp_path)
        wait_for(partial(has_gone_on, tmp_path, before + 1), "two epochs")
        assert driver.kill() == -9, driver.said
        assert len(list(work.rglob("checkpoint.safetensors"))) == 1
        sizes.append(bytes_below(work))
    # one, and of a kill in the middle of writing what was written by then
    assert max(sizes) < 2.1 * SIZE, sizes
    status, said = trainers.run(tmp_path)
    assert (status, said) == (0, "1 {}\n")
    assert not list(work.iterdir())
    # it went on from there each time: a kill costs an epoch
    assert len(epochs_of(tmp_path)) <= EPOCHS + 6


A = nap("a")


def checkpoint(epoch: int) -> Checkpoint:
    return Checkpoint([{"epoch": float(epoch)}] * epoch, {"w": torch.ones(9)}, {}, {}, [])


def epoch_in(folder: Path) -> int:
    found = load_checkpoint(folder, "key")
    return len(found.history) if found else 0


def test_a_worker_believed_dead_that_still_writes_adds_no_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.claim(A.digest) as first:
        assert first is not None
        folder = store.checkpoints(first)
        save_checkpoint(folder, "key", checkpoint(3))
        store.lease_path(A.digest).unlink()
        with Store(tmp_path).claim(A.digest) as second:
            assert second is not None
            taken = store.checkpoints(second)
            assert epoch_in(taken) == 3
            save_checkpoint(folder, "key", checkpoint(9))  # by the first, which knows nothing
            assert [path.parent for path in tmp_path.rglob("*.safetensors")] == [taken]
            save_checkpoint(taken, "key", checkpoint(4))
            assert epoch_in(taken) == 4
            (second.folder / "a.txt").write_text("a")
            store.commit(second, A, {}, {})
    assert not list((tmp_path / "work").iterdir())


def test_a_full_disk_is_no_gone_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("abl.train.checkpoint.safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, "key", checkpoint(1))
    assert not list(tmp_path.iterdir())


def test_of_the_copies_of_earlier_versions_a_whole_one_is_taken_and_no_other_stays(
    tmp_path: Path,
) -> None:
    store, work = Store(tmp_path), tmp_path / "work" / A.digest
    for name, epoch in (("old", 2), ("whole", 5), ("copied", 5)):
        (work / f"{name}.checkpoints").mkdir(parents=True)
        save_checkpoint(work / f"{name}.checkpoints", "key", checkpoint(epoch))
    cut = work / "copied.checkpoints/checkpoint.safetensors"  # killed while it copied: the newest
    cut.write_bytes(cut.read_bytes()[:100])
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        assert epoch_in(store.checkpoints(attempt)) == 5
        assert len(list(work.rglob("*.safetensors"))) == 1


def test_what_a_killed_attempt_wrote_goes_with_the_next(tmp_path: Path) -> None:
    """As a kill between the weights and the commit leaves it."""
    store = Store(tmp_path)
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        living = attempt.folder.name
        dead = living.rsplit("-", 1)[0] + "-1"  # the same process id, started another time
        left = attempt.folder.with_name(dead)
        shutil.copytree(attempt.folder, left)
        (left / "weights.bin").write_bytes(b"w" * 1000)
        store.lease_path(A.digest).unlink()
    # what may be of a living process stays until the stage is finished
    other = left.with_name("0123456789ab.00000000-1-1")
    other.mkdir(parents=True)
    lease = Lease(FilePlace(store.lease_path("b")), "me")
    assert lease.take()
    with Store(tmp_path).claim(A.digest) as attempt:
        assert attempt is not None
        assert not left.exists()
        assert other.exists()
