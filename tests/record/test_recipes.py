"""The nearest finished stage is found in a table below the store, whatever happens to the table."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from abl.plan.stage import Stage
from abl.record.done import DONE
from abl.record.object_store import ObjectStore
from abl.record.recipes import recipes_of
from abl.record.store import Store
from tiny_sweeps import double

_COUNTED: list[list[str]] = []


def _count(event: str, arguments: tuple[object, ...]) -> None:
    for opened in _COUNTED if event == "open" else ():
        opened.append(str(arguments[0]))


sys.addaudithook(_count)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Paths of the files that are opened meanwhile."""
    opened: list[str] = []
    _COUNTED.append(opened)
    try:
        yield opened
    finally:
        _COUNTED.remove(opened)


def training(at: int, **settings: object) -> Stage:
    given = {"train": {"network": "a", "epochs": 10}, **settings}
    context = {"view": "v", "repeat": at // 10, "fold": 0}
    reads = f"{at // 10}"
    return Stage("train", 1, given, reads=reads, seed=at % 10, context=context, label=f"train {at}")


def lay(root: Path, stages: list[Stage]) -> Store:
    """A store that says these stages are finished; they have no files."""
    for stage in stages:
        folder = root / "done" / stage.digest
        folder.mkdir(parents=True)
        said = {**stage.identity(), "label": stage.label, "context": dict(stage.context)}
        done = {"files": {}, "content": "", "inputs": {}, "facts": {"seconds": 2}, "stage": said}
        (folder / DONE).write_text(json.dumps(done))
    return Store(root)


def nearest_label(store: Store, stage: Stage) -> str:
    found = recipes_of(store).nearest(stage, stage.inputs)
    return "" if found is None else found.label


def index_file(store: Store) -> Path:
    (path,) = (store.root / "index").iterdir()
    return path


def test_of_10_000_stages_each_is_opened_once_and_none_when_planning_again(tmp_path: Path) -> None:
    store = lay(tmp_path, [training(at) for at in range(10_000)])
    wanted = training(4321, classes=2)
    with opened_files() as first:
        assert nearest_label(store, wanted) == "train 4321"
    assert sum(DONE in path for path in first) == 10_000
    lay(tmp_path, [training(at, lr=at) for at in range(5)])
    with opened_files() as again:
        assert nearest_label(Store(tmp_path), wanted) == "train 4321"
    assert sum(DONE in path for path in again) == 5
    assert len(again) < 20


def test_a_setting_is_nearer_than_two_and_the_same_replicate_than_another(tmp_path: Path) -> None:
    near = [training(at, classes=2) for at in (3, 13, 14)]
    far = [training(at, classes=3, image={"size": 8}) for at in (5, 15)]
    store = lay(tmp_path, near + far)
    assert nearest_label(store, training(14, classes=4)) == "train 14"
    assert nearest_label(store, training(13)) == "train 13"
    # nobody has its seed: the replicate decides, then its settings
    assert nearest_label(store, training(19, classes=2)) in ("train 13", "train 14")


def test_what_shares_next_to_nothing_is_not_near(tmp_path: Path) -> None:
    store = lay(tmp_path, [training(1, **{f"s{at}": at for at in range(9)})])
    assert nearest_label(store, training(1)) == ""
    assert nearest_label(store, double("nap", "a")) == ""
    assert nearest_label(Store(tmp_path / "empty"), training(1)) == ""
    assert not (tmp_path / "empty").exists()


def test_what_is_read_from_the_same_stages_is_nearer(tmp_path: Path) -> None:
    one, two = training(1), training(2)
    store = lay(tmp_path, [one, two, double("nap", "of 2", two), double("nap", "of 1", one)])
    assert nearest_label(store, double("nap", "x", two)) == "nap of 2"
    assert nearest_label(store, double("nap", "x", one)) == "nap of 1"


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b"PAR1 but nothing else"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: shutil.rmtree(path.parent),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (shutil.rmtree(path.parent), path.parent.write_text("a file")),
        lambda path: path.write_bytes(
            b"".join(bytes([b ^ 1]) if 200 < i < 260 else bytes([b]) for i, b in enumerate(
                path.read_bytes()
            ))
        ),
    ],
    ids=["cut", "other", "empty", "gone", "no folder", "a folder", "a file", "flipped bits"],
)  # fmt: skip
def test_a_damaged_table_is_made_again_or_done_without(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    store = lay(tmp_path, [training(at) for at in range(300)])
    wanted = training(77, classes=2)
    assert nearest_label(store, wanted) == "train 77"
    harm(index_file(store))
    assert nearest_label(Store(tmp_path), wanted) == "train 77"


def test_a_small_store_stays_as_it_is(tmp_path: Path) -> None:
    store = lay(tmp_path, [training(at) for at in range(50)])
    assert nearest_label(store, training(7, classes=2)) == "train 7"
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_a_stage_that_was_cleaned_away_is_not_told(tmp_path: Path) -> None:
    store = lay(tmp_path, [training(at) for at in range(300)])
    assert nearest_label(store, training(77, classes=2)) == "train 77"
    shutil.rmtree(store.folder(training(77).digest))
    for each in (store, Store(tmp_path)):
        assert recipes_of(each).stage(training(77).digest) is None
        assert nearest_label(each, training(77, classes=2)) in [f"train {at}" for at in range(80)]


def test_two_drivers_that_write_it_at_once_lose_nothing(tmp_path: Path) -> None:
    one = lay(tmp_path, [training(at) for at in range(300)])
    recipes_of(one)
    lay(tmp_path, [training(at, lr=0.1) for at in range(250)])
    other = Store(tmp_path)
    recipes_of(other)
    lay(tmp_path, [training(at, lr=0.2) for at in range(250)])
    recipes_of(one)  # which knows nothing of what the other has written
    for at, settings in ((299, {}), (249, {"lr": 0.1}), (249, {"lr": 0.2})):
        found = recipes_of(Store(tmp_path)).stage(training(at, **settings).digest)
        assert found is not None
        assert found.identity() == training(at, **settings).identity()
    assert len(list((tmp_path / "index").iterdir())) == 1


def test_the_nearest_one_is_found_on_an_object_store(tmp_path: Path) -> None:
    store = ObjectStore(f"memory://{uuid.uuid4().hex}/store", tmp_path / "here")
    for stage in (training(1), training(2)):
        with store.claim(stage.digest) as attempt:
            assert attempt is not None
            (attempt.folder / "a.txt").write_text("a")
            store.commit(attempt, stage, {"seconds": 1.0}, {})
    there = ObjectStore(store.objects.url, tmp_path / "there")
    assert nearest_label(there, training(2, classes=2)) == "train 2"
