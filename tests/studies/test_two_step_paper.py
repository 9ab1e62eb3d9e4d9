"""What Lee 2025 did beside its main arms: a pool, T balanced otherwise, rules false and panel."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import abl
from abl.app.showing import shown_table
from abl.app.sweep_result import SweepResult
from abl.data.splits.splits import inner_folds
from abl.decide.consensus import with_share_of_rest
from abl.errors import InputError
from tiny_sweeps import PANEL, write_sweep, write_tiny_set

PAPER: dict[str, Any] = {
    "splits.pool": "smallest",
    "train.balance": "subsample",
    "train.shuffle": "once",
    "train.augment": {"flip": True, "rotate_deg": 10, "of": "copies"},
    "options": {
        "panel": PANEL, "balance": {True: "duplicate"}, "sizes": {"pooled6": 30}, "hybrid": 0.5,
        "keep_at_least": 4, "maps": True,
    },
    "axes": None,
    "arms": [
        {"rule": ["original", "panel"]},
        {"rule": "false", "false_k": 1},
        {"rule": True, "consensus": 3, "second": [True, "hybrid"]},
        {"rule": "model1", "consensus": 3, "threshold": 0.9},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    write_tiny_set(folder / "images")
    return folder


@pytest.fixture(scope="module")
def paper(home: Path) -> SweepResult:
    loaded = abl.load(written(home), root=home / "mlruns")
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result


def written(home: Path, **changes: Any) -> Path:
    return write_sweep(home, {**copy.deepcopy(PAPER), **changes})


def stages(home: Path, **changes: Any) -> list[Any]:
    loaded = abl.load(written(home, **changes), root=home / "m")
    return [stage for stage in loaded.plan.stages.values() if stage.kind == "train"]


def test_the_panel_is_the_mean_of_its_selectors(home: Path, paper: SweepResult) -> None:
    loaded = abl.load(written(home), root=home / "mlruns")
    at = [arm.params["rule"] for arm in loaded.plan.arms].index("panel")
    [cell] = [cell for cell in loaded.plan.cells if cell.arm == at]

    def read(digest: str) -> pd.DataFrame:
        frame = pd.read_parquet(loaded.store.folder(digest) / "predictions.parquet")
        return frame.set_index(["role", "image"]).sort_index()[["p_0", "p_1"]]

    panel = cell.uses["panel"]
    parts = [read(each) for each in loaded.plan.stages[panel].inputs.values()]
    assert len(parts) == 3
    np.testing.assert_allclose(read(panel), np.mean(parts, axis=0), rtol=1e-12)


def test_networks_differ_in_balance_and_selectors_in_size(home: Path) -> None:
    found = stages(home)
    by_subset = {stage.settings.get("subset", {}).get("kind"): stage for stage in found}
    balance = {kind: each.settings["train"].get("balance") for kind, each in by_subset.items()}
    # duplicate, the default, is left out of what identifies a stage
    assert balance == {None: "subsample", "true": None, "hybrid": None, "false": "subsample"}
    sizes = {s.settings["train"].get("network", ""): s.settings["image"]["size"] for s in found}
    assert sizes["pooled6"] == 30
    assert {sizes["pooled3"], sizes["pooled_hidden"]} == {24}


def test_one_architecture_with_several_seeds_is_a_panel(home: Path) -> None:
    options = {"panel": ["pooled3"], "selector_seeds": 3}
    arms = [{"rule": "original"}, {"rule": True, "consensus": [1, 3]}]
    found = stages(home, options=options, arms=arms)
    whole = [stage for stage in found if "subset" not in stage.settings]
    # the first of the three is the original network
    assert sorted(stage.seed for stage in whole) == [0, 2_000_003, 4_000_006]
    assert {s.settings["subset"]["panel"] for s in found if "subset" in s.settings} == {3}


def test_a_hybrid_holds_the_true_set_and_its_share_of_the_others() -> None:
    labels, kept = np.array([0] * 8 + [1] * 8), np.array([True, False] * 8)
    sets = [
        with_share_of_rest(labels, kept, share, np.random.default_rng(3))
        for share in (0, 0.25, 0.5, 1)
    ]
    assert np.array_equal(sets[0], kept)
    assert sets[3].all()
    assert [each[labels == 1].sum() for each in sets] == [4, 5, 6, 8]
    for few, many in pairwise(sets):
        assert (few <= many).all()


def test_external_sets_are_predicted_by_every_role(home: Path) -> None:
    external = [{"name": "E", "phantom": {"patients": 8, "size": 32}}]
    loaded = abl.load(written(home, external=external), root=home / "mlruns")
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    [row] = result.outcome.facts.external
    assert len(row["arms"]) == 6
    assert row["missing"] == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arms": [{"rule": "false"}]}, "rule: false needs a False network: write false_k: 3"),
        ({"options.sizes": {"alexnet": 227}}, "sizes: alexnet is no selector"),
        ({"options.balance": {"true": "dup"}}, "balance"),
        ({"splits.pool": 900}, "splits.pool: 900 images of each class"),
        ({"splits.pool": 0}, "pool"),
    ],
)
def test_what_cannot_be_is_said(home: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _ = abl.load(written(home, **changes), root=home / "m").plan


def selectors_shown(result: SweepResult) -> pd.DataFrame:
    assert result.store is not None
    table = shown_table(result.store, result.outcome.name, show="selectors")
    return pd.DataFrame(table.raw_rows, columns=list(table.raw_columns))


def test_the_selectors_table_says_how_many_training_images_are_under_t(
    home: Path, paper: SweepResult
) -> None:
    loaded = abl.load(written(home), root=home / "mlruns")
    [select] = [s for s in loaded.plan.stages.values() if s.kind == "select"]
    under = []
    for digest in select.inputs.values():
        frame = pd.read_parquet(loaded.store.folder(digest) / "predictions.parquet")
        train = frame[frame["role"] == "train"]
        under.append(float(((train["p_0"] - train["p_1"]).abs() < 0.9).mean()))
    shown = selectors_shown(paper)
    assert shown["network"].tolist() == [*PANEL, "all selectors"]
    np.testing.assert_allclose(shown["under_0.9"], [*under, np.mean(under)])


def test_selectors_that_judge_out_of_fold_are_shown_beside_those_in_sample(home: Path) -> None:
    options = {**PAPER["options"], "maps": False, "inner_folds": 2}
    arm = {"rule": True, "consensus": 1, "options.selection": ["in_sample", "out_of_fold"]}
    arms = [{"rule": "original"}, arm]
    loaded = abl.load(written(home, options=options, arms=arms), root=home / "mlruns")
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    shown = selectors_shown(result)
    names = [*PANEL, "all selectors"]
    assert shown["network"].tolist() == [*names, *names]
    assert shown["selection"].tolist() == ["in sample"] * 4 + ["out of fold"] * 4
    # by hand: an image of inner fold k is judged by the network that was not trained on fold k
    [select] = [
        s for s in loaded.plan.stages.values() if s.kind == "select" and "folds" in s.settings
    ]
    opened = loaded.workspace.data(loaded.file.sweep.data)
    train = opened.split(loaded.file.sweep.splits, 0, 0).train
    frame = opened.dataset.frame
    fold = inner_folds(frame, train, loaded.file.sweep.splits, 2)
    of_image = dict(zip(frame["image"].to_numpy()[train], fold, strict=True))
    under, right = [], []
    for at in range(len(PANEL)):
        confident, correct = [], []
        for k in range(2):
            path = loaded.store.folder(select.inputs[f"selector_{at}_{k}"]) / "predictions.parquet"
            said = pd.read_parquet(path)
            said = said[(said["role"] == "train") & (said["image"].map(of_image) == k)]
            confident += (said["p_0"] - said["p_1"]).abs().tolist()
            label = said["image"].map(frame.set_index("image")["train_label"])
            correct += ((said["p_1"] >= said["p_0"]).astype(int) == label).tolist()
        assert len(correct) == len(train)
        under.append(float(np.mean(np.array(confident) < 0.9)))
        right.append(float(np.mean(correct)))
    out = shown[shown["selection"] == "out of fold"]
    np.testing.assert_allclose(out["under_0.9"], [*under, np.mean(under)])
    np.testing.assert_allclose(out["right"], [*right, np.mean(right)])
    drawn = result.finished.figures()["selectors"]
    titles = [each.get_title().split("\n")[0] for each in drawn.axes if each.get_visible()]
    assert titles == [f"{n}, {way}" for way in ("in sample", "out of fold") for n in names]
    assert "held out from their networks" in str(drawn.get_label())


def test_maps_are_of_both_networks_where_their_answers_differ(home: Path) -> None:
    network = {"train.network": "cnn1", "options.panel": ["cnn1", "pooled3", "pooled6"]}
    arms = [{"rule": "model1", "consensus": 3, "threshold": 0.9}, {"rule": "original"}]
    loaded = abl.load(written(home, arms=arms, **network), root=home / "mlruns")
    mapped = [s for s in loaded.plan.stages.values() if s.kind == "activation"]
    cell = loaded.plan.cells[0]
    assert {s.inputs["network"] for s in mapped} == {cell.uses["original"], cell.uses["true"]}
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces


def test_a_share_that_does_nothing_is_told(home: Path) -> None:
    def notes(hybrid: float, second: list[Any]) -> str:
        arms = [{"rule": "original"}, {"rule": True, "consensus": 3, "second": second}]
        options = PAPER["options"] | {"hybrid": hybrid}
        path = written(home, arms=arms, options=options)
        return " ".join(abl.load(path, root=home / "mlruns").plan.notes)

    unread = "options.hybrid changes nothing: it is read only with second: hybrid"
    assert unread in notes(0.5, [True])
    assert "options.hybrid: 0 adds no image: second: hybrid is second: true then" in notes(
        0, [True, "hybrid"]
    )
    assert "options.hybrid" not in notes(0.5, [True, "hybrid"])


def test_a_key_that_is_no_role_is_named_as_it_is_written(home: Path) -> None:
    with pytest.raises(InputError) as caught:
        abl.load(written(home, **{"options.balance": {"original": "duplicate"}}), root=home)
    said = str(caught.value)
    assert "options.balance: 'original' is not known" in said
    assert "[key]" not in said
