"""`abl watch`: a run as another terminal sees it, while it lasts and after its death."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import abl
import commands
from abl.app.watched_run import INDENT, first_estimates, looked_at_run, spark
from abl.cli.watch import _fitted
from abl.plan.stage import Stage
from abl.record.live_curve import epochs_of, write_epoch
from abl.visible import without_middle
from tiny_sweeps import TWO_NETWORKS, write_tiny_set


class Stop(abl.Callback):
    """Looks at a run after each finished stage, and breaks it off after some."""

    def __init__(self, loaded: Any, after: int):
        self.loaded, self.after, self.seen = loaded, after, []  # type: ignore[var-annotated]

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        self.seen.append(
            looked_at_run(abl.load(self.loaded.file.places.path, root=self.loaded.root))
        )
        if len(self.seen) == self.after:
            raise KeyboardInterrupt


@pytest.fixture
def half_run(tmp_path: Path) -> Stop:
    """Three of four trainings are there: one arm whole, of the other one replicate."""
    write_tiny_set(tmp_path / "images")
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TWO_NETWORKS, "base": {"train.network": "pooled3"}}))
    loaded = abl.load(path, root=tmp_path / "mlruns")
    watcher = Stop(loaded, after=3)
    abl.run(loaded, executor="local", record=False, listener=watcher)
    return watcher


def test_a_run_is_seen_while_it_lasts_and_after_it_was_stopped(half_run: Stop) -> None:
    heads = [seen.lines[0] for seen in half_run.seen]
    assert [head.split(",")[0] for head in heads] == [
        f"tiny: {count} of 4 stages finished" for count in (1, 2, 3)
    ]
    assert all(seen.running for seen in half_run.seen)
    folder = half_run.loaded.file.folder
    done = commands.abl(folder, "watch", "tiny")
    assert done.exit_code == 0, done.output
    assert "tiny: 3 of 4 stages finished, 0 at work; to come: 1 train" in done.stdout
    assert "no run is at work on it: it was stopped or has died" in done.stdout
    assert "NOT FINAL" in done.stdout
    assert "Not final: 1 replicate of 2, 2 of 2 arms." in done.stdout


def test_first_estimates_are_those_of_the_same_replicates(half_run: Stop) -> None:
    loaded = half_run.loaded
    seen = looked_at_run(loaded)
    outcome, note = first_estimates(loaded, seen.complete)
    assert outcome is not None
    assert [len(arm.replicates) for arm in outcome.arms] == [1, 1]
    assert not any(arm.failed for arm in outcome.arms)
    assert "1 replicate of 2" in note
    alone, note = first_estimates(loaded, frozenset({0}))
    assert alone is not None
    assert len(alone.arms) == 1
    assert "1 of 2 arms" in note
    nothing, note = first_estimates(loaded, frozenset())
    assert nothing is None
    assert note == "no arm has a whole replicate yet"
    # the run goes on, and its end is the same as without a look
    result = abl.run(loaded, executor="local", record=False)
    final, _ = first_estimates(loaded, looked_at_run(loaded).complete)
    assert final is not None
    table = result.table
    assert [arm.cells["f1"].mean for arm in final.arms] == table["f1_mean"].tolist()
    told = commands.abl(loaded.file.folder, "watch", str(loaded.file.places.path)).stdout
    assert "4 of 4 stages finished" in told
    assert "no run is at work" not in told


def test_comparisons_with_arms_that_are_not_there_yet_are_left_out(tmp_path: Path) -> None:
    write_tiny_set(tmp_path / "images")
    path = tmp_path / "tiny.yaml"
    asked = {
        **TWO_NETWORKS,
        "axes": {"train.network": ["pooled3", "pooled6", "pooled_hidden"]},
        "base": {"train.network": "pooled3"},
        "contrasts": [
            {"arm": {"train.network": "pooled_hidden"}, "base": {"train.network": "pooled6"}}
        ],
    }
    path.write_text(yaml.safe_dump(asked))
    loaded = abl.load(path, root=tmp_path / "mlruns")
    abl.run(loaded, executor="local", record=False)

    def of(*arms: int) -> frozenset[int]:
        return frozenset(at for at, cell in enumerate(loaded.plan.cells) if cell.arm in arms)

    for arms, compared in (((0, 1), 1), ((0, 1, 2), 2)):
        outcome, note = first_estimates(loaded, of(*arms))
        assert outcome is not None, note
        assert sum(arm.comparison is not None for arm in outcome.arms) == compared
        assert ("are left out" in note) == (len(arms) < 3)


def test_a_row_of_a_training_is_cut_to_the_terminal_and_prose_is_wrapped() -> None:
    row = INDENT + "train plain4 r0 f0 s0  epoch 3/10  val. loss 0.612  ▇▆▅  1 min 02 s, pid 4711"
    assert _fitted(row, 120) == row
    assert _fitted(row, 40) == row[:39] + "…"
    assert _fitted("no run is at work on it", 15) == "no run is at\nwork on it"


def test_a_finished_sweep_is_told_with_where_its_table_is(half_run: Stop) -> None:
    folder = half_run.loaded.file.folder
    done = commands.abl(folder, "table", "tiny")
    assert done.exit_code == 2
    assert "'tiny' was begun and has no table yet: `abl watch tiny`" in done.output
    abl.run(half_run.loaded, executor="local", record=False)
    done = commands.abl(folder, "watch", "tiny")
    assert done.exit_code == 0, done.output
    assert "Finished: `abl table tiny`" in done.stdout
    assert "NOT FINAL" not in done.stdout
    (folder / "mlruns/store/sweeps/tiny/latest.json").unlink()
    done = commands.abl(folder, "watch", "tiny")
    assert "the table is not kept yet: `abl sweep FILE` writes it" in done.stdout
    assert "NOT FINAL" not in done.stdout


def test_long_names_of_two_trainings_are_told_apart() -> None:
    name = "train plain network with four convolutional layers · rotate_deg 15 r0 f1 s0"
    assert without_middle(name, 56) == "train plain network with fou…rs · rotate_deg 15 r0 f1 s0"
    assert len(without_middle(name, 56)) == 56
    assert without_middle(name, 56) != without_middle(name.replace("f1", "f2"), 56)
    assert without_middle(name, len(name)) == name
    assert [without_middle(name, width) for width in (1, 2)] == ["…", "t…"]


def test_a_sweep_that_was_never_begun_is_told(half_run: Stop) -> None:
    folder = half_run.loaded.file.folder
    done = commands.abl(folder, "watch", "tony")
    assert done.exit_code == 2
    assert "no run of 'tony' was begun here: did you mean 'tiny'?" in done.output
    half_run.loaded.file.places.path.rename(folder / "moved.yaml")
    done = commands.abl(folder, "watch", "tiny")
    assert done.exit_code == 2
    assert "give it: abl watch FILE" in done.output


def test_epochs_of_a_training_that_goes_on_are_read_once(tmp_path: Path) -> None:
    own = tmp_path / "work" / "d" / "a.checkpoints"
    own.mkdir(parents=True)
    for epoch, loss in ((1, 0.9), (2, 0.7), (2, 0.6)):  # 2 again, from a checkpoint of 1
        write_epoch(own, {"epoch": epoch, "train_loss": loss})
    with (own / "epochs.jsonl").open("a") as file:
        file.write('{"epoch": 3, "train_l')  # killed as it wrote
    rows = epochs_of(tmp_path, "d")
    assert [(row["epoch"], row["train_loss"]) for row in rows] == [(1, 0.9), (2, 0.6)]
    assert epochs_of(tmp_path, "other") == []
    write_epoch(tmp_path / "gone", {"epoch": 1})  # another attempt has taken over
    assert not (tmp_path / "gone").exists()


def test_a_curve_in_a_line() -> None:
    assert spark([1.0, 0.5, 0.0]) == "█▅▁"
    assert spark([1.0]) == ""
    assert spark([0.3, 0.3, 0.3]) == "▁▁▁"
    assert len(spark(list(range(100)))) == 24
