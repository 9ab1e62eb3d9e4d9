"""The two-step study on a tiny set, through the API, in-process: small networks, two epochs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score

import abl
from abl.app.loaded import LoadedSweep
from abl.app.sweep_result import SweepResult
from abl.errors import InputError
from abl.record.store import Store
from abl.report.tables.setup import cost_rows, cost_table
from tiny_sweeps import PANEL, TINY, Heard, write_sweep, write_tiny_set

EVERY_RULE = {
    "axes": {
        "consensus": [1, 2],
        "rule": ["original", True, "average", "model1", "model2"],
        "threshold": [0, "always", "38%"],
    },
    "replicates": {"repeats": 2, "seeds": [0, 1]},
    "metrics": ["acc", "spe", "sen", "f1", "auc"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for the whole module: trainings are shared between tests as between sweeps."""
    folder = tmp_path_factory.mktemp("study")
    write_tiny_set(folder / "images")
    return folder


def load(home: Path, changes: dict[str, Any], *, root: str = "mlruns") -> LoadedSweep:
    return abl.load(write_sweep(home, changes), root=home / root)


def run(home: Path, changes: dict[str, Any], *, root: str = "mlruns") -> SweepResult:
    result = abl.run(load(home, changes, root=root), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result


@pytest.fixture(scope="module")
def whole(home: Path) -> SweepResult:
    return run(home, EVERY_RULE)


def arm(result: SweepResult, **params: Any):
    [found] = [each for each in result.outcome.arms if dict(each.params) == params]
    return found


def numbers(result: SweepResult, **params: Any) -> np.ndarray:
    return arm(result, **params).replicates[list(result.outcome.metrics[:-1])].to_numpy()


def test_the_table_has_each_distinct_arm_once(whole: SweepResult) -> None:
    # original; true and average for each N; model1 and model2 for each N and T*
    assert len(whole.outcome.arms) == 1 + 2 * 2 + 2 * 2 * 3
    assert whole.outcome.axes == ("consensus", "rule", "threshold")
    assert all(not each.failed for each in whole.outcome.arms)
    assert all(len(each.replicates) == 4 for each in whole.outcome.arms)


def test_each_distinct_network_is_trained_once(home: Path, whole: SweepResult) -> None:
    loaded = load(home, EVERY_RULE)
    trainings = [s for s in loaded.plan.stages.values() if s.kind == "train"]
    # a replicate: the panel of three, of which one is also the original, and True-1 and True-2
    assert len(trainings) == 4 * (3 + 2)
    assert sum(s.kind == "select" for s in loaded.plan.stages.values()) == 4
    assert len(whole.report.ran) == len(loaded.plan.stages) == 24
    # by cell: original 1; true 3 + 1; average, model1, model2 3 + 1 (the original is in the panel)
    assert loaded.plan.asked == 4 * (1 + 2 * 4 + 2 * 4 + 2 * 2 * 3 * 4)


def test_the_cost_of_a_sweep_counts_the_networks_that_chose_images(whole: SweepResult) -> None:
    table = cost_table(cost_rows(whole.store, whole.outcome))
    counts = {row[0].text: row[-1].text for row in table.rows}
    assert set(counts) == {*PANEL, "pooled3 True-1", "pooled3 True-2"}
    assert set(counts.values()) == {"4"}


def test_a_threshold_of_zero_is_the_original_and_always_the_second_network(
    whole: SweepResult,
) -> None:
    original = numbers(whole, rule="original")
    for n in (1, 2):
        for model, second in (("model1", "true"), ("model2", "average")):
            at = {"consensus": n, "rule": model}
            assert np.array_equal(numbers(whole, **at, threshold=0), original)
            always = numbers(whole, **at, threshold="always")
            assert np.array_equal(always, numbers(whole, consensus=n, rule=second))
            assert set(arm(whole, **at, threshold=0).replicates["share"]) == {0.0}
            assert set(arm(whole, **at, threshold="always").replicates["share"]) == {1.0}


def test_a_share_is_a_quantile_of_validation_confidence(home: Path, whole: SweepResult) -> None:
    loaded = load(home, EVERY_RULE)
    named = {"consensus": 1, "rule": "model1", "threshold": "38%"}
    position = [dict(each.named) for each in loaded.plan.arms].index(named)
    table = arm(whole, consensus=1, rule="model1", threshold="38%").replicates
    for cell in [c for c in loaded.plan.cells if c.arm == position]:
        part = probabilities(loaded.store, cell.uses["original"], "validation")
        sent = round(0.38 * len(part) + 1e-9)
        certain = np.sort(np.abs(part["p_0"] - part["p_1"]).to_numpy())
        row = table.query("repeat == @cell.replicate.repeat and seed == @cell.replicate.seed").iloc[
            0
        ]
        assert row["threshold"] == round(certain[sent], 12)


def test_again_nothing_is_trained_and_the_table_is_the_same(home: Path, whole: SweepResult) -> None:
    again = run(home, EVERY_RULE)
    assert again.report.ran == []
    assert len(again.report.reused) == 24
    assert abl.table(again) == abl.table(whole)
    assert abl.table("tiny", root=home / "mlruns") == abl.table(whole)
    assert again.messages == []


def test_a_fresh_store_gives_the_same_bytes(home: Path, whole: SweepResult) -> None:
    small = {"replicates": {"repeats": 1, "seeds": [1]}, "name": "fresh"}
    run(home, small, root="elsewhere")
    fresh, known = Store(home / "elsewhere/store"), Store(home / "mlruns/store")
    assert fresh.digests()
    for digest in fresh.digests():
        assert fresh.done(digest).files == known.done(digest).files


def probabilities(store: Store, digest: str, role: str) -> pd.DataFrame:
    frame = pd.read_parquet(store.folder(digest) / "predictions.parquet")
    return frame[frame["role"] == role].set_index("image")


def test_the_numbers_are_those_of_pandas_and_scikit_learn(home: Path, whole: SweepResult) -> None:
    """From predictions.parquet and the manifest alone, by another road."""
    loaded = load(home, EVERY_RULE)
    manifest = pd.read_csv(home / "images/manifest.csv").set_index("image")
    truth = (manifest["label"] == "malignant").astype(int)
    found: dict[int, list[dict[str, float]]] = {}
    for cell in loaded.plan.cells:
        params = loaded.plan.arms[cell.arm].params
        read = {
            name: probabilities(loaded.store, digest, "test")["p_1"]
            for name, digest in cell.uses.items()
            if name != "select"
        }
        rule, o, t = params["rule"], read.get("original"), read.get("true")
        if rule in ("model1", "model2"):
            threshold = (
                arm(whole, **loaded.plan.arms[cell.arm].named)
                .replicates.query(
                    "repeat == @cell.replicate.repeat and seed == @cell.replicate.seed"
                )["threshold"]
                .iloc[0]
            )
            unsure = (2 * o - 1).abs() < threshold
            p = o.where(~unsure, t if rule == "model1" else (o + t) / 2)
        else:
            p = {"original": o, "true": t}.get(rule)
            p = (o + t) / 2 if p is None else p
        y, said = truth[p.index], (p >= 0.5).astype(int)
        found.setdefault(cell.arm, []).append(
            {
                "repeat": cell.replicate.repeat,
                "acc": (y == said).mean(),
                "spe": (said[y == 0] == 0).mean(),
                "sen": (said[y == 1] == 1).mean(),
                "f1": f1_score(y, said) if said.any() else np.nan,
                "auc": roc_auc_score(y, p),
            }
        )
    for position, rows in found.items():
        cells = whole.outcome.arms[position].cells
        # seeds are averaged within a split before splits are
        splits = pd.DataFrame(rows).groupby("repeat").mean()
        for metric in ("acc", "spe", "sen", "auc"):
            assert cells[metric].mean == pytest.approx(splits[metric].mean(), abs=1e-12)
            assert cells[metric].sd == pytest.approx(
                pd.DataFrame(rows)[metric].std(ddof=1), abs=1e-12
            )
        table = whole.outcome.arms[position].replicates
        assert table["f1"].to_numpy() == pytest.approx(
            np.array([row["f1"] for row in rows]), nan_ok=True, abs=1e-12
        )


def test_the_selection_counts_the_selectors_that_are_right(home: Path, whole: SweepResult) -> None:
    loaded = load(home, EVERY_RULE)
    manifest = pd.read_csv(home / "images/manifest.csv").set_index("image")
    truth = (manifest["label"] == "malignant").astype(int)
    for stage in [s for s in loaded.plan.stages.values() if s.kind == "select"]:
        selection = pd.read_parquet(loaded.store.folder(stage.digest) / "selection.parquet")
        selection = selection.set_index("image")["correct"]
        right = 0
        for digest in stage.inputs.values():
            p = probabilities(loaded.store, digest, "train")["p_1"]
            right = right + ((p >= 0.5).astype(int) == truth[p.index]).astype(int)
        pd.testing.assert_series_equal(
            selection.sort_index().astype(int), right.sort_index().astype(int), check_names=False
        )
        for reader in [s for s in loaded.plan.stages.values() if stage.digest in s.inputs.values()]:
            kept = int((selection >= reader.settings["subset"]["n"]).sum())
            assert loaded.store.done(reader.digest).facts["images"] == kept


CURVE = {
    "name": "curve",
    "axes": {
        "consensus": [1],
        "rule": ["original", "model1"],
        "threshold": {"from": 0, "to": 1, "steps": 6, "curve": True},
    },
    "replicates": {"repeats": 2, "seeds": [0]},
    "select_by": "auc",
}


def test_a_curve_adds_no_arm_and_its_value_is_chosen_on_validation(home: Path) -> None:
    result = run(home, CURVE)
    assert [dict(each.params) for each in result.outcome.arms] == [
        {"rule": "original"},
        {"consensus": 1, "rule": "model1"},
    ]
    chosen = arm(result, consensus=1, rule="model1")
    assert chosen.curve["step"].tolist() == [0, 200, 400, 600, 800, 1000]
    loaded = load(home, CURVE)
    manifest = pd.read_csv(home / "images/manifest.csv").set_index("image")
    truth = (manifest["label"] == "malignant").astype(int)
    cells = [c for c in loaded.plan.cells if c.arm == 1]
    for cell, row in zip(cells, chosen.replicates.to_dict("records"), strict=True):
        o, t = (
            probabilities(loaded.store, cell.uses[name], "validation")["p_1"]
            for name in ("original", "true")
        )
        aucs = {
            threshold: roc_auc_score(truth[o.index], o.where((2 * o - 1).abs() >= threshold, t))
            for threshold in np.linspace(0, 1, 6).round(12)
        }
        best = max(aucs.values())
        assert row["threshold"] == min(k for k, v in aucs.items() if v >= best - 1e-12)
        assert row["validation_auc"] == pytest.approx(best)
    assert "0" in abl.table(result)
    # the curve of the replicates together
    assert len(chosen.curve["auc"]) == 6


def test_another_select_by_may_choose_another_value_but_trains_nothing(home: Path) -> None:
    run(home, CURVE)
    other = run(home, CURVE | {"select_by": "sen"})
    assert other.report.ran == []
    assert "validation_sen" in other.outcome.arms[1].replicates


def test_a_fixed_value_stands_beside_a_chosen_one(home: Path) -> None:
    both = CURVE | {
        "name": "both",
        "arms": [{"rule": ["original", "model1"]}, {"rule": "model1", "threshold": 1.0}],
    }
    result = run(home, both)
    assert [dict(each.params) for each in result.outcome.arms] == [
        {"rule": "original"},
        {"consensus": 1, "rule": "model1", "threshold": "chosen"},
        {"consensus": 1, "rule": "model1", "threshold": 1.0},
    ]
    assert set(result.outcome.arms[2].replicates["threshold"]) == {1.0}
    assert "chosen" in abl.table(result)


def test_patients_are_scored_by_the_mean_of_their_images(home: Path) -> None:
    changes = {"name": "by_patient", "data.unit": "patient"}
    result = run(home, changes)
    assert result.report.ran == [] or result.outcome.arms
    loaded = load(home, changes)
    [cell] = [c for c in loaded.plan.cells if c.arm == 0]
    manifest = pd.read_csv(home / "images/manifest.csv").set_index("image")
    p = probabilities(loaded.store, cell.uses["original"], "test")["p_1"]
    means = p.groupby(manifest["patient"][p.index]).mean()
    truth = (manifest["label"] == "malignant").groupby(manifest["patient"]).max()[means.index]
    row = result.outcome.arms[0].replicates.iloc[0]
    assert row["auc"] == pytest.approx(roc_auc_score(truth, means))
    assert row["acc"] == pytest.approx(((means >= 0.5) == truth).mean())
    assert "patients a replicate" in " ".join(result.outcome.notes)


def test_controls_train_what_they_say(home: Path) -> None:
    changes = {
        "name": "controls",
        "axes": {"rule": ["true"], "consensus": [2], "second": [True, "retrained", "matched"]},
        "base": None,
    }
    result = run(home, changes)
    loaded = load(home, changes)
    assert [dict(a.named) for a in loaded.plan.arms] == [
        {"consensus": 2, "second": "true", "rule": "true"},
        {"second": "retrained", "rule": "true"},
        {"consensus": 2, "second": "matched", "rule": "true"},
    ]
    facts = [loaded.store.done(c.uses["true"]).facts["images_by_class"] for c in loaded.plan.cells]
    stages = [loaded.plan.stages[c.uses["true"]] for c in loaded.plan.cells]
    assert facts[0] == facts[2]
    assert sum(facts[1]) > sum(facts[0])
    assert "subset" not in stages[1].settings
    assert stages[1].seed != stages[0].seed == stages[2].seed
    assert len({stage.digest for stage in stages}) == 3
    assert len(result.outcome.arms) == 3


def test_selectors_may_train_for_fewer_epochs(home: Path) -> None:
    loaded = load(home, {"options": {"panel": PANEL, "epochs": 2}})
    trainings = [s for s in loaded.plan.stages.values() if s.kind == "train"]
    # now the original is not also a selector
    assert len(trainings) == 1 + 3 + 1
    assert sum(s.settings["train"].get("epochs") == 2 for s in trainings) == 3


def test_selectors_with_fewer_epochs_than_their_prediction_needs_are_refused(home: Path) -> None:
    with pytest.raises(InputError, match=r"options.epochs: 1 is less than train.last_k: 2"):
        load(home, {"options": {"panel": PANEL, "epochs": 1}})


def test_options_and_settings_can_be_axes(home: Path) -> None:
    axes = {"rule": ["original", "true"], "consensus": [1], "options.epochs": [2, 3]}
    plan = load(home, {"axes": axes}).plan
    assert [dict(a.named) for a in plan.arms] == [
        {"rule": "original"},
        {"consensus": 1, "rule": "true", "options.epochs": 2},
        {"consensus": 1, "rule": "true", "options.epochs": 3},
    ]
    used = [
        {digest for c in plan.cells if c.arm == at for digest in c.uses.values()} for at in (1, 2)
    ]
    assert used[0].isdisjoint(used[1])
    rates = {"rule": ["original"], "train.optimizer.lr": [1e-3, 1e-4]}
    plan = load(home, {"axes": rates, "base": {"train.optimizer.lr": 1e-3}}).plan
    assert len({d for c in plan.cells for d in c.uses.values()}) == 2


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"rule": "average"}, "base: no arm has rule average: valid: model1"),
        ({"rul": "original"}, "did you mean 'rule'?"),
        ({"threshold": 0.5}, "base: no arm differs from it"),
    ],
)
def test_a_base_that_compares_nothing_is_refused(home: Path, base: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load(home, {"axes": {"rule": ["model1"], "threshold": [0.5]}, "base": base})
    assert words in str(caught.value)


def test_an_edited_sweep_keeps_its_old_table_and_says_so(home: Path) -> None:
    before = run(home, {"name": "edited"})
    after = run(
        home, {"name": "edited", "axes": TINY["axes"] | {"rule": ["original", "model1", "average"]}}
    )
    assert after.messages == [
        "edited was edited since its last run: 1 arm is new; "
        f"the old table is kept as {before.outcome.key[:16]}"
    ]
    assert before.folder != after.folder
    assert (before.folder / "table.txt").read_text() != (after.folder / "table.txt").read_text()
    assert "average" in abl.table("edited", root=home / "mlruns")


def test_a_failing_arm_is_named_and_the_others_are_reported(tmp_path: Path, home: Path) -> None:
    shutil.copytree(home / "images", tmp_path / "images")
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "from abl.nets.registry import network\n"
        "class NoGood(nn.Linear):\n"
        "    def forward(self, images):\n"
        "        if images.is_meta:\n"
        "            return super().forward(images.flatten(1)[:, :4])\n"
        "        raise ValueError('this network cannot be used')\n"
        "@network('no_good')\n"
        "def no_good(classes, channels, image_size):\n"
        "    return NoGood(4, classes)\n"
    )
    axes = {"rule": ["original"], "network": ["plain4", "no_good"]}
    path = write_sweep(tmp_path, {"module": "mine.py", "axes": axes, "base": None})
    heard = Heard()
    loaded = abl.load(path, root=tmp_path / "mlruns")
    result = abl.run(loaded, executor="local", record=False, listener=heard)
    assert list(heard.failures) == ["train no_good r0 f0 s0"]
    assert "cannot be used" in heard.failures["train no_good r0 f0 s0"]
    good, bad = result.outcome.arms
    assert not good.failed
    assert bad.failed == "no result of train no_good r0 f0 s0"
    assert "failed" in abl.table(result)


def test_damaged_predictions_are_trained_again(tmp_path: Path, home: Path) -> None:
    shutil.copytree(home / "images", tmp_path / "images")
    first = run(tmp_path, {})
    loaded = load(tmp_path, {})
    digest = loaded.plan.cells[0].uses["original"]
    file = loaded.store.folder(digest) / "predictions.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    second = run(tmp_path, {})
    assert second.report.ran == [digest]
    assert abl.table(second) == abl.table(first)


def test_label_noise_as_an_axis_shares_the_clean_test_set(tmp_path: Path) -> None:
    changes = {
        "data": {"phantom": {"patients": 24, "size": 32, "planes": 1}, "duplicates": "ignore"},
        "axes": {"rule": ["original"], "data.phantom.flip": [0.0, 0.4]},
        "train.epochs": 2,
        "base": None,
    }
    result = run(tmp_path, changes)
    clean, noisy = result.outcome.arms
    assert dict(noisy.params) == {"rule": "original", "data.phantom.flip": 0.4}
    assert set(clean.stages).isdisjoint(noisy.stages)
    assert any(each.best for each in result.outcome.arms)
