"""Ways to choose in the two-step study: False networks, thresholds, selection, calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import abl
from abl.app.loaded import LoadedSweep
from abl.app.results import arm_predictions, kept_analysis
from abl.app.sweep_result import SweepResult
from abl.data.splits.splits import inner_folds
from abl.decide.rules import confidence
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome
from abl.studies.two_step.label_noise import exclusion_scores
from tiny_sweeps import write_sweep, write_tiny_set

MANY = {
    "name": "many",
    "axes": {
        "consensus": [2],
        "rule": ["original", "model1", "model2"],
        "threshold": [0.9, "always", "exact", "histogram", "search"],
        "false_k": ["none", 2],
    },
    "options.search": {"over": ["threshold", "weight"], "trials": 25},
    "replicates": {"repeats": 2, "seeds": [0, 1]},
    "metrics": ["acc", "f1", "auc"],
    "primary": "acc",
    "contrasts": [{"arm": {"rule": "model1"}, "base": {"rule": "model2"}}],
}
KEYS = ["repeat", "fold", "seed"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choices")
    write_tiny_set(folder / "images", patients=36)
    return folder


def load(home: Path, changes: dict[str, Any]) -> LoadedSweep:
    return abl.load(write_sweep(home, changes), root=home / "mlruns")


def run(home: Path, changes: dict[str, Any]) -> tuple[LoadedSweep, SweepResult]:
    loaded = load(home, changes)
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return loaded, result


@pytest.fixture(scope="module")
def many(home: Path) -> tuple[LoadedSweep, SweepResult]:
    return run(home, MANY)


def arm(result: SweepResult, **params: Any) -> ArmOutcome:
    [found] = [each for each in result.outcome.arms if dict(each.params) == params]
    return found


def test_exact_is_never_beaten_on_validation(many: tuple[LoadedSweep, SweepResult]) -> None:
    loaded, result = many
    frame = arm_predictions(loaded.store, result.outcome).query("role == 'validation'")
    exact = {"consensus": 2, "threshold": "exact", "false_k": "none"}
    for rule in ("model1", "model2"):
        best = validation_accuracy(frame, arm(result, rule=rule, **exact))
        for other in (0.9, "always", "histogram"):
            found = arm(result, rule=rule, consensus=2, threshold=other, false_k="none")
            assert (best >= validation_accuracy(frame, found) - 1e-12).all()


def validation_accuracy(frame: pd.DataFrame, found: ArmOutcome) -> np.ndarray:
    rows = frame[frame["arm"] == found.key]
    right = (rows["p_1"] >= rows["p_0"]).astype(int) == rows["label"]
    return right.groupby([rows[key] for key in KEYS]).mean().to_numpy()


def test_a_search_is_at_least_as_good_as_what_it_begins_with(
    many: tuple[LoadedSweep, SweepResult],
) -> None:
    _, result = many
    searched = arm(result, rule="model1", consensus=2, threshold="search", false_k="none")
    original = arm(result, rule="original")
    # T* = 0 is the original network, whose validation accuracy cannot be above the best found
    assert {"threshold", "weight", "validation_acc"} <= set(searched.replicates)
    assert searched.cells["optimism"].count == 4
    assert "optimism" not in original.cells


def test_a_search_is_kept_and_goes_on(home: Path, many: tuple[LoadedSweep, SweepResult]) -> None:
    loaded, result = many
    trials = kept_analysis(loaded.store, result.outcome).trials
    searches = trials.groupby(["arm", *KEYS]).size()
    assert set(searches) == {25}
    more = dict(MANY) | {"options.search": {"over": ["threshold", "weight"], "trials": 30}}
    longer_sweep, longer = run(home, more)
    found = kept_analysis(longer_sweep.store, longer.outcome).trials
    assert set(found.groupby(["arm", *KEYS]).size()) == {30}
    first = found[found["number"] < 25].sort_values([*KEYS, "number"])["value_0"].to_numpy()
    before = trials.sort_values([*KEYS, "number"])["value_0"].to_numpy()
    assert np.array_equal(np.sort(first), np.sort(before))


def test_the_false_network_decides_what_stays_unsure(
    many: tuple[LoadedSweep, SweepResult],
) -> None:
    loaded, result = many
    frame = arm_predictions(loaded.store, result.outcome)
    networks = kept_analysis(loaded.store, result.outcome).networks
    wanted = {"rule": "model1", "consensus": 2, "threshold": "always"}
    columns = [*KEYS, "role", "unit"]

    def of(found: ArmOutcome) -> pd.DataFrame:
        return frame[frame["arm"] == found.key].set_index(columns).sort_index()

    without = of(arm(result, **wanted, false_k="none"))
    having = of(arm(result, **wanted, false_k=2))
    false = networks[networks["network"] == "False-2 pooled3"].set_index(columns)
    assert len(false)
    unsure = confidence(without[["p_0", "p_1"]].to_numpy()) < 0.1
    expected = np.where(
        unsure[:, None], false.loc[without.index, ["p_0", "p_1"]], without[["p_0", "p_1"]]
    )
    assert unsure.any()
    assert np.array_equal(having[["p_0", "p_1"]].to_numpy(), expected)


def test_the_false_network_is_trained_on_what_true_leaves_out(
    many: tuple[LoadedSweep, SweepResult],
) -> None:
    loaded, _ = many
    trained: dict[tuple[str, int], dict[str, int]] = {}
    for digest, stage in loaded.plan.stages.items():
        subset = stage.settings.get("subset")
        if subset:
            done = loaded.store.done(digest)
            assert done is not None
            key = (stage.inputs["select"], int(stage.seed or 0))
            trained.setdefault(key, {})[f"{subset['kind']}-{subset['n']}"] = done.facts["images"]
    # a panel of three: False-2 is the complement of True-2
    for (select, _seed), images in trained.items():
        done = loaded.store.done(select)
        assert done is not None
        assert images["true-2"] + images["false-2"] == done.facts["images"]


def test_the_kept_predictions_give_the_numbers_of_the_table(
    many: tuple[LoadedSweep, SweepResult],
) -> None:
    loaded, result = many
    frame = arm_predictions(loaded.store, result.outcome).query("role == 'test'")
    for found in result.outcome.arms:
        rows = frame[frame["arm"] == found.key]
        right = (rows["p_1"] >= rows["p_0"]).astype(int) == rows["label"]
        by = right.groupby([rows[key] for key in KEYS]).mean()
        assert np.allclose(by.to_numpy(), found.replicates.sort_values(KEYS)["acc"].to_numpy())
        sent = rows["sent"].groupby([rows[key] for key in KEYS]).mean()
        assert np.allclose(sent, found.replicates.sort_values(KEYS)["share"])


def test_contrasts_are_tested_in_one_family_with_the_base(
    many: tuple[LoadedSweep, SweepResult],
) -> None:
    _, result = many
    tests = pd.DataFrame(result.outcome.facts.tests)
    named = tests[tests["base"].str.contains("model2")]
    assert len(named) == len(result.outcome.arms) // 2
    assert named["arm"].str.contains("model1").all()
    # two splits of the same patients: the t-test with corrected variance is there too
    assert (tests["corrected_t_df"] == 1).all()
    same = tests["verdict"] == "same predictions"
    assert (tests["p"].isna() == same).all()
    assert (tests["p_corrected"] >= tests["p"])[~same].all()


def test_out_of_fold_selection_asks_networks_that_did_not_see_the_image(home: Path) -> None:
    sweep = {
        "name": "held_out",
        "options.selection": "out_of_fold",
        "options.inner_folds": 3,
        "axes": {"consensus": [2], "rule": ["model1"], "threshold": [0.5]},
        "base": None,
    }
    loaded, _ = run(home, sweep)
    [cell] = loaded.plan.cells
    select = loaded.plan.stages[cell.uses["select"]]
    assert len(select.inputs) == 9
    opened = loaded.workspace.data(loaded.file.sweep.data)
    frame, splits = opened.dataset.frame, loaded.file.sweep.splits
    train = opened.split(splits, 0, 0).train
    fold = inner_folds(frame, train, splits, 3)
    images = frame["image"].to_numpy()[train]
    correct = np.zeros(len(train), dtype=int)
    for role, digest in select.inputs.items():
        held_out = fold == int(role.rpartition("_")[2])
        done = loaded.store.done(digest)
        assert done is not None
        assert done.facts["images"] == (~held_out).sum()
        kept = pd.read_parquet(loaded.store.file(digest, "predictions.parquet"))
        p = kept[kept["role"] == "train"].set_index("image").loc[images]
        right = (p["p_1"] >= p["p_0"]).to_numpy() == (frame["label"].to_numpy()[train] == 1)
        correct += right & held_out
    selection = pd.read_parquet(loaded.store.file(cell.uses["select"], "selection.parquet"))
    assert np.array_equal(selection.set_index("image").loc[images, "correct"], correct)


def test_calibration_moves_probabilities_and_no_ranks(home: Path) -> None:
    sweep = {
        "name": "calibrated",
        "axes": {"rule": ["original"], "calibrate": ["none", "temperature", "prior"]},
        "metrics": ["auc", "brier"],
        "primary": "auc",
        "base": {"calibrate": "none"},
    }
    _, result = run(home, sweep)
    auc = [each.cells["auc"].mean for each in result.outcome.arms]
    assert auc == pytest.approx([auc[0]] * 3, abs=1e-12)
    assert len({each.cells["brier"].mean for each in result.outcome.arms}) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes.false_k": [4]}, "false_k: 4 is not in 1..3"),
        ({"axes.false_k": ["two"]}, "false_k: a whole number is wanted, or none, not two"),
        (
            {"axes.threshold": ["exatc"]},
            "'exatc' is not in \\[0, 1\\].*exact, histogram, promise, search",
        ),
        (
            {"axes.threshold": {"values": [0.5, "exact"], "curve": True}},
            "exact chooses a T\\* itself",
        ),
        (
            {"axes.threshold": ["search"], "options.search": {"objectives": ["cost"]}},
            "options.search.costs: give a matrix",
        ),
        ({"axes.threshold": ["search"], "options.search": {"trials": 0}}, "trials"),
        (
            {"axes.false_k": [1], "axes.false_threshold": ["best_on_test"]},
            "published: \\[false_threshold_on_test\\]",
        ),
        ({"axes.calibrate": ["platt"]}, "calibrate: 'platt' is not known"),
        ({"axes.threshold": [{"promise": {"level": 0.1}}]}, "write promise, and its risk, level"),
    ],
)
def test_what_is_wrong_is_said(home: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(home, changes)


def test_a_contrast_that_matches_nothing_is_refused(home: Path) -> None:
    contrast = {"contrasts": [{"arm": {"rule": "model1"}, "base": {"rule": "model2"}}]}
    with pytest.raises(InputError, match=r"no arm has \{rule: model2\}"):
        load(home, contrast)


def test_the_published_false_threshold_reads_the_test_set_when_told_to(home: Path) -> None:
    axes = {"consensus": [2], "rule": ["original", "model1"], "threshold": [0.5], "false_k": [2]}
    fixed = {"name": "published", "protocol": "published", "primary": "acc"}
    _, fitted = run(home, fixed | {"axes": axes | {"false_threshold": ["best_on_test", 0.1]}})
    [best, kept] = [each for each in fitted.outcome.arms if each.params["rule"] == "model1"]
    assert best.cells["acc"].mean >= kept.cells["acc"].mean
    facts = fitted.outcome.facts
    assert facts.protocol == "published"
    # all that the study's source did is allowed, and what these arms do of it is said
    names = {row["name"] for row in facts.departures}
    assert names == {"selection_in_sample", "false_threshold_on_test"}


def test_scores_of_exclusion() -> None:
    wrong = np.array([True, True, False, False])
    excluded = np.array([True, False, True, False])
    found = exclusion_scores(wrong, excluded)
    assert found == {
        "images": 4.0,
        "flipped": 0.5,
        "kept": 0.5,
        "flipped_kept": 0.5,
        "precision": 0.5,
        "recall": 0.5,
    }


def test_flipped_labels_are_counted_inside_true_sets(home: Path) -> None:
    pytest.importorskip("cleanlab")
    sweep = {
        "name": "noisy",
        "data": {"phantom": {"patients": 40, "size": 32, "flip": 0.3}, "duplicates": "ignore"},
        "image.size": 32,
        "options.inner_folds": 2,
        "axes": {
            "consensus": [2],
            "rule": ["original", "model1"],
            "threshold": [0.5],
            "options.selection": ["in_sample", "out_of_fold"],
        },
    }
    loaded, result = run(home, sweep)
    rows = pd.DataFrame(result.outcome.facts.study["label_noise"])
    assert set(rows["selection"]) == {"in_sample", "out_of_fold"}
    assert set(rows["criterion"]) == {"True-1", "True-2", "True-3", "confident learning"}
    frame = loaded.workspace.data(loaded.file.sweep.data).dataset.frame
    train = loaded.workspace.data(loaded.file.sweep.data).split(loaded.file.sweep.splits, 0, 0)
    share = (frame["label"] != frame["train_label"]).to_numpy()[train.train].mean()
    assert rows["flipped"].to_numpy() == pytest.approx(share)
    for how in ("in_sample", "out_of_fold"):
        kept = rows[(rows["selection"] == how) & rows["criterion"].str.startswith("True")]["kept"]
        assert list(kept) == sorted(kept, reverse=True)


def test_faults_of_every_kind_are_told_at_once(home: Path) -> None:
    sweep = {
        "options": {"panel": ["pooled3", "pooled33"]},
        "axes": {
            "consensuss": [1],
            "consensus": [8],
            "rule": ["original", "modle1"],
            "train.network": ["pooled3", "poled3"],
        },
        "primary": "f3",
        "base": {"rul": "original"},
        "stated": {"train.epocs": "page 3"},
    }
    with pytest.raises(InputError) as told:
        load(home, sweep)
    said = "\n".join(str(problem) for problem in told.value.problems)
    for word in (
        "'consensuss'",
        "'pooled33'",
        "consensus: 8",
        "'modle1'",
        "'poled3'",
        "'f3'",
        "'rul'",
        "'train.epocs'",
    ):
        assert word in said, word
    assert all(problem.line for problem in told.value.problems)


def test_one_selector_does_not_vote_twice(home: Path) -> None:
    with pytest.raises(InputError, match="pooled3 is given twice"):
        load(home, {"options": {"panel": ["pooled3", "pooled3"]}})


def test_an_empty_true_set_can_be_topped_up(home: Path) -> None:
    strict = {"name": "topped", "axes": {"consensus": [3], "rule": ["true"]}, "base": None}
    strict |= {"train.epochs": 1, "train.last_k": 1, "train.optimizer.lr": 1e-6}
    loaded = load(home, strict)
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed, "a panel that learned nothing agrees on one class"
    _, again = run(home, strict | {"options.keep_at_least": 4})
    [only] = again.outcome.arms
    [second] = [d for d in only.stages if "least" in str(load_stage(loaded, d))]
    done = loaded.store.done(second)
    assert done is not None
    assert min(done.facts["images_by_class"]) >= 4


def load_stage(loaded: LoadedSweep, digest: str) -> object:
    done = loaded.store.done(digest)
    return None if done is None else done.stage


PROMISED = {
    "name": "promised",
    "splits": {"kind": "holdout", "test": 0.3, "validation": 0.5},
    "axes": {"consensus": [2], "rule": ["original", "model1"], "threshold": [0.9, "promise"]},
    "options.promise": {"risk": "missed", "level": 0.45, "confidence": 0.6},
    "replicates": {"repeats": 1, "seeds": [0, 1]},
    "metrics": ["acc", "aurc", "augrc"],
    "primary": "acc",
}


def test_a_promise_chooses_the_threshold_and_is_held_against_the_test(home: Path) -> None:
    loaded, result = run(home, PROMISED)
    found = arm(result, consensus=2, rule="model1", threshold="promise")
    assert not found.failed
    every = arm_predictions(loaded.store, result.outcome)
    kept = every[every["arm"] == found.key]
    for _, row in found.replicates.iterrows():
        assert 0 <= row["validation_risk"] <= 0.45
        for role, name in (("validation", "validation_risk"), ("test", "risk")):
            part = kept[(kept["seed"] == row["seed"]) & (kept["role"] == role)]
            malignant = part[part["label"] == 1]
            missed = ~malignant["sent"] & (malignant["p_1"] < malignant["p_0"])
            risk = missed.groupby(malignant["patient"].astype(str)).mean().mean()
            assert row[name] == pytest.approx(risk)
    [note] = [note for note in result.outcome.notes if note.startswith("T* by promise")]
    assert "not sent on and called benign at most 45 %, with 60 % confidence" in note
    assert not any(note.startswith("Optimism") for note in result.outcome.notes)
    for each in result.outcome.arms:
        assert 0 <= each.cells["augrc"].mean <= each.cells["aurc"].mean <= 1
    shown = abl.table("promised", root=home / "mlruns", format="text")
    assert "AURC" in shown


def test_a_promise_that_no_threshold_keeps_is_a_failed_arm_that_says_so(home: Path) -> None:
    strict = {"risk": "missed", "level": 0.01, "confidence": 0.99}
    loaded, result = run(home, PROMISED | {"name": "strict", "options.promise": strict})
    [warned] = [note for note in loaded.plan.notes if "no T* can keep it" in note]
    assert "takes 459 validation patients with malignant images" in warned
    failed = {each.failed for each in result.outcome.arms if each.failed}
    [said] = failed
    assert "no T* keeps the promise (share of malignant images that are not sent on and" in said
    assert "it takes 459 patients with malignant images without an error, and there are" in said
    assert said.endswith("in 2 of 2 replicates")
    fine = arm(result, consensus=2, rule="model1", threshold=0.9)
    assert not fine.failed


def test_a_promise_may_be_an_axis_and_matters_to_its_word_alone(home: Path) -> None:
    axes = PROMISED["axes"] | {"options.promise.level": [0.4, 0.45]}
    loaded = load(home, PROMISED | {"name": "levels", "axes": axes})
    named = [dict(each.named) for each in loaded.plan.arms]
    assert sum(each.get("threshold") == "promise" for each in named) == 2
    assert sum(each.get("threshold") == 0.9 for each in named) == 1
    with pytest.raises(InputError) as caught:
        load(home, PROMISED | {"options.promise": {"risk": "errors", "level": 5, "sure": 0.9}})
    said = str(caught.value)
    for each in ("options.promise.risk", "options.promise.level", "options.promise.sure"):
        assert each in said
