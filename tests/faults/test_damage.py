"""A damaged file of a finished stage: found by its checksum, said, and computed again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from faulty_runs import attempts, contents, local, only_lines, store_in, tables

import abl
from abl.record.done import DONE
from abl.record.store import Store
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.fit import FitResult, Oversight, TrainingRows, fit
from abl.train.process import reset_process
from commands import abl as abl_command
from tiny_sweeps import pooled3, write_sweep, write_tiny_set


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def gone(path: Path) -> None:
    path.unlink()


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the tiny sweep, finished. Not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    write_tiny_set(folder / "images")
    write_sweep(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("abl.app.session._draw", lambda *given: None)
        result = local(folder)
        assert result.exit_code == 0, result.output
        yield folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def stage_named(folder: Path, label: str) -> str:
    stages = abl.load(folder / "tiny.yaml", root=folder / "mlruns").plan.stages.values()
    (digest,) = [stage.digest for stage in stages if stage.label == label]
    return digest


ORIGINAL = "train pooled3 r0 f0 s0"
FILES = ["predictions.parquet", "history.parquet", "weights_00003.safetensors", DONE]
HARMS: list[Callable[[Path], None]] = [cut, flip, gone]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_found_before_it_is_used(
    folder: Path, name: str, harm: Callable[[Path], None]
) -> None:
    store = store_in(folder)
    digest = stage_named(folder, ORIGINAL)
    before, were, shown = attempts(store), contents(store), tables(folder)
    if (name, harm) == (DONE, flip):
        harm = halved
    harm(store.folder(digest) / name)
    # the table is made anew from the predictions of the networks that are in it
    shutil.rmtree(store.root / "sweeps")
    result = local(folder)
    if harm is flip and name == "history.parquet":
        # the curves of the report are drawn of it: without this one, and the table is whole
        assert (result.exit_code, tables(folder)) == (0, shown)
        assert before.keys() - attempts(store).keys() == {digest}
        result = local(folder)
    elif harm is flip and name != "predictions.parquet":
        # nobody reads it, so nobody has looked; who wants it is told
        assert (result.exit_code, attempts(store)) == (0, before)
        assert Store(store.root).damaged(digest) == name
        result = local(folder)
    assert result.exit_code == 0, result.output
    assert f"{ORIGINAL}: damaged in the store, computed again" in result.output
    after = attempts(store)
    assert {d for d in after if after[d] != before[d]} == {digest}
    assert contents(store) == were
    assert tables(folder) == shown


def test_a_damaged_file_is_found_by_the_stage_that_reads_it(folder: Path) -> None:
    store, shown = store_in(folder), tables(folder)
    before, were = attempts(store), contents(store)
    selector = stage_named(folder, "train pooled6 r0 f0 s0")
    (reader,) = [d for d, done in store.known(before).items() if done.stage["kind"] == "select"]
    flip(store.folder(selector) / "predictions.parquet")
    store.discard(reader)
    result = local(folder)
    assert result.exit_code == 0, result.output
    assert "train pooled6 r0 f0 s0: damaged in the store, computed again" in result.output
    after = attempts(store)
    assert {d for d in after if after[d] != before[d]} == {selector, reader}
    assert contents(store) == were
    assert tables(folder) == shown


@pytest.mark.parametrize("name", ["latest.json", "outcome.json", "predictions.parquet"])
@pytest.mark.parametrize("harm", [halved, gone])
def test_a_damaged_table_is_told_and_made_again(
    folder: Path, name: str, harm: Callable[[Path], None]
) -> None:
    store, shown = store_in(folder), tables(folder)
    before = attempts(store)
    (file,) = store.sweep_folder("tiny").rglob(name)
    whole = file.read_bytes()
    harm(file)
    if harm is halved:
        arms = ["tiny:original", "tiny:consensus"]
        words = ["table", "tiny"] if file.suffix == ".json" else ["compare", *arms]
        said = abl_command(folder, *words)
        assert said.exit_code == 2
        (line,) = only_lines(said.stderr)
        assert "damaged: `abl sweep FILE` makes it again" in line
    assert local(folder).exit_code == 0
    assert (file.read_bytes(), tables(folder), attempts(store)) == (whole, shown, before)


def test_a_record_that_is_no_database_is_told_in_a_line(folder: Path) -> None:
    (folder / "mlruns/mlflow.db").write_text("garbage" * 1000)
    result = abl_command(folder, "sweep", "tiny.yaml", "--executor", "local")
    assert result.exit_code == 2
    (line,) = only_lines(result.stderr)
    assert "file is not a database; move mlflow.db away, and `abl record` writes it again" in line


SETTINGS = Train(network="pooled3", epochs=4, last_k=2, batch_size=4)


class BrokenOffError(Exception):
    pass


def trained(folder: Path | None, stop_at: int = 0) -> tuple[FitResult, list[float]]:
    """A short training on noise; the epochs that it computed."""
    draw, seen = np.random.default_rng(0), []
    pixels = draw.integers(0, 255, (24, 1, 24, 24), dtype=np.uint8)

    def heard(row: dict[str, float]) -> None:
        seen.append(row["epoch"])
        if row["epoch"] == stop_at:
            raise BrokenOffError

    reset_process(0, threads=1, deterministic=True)
    result = fit(
        pooled3(2, 1, 24),
        pixels,
        TrainingRows(np.arange(16), np.arange(16) % 2, 2, {"test": np.arange(16, 24)}),
        settings=SETTINGS,
        image=Image(size=24, channels=1),
        seed=0,
        oversight=Oversight(folder, every_s=0, on_epoch=heard),
    )
    return result, seen


@pytest.mark.parametrize("place", [9, 60, -60, -1], ids=["header", "names", "weights", "last"])
@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_training_does_not_go_on_from_a_damaged_checkpoint(
    tmp_path: Path, place: int, harm: str
) -> None:
    with pytest.raises(BrokenOffError):
        trained(tmp_path, stop_at=2)
    file = tmp_path / "checkpoint.safetensors"
    whole = file.read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / file.name).write_bytes(whole)
    assert trained(copy)[1] == [3, 4]
    data = bytearray(whole[:place] if harm == "cut" else whole)
    if harm == "flip":
        data[place] ^= 1
    file.write_bytes(data)
    result, seen = trained(tmp_path)
    assert seen == [1, 2, 3, 4]
    assert np.array_equal(result.logits["test"], trained(None)[0].logits["test"])
