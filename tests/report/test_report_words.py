"""Each kind of sentence of the report is true of the arms that ran, whatever the file says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_frames import SWEEP, Made, made_sweep

import abl
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Frames, few_of
from abl.report.figures.every import figures_of
from abl.report.labels import counted
from abl.report.named import words_of
from abl.report.page.checklist import checklist
from abl.report.page.choices import choices_words
from abl.report.page.counts import count_table
from abl.report.page.flow import SECOND_ROW, flow_tables
from abl.report.page.protocol import protocol_rows
from abl.report.page.report_facts import ReportFacts, report_facts
from abl.report.page.setting_words import block_words, value_words
from abl.report.page.weaknesses import _of_prevalence, readings_sentence, weaknesses
from abl.studies.contract import studies
from tiny_sweeps import write_sweep

EMPTY = pd.DataFrame()
TUNED = ("plain4", "tiny_vgg")


@pytest.fixture(scope="module")
def made() -> Made:
    return made_sweep()


def facts_of(made: Made, sweep: str = SWEEP, **changes: Any) -> ReportFacts:
    facts = dataclasses.replace(made.outcome.facts, **changes)
    outcome = dataclasses.replace(made.outcome, facts=facts)
    return report_facts(outcome, made.predictions, made.networks, sweep)


def protocol(facts: ReportFacts) -> dict[str, str]:
    own = studies()[facts.outcome.study].weaknesses(facts)
    return dict(protocol_rows(facts, own.choices))


def ran(folder: Path, changes: Mapping[str, Any]) -> tuple[Outcome, ReportFacts, str]:
    """A real sweep over the tiny set: its outcome, the facts of its report, and the page."""
    path = write_sweep(folder, changes)
    result = abl.run(abl.load(path, root=folder / "mlruns"), executor="local", record=False)
    predictions = pd.read_parquet(result.folder / "predictions.parquet")
    facts = report_facts(result.outcome, predictions, EMPTY, path.read_text())
    return result.outcome, facts, (result.folder / "report.html").read_text()


def test_what_axes_put_in_place_of_settings_is_said_and_nothing_else(tiny_folder: Path) -> None:
    _, facts, page = ran(
        tiny_folder,
        {
            "train.network": None,  # at its default, which no arm has
            "train.augment.rotate_deg": 45,
            "axes": {
                "network": ["pooled6"], "consensus": [1], "rule": ["original", True],
                "train.augment.rotate_deg": [10, 30],
            },
            "select_by": "auc",
            "data.where": {"patient": [f"p{at:03d}" for at in range(2, 24)]},
        },
    )  # fmt: skip
    said = protocol(facts)
    assert "cnn1" not in page.split("Sweep file</h2>")[0]
    assert said["Training of arms"].startswith("network pooled6, ")
    assert "rotate_deg 10 | 30 (by arm)" in said["Augmentation"]
    assert "45" not in said["Augmentation"]
    # one selection for each rotation; pooled6 is an original network and a selector
    assert "pooled3: 2 trainings (selectors)" in said["Networks trained"]
    assert "pooled6: 4 trainings (arms 4, selectors 2, some are both)" in said["Networks trained"]
    assert said["Axis rule"] == "original, true"
    assert said["Compared with"] == "rule original, at equal other axes"
    assert said["Chosen"] == "nothing: every setting was given beforehand"
    shown = page.split("What so many patients can show")[1]
    assert "test patients (" in shown.split("</p>")[0]
    assert "(arms that use them)" in said["Options of the study"]
    assert "search" not in said["Options of the study"]
    [flow] = flow_tables(facts)
    rows = {row[0]: row[1:] for row in flow.rows}
    assert rows["in the source"] == ("48", "24")
    assert rows["left out: patient other than p002, p003, ... (22 values)"] == ("−4", "−2")
    assert rows["in the sweep"] == ("44", "22")
    parts = [rows[name] for name in ("train", "validation", "test")]
    assert sum(int(images) for images, _ in parts) == 44
    assert rows["scored on test"] == rows["test"]


def test_sizes_are_of_all_splits_and_of_each_data_set_that_arms_had(tiny_folder: Path) -> None:
    _, facts, _ = ran(
        tiny_folder,
        {
            "study": "frozen",
            "options": None,
            "splits": {"kind": "kfold", "folds": 3},
            "axes": {"splits.validation": [0.2, 0.4]},
            "base": {"splits.validation": 0.2},
        },
    )
    assert [part.name for part in facts.data] == [
        "images/manifest.csv, validation 0.2", "images/manifest.csv, validation 0.4",
    ]  # fmt: skip
    for part in facts.data:
        # each patient is tested once, two images each; a single fold tests eight
        assert (part.sizes["test"].patients, part.sizes["test"].units) == (24, 48)
        assert sum(part.sizes["test"].by_class) == 16
        assert part.splits == 3
    sizes = {item.topic: item.answer for item in checklist(facts, {})}["Sample size"]
    assert sizes.count("test: 24 patients, 48 images (distinct ones over 3 splits)") == 2
    assert "20 % of the rest" in protocol(facts)["Splits"]
    assert protocol(facts)["Splits"].count("(by arm)") == 1


def test_choices_of_a_real_sweep_are_told_with_their_metric(tiny_folder: Path) -> None:
    _, facts, _ = ran(
        tiny_folder,
        {
            "axes": {
                "consensus": [1], "rule": ["original", "model1"], "calibrate": ["temperature"],
                "threshold": {"values": [0, 0.5], "curve": True},
            },
            "select_by": "acc",
        },
    )  # fmt: skip
    said = protocol(facts)
    assert said["Chosen"] == (
        "T* of a grid by ACC on validation; calibration (temperature) fitted on validation"
    )
    assert said["Axis threshold"] == "0, 0.5, chosen on validation"


def test_both_images_of_a_pair_count_once_where_an_arm_takes_them_for_two(
    tiny_folder: Path,
) -> None:
    outcome, facts, _ = ran(
        tiny_folder,
        {
            "study": "fusion",
            "options": None,
            "data": {"phantom": {"patients": 20, "size": 32}, "unit": "image"},
            "image": {"size": 32, "channels": 1, "normalize": "half"},
            "train.network": "plain4",
            "train.epochs": 1,
            "train.last_k": 1,
            "axes": {"mode": ["bmode", "mixed", "late"], "second": ["own", "shuffled"]},
            "base": {"mode": "bmode"},
        },
    )
    (part,) = facts.data
    (flow,) = flow_tables(facts)
    steps = {row[0]: row[1] for row in flow.rows}
    images = int(steps["in the sweep"])
    assert steps["in the source"] == steps[SECOND_ROW] == str(images)
    tested = part.sizes["test"]
    assert str(tested.units) == steps["test"] == steps["scored on test"]
    assert sum(tested.by_class) == tested.units < images
    assert f"test: {counted(tested.patients, 'patient')}, {tested.units} images" in " ".join(
        item.answer for item in checklist(facts, {})
    )
    (path,) = tiny_folder.glob("mlruns/store/sweeps/*/*/predictions.parquet")
    predictions = pd.read_parquet(path)
    names = dict(zip(predictions["arm"].astype(str), predictions["arm_name"], strict=True))
    assert names == {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    counts = count_table(outcome, predictions, facts.classes, "image", mixed=bool(facts.mixed))
    assert counts is not None
    assert counts.note.endswith("count each image twice: by its first and by its second.")
    in_all = {row[0]: int(row[-1]) for row in counts.rows}
    assert in_all["mixed"] == 2 * in_all["bmode"] == 2 * tested.units
    said = protocol(facts)
    assert said["Data"].endswith(
        "; first images | both images, singly | pairs of images | pairs of images, exchanged "
        "within a class (by arm)"
    )
    assert "fusion late (some arms)" in said["Training of arms"]
    assert "fusion none" not in said["Training of arms"]


# -- outcomes that are made ----------------------------------------------------------------------


def settings(changes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"settings": [{"arms": list(range(5)), "changes": dict(changes)}], **more}


@pytest.mark.parametrize(
    ("threshold", "wanted"),
    [
        ("exact", "T* by ACC on validation, the best of all"),
        ("histogram", "T* by the confidences on training images"),
        ("38%", "T* by the share of validation images sent on, 38%"),
        ("search", "cutoff searched by Brier and share sent on, on validation"),
        (0.9, "nothing: every setting was given beforehand"),
        ("always", "nothing: every setting was given beforehand"),
    ],
)
def test_how_a_threshold_came_about(made: Made, threshold: str | float, wanted: str) -> None:
    arms = tuple(
        dataclasses.replace(arm, params={"rule": "model1", "threshold": threshold}, curve=None)
        for arm in made.outcome.arms
    )
    outcome = dataclasses.replace(made.outcome, arms=arms, curve_axis="")
    search = {"search": {"over": ["cutoff"], "objectives": ["brier", "share"]}}
    known = dataclasses.replace(made, outcome=outcome)
    facts = facts_of(known, ran=settings({"options": search}))
    assert protocol(facts)["Chosen"] == wanted


def test_a_search_and_early_stopping_are_choices(made: Made) -> None:
    row = {
        "arm": "x", "chosen": [{"values": {}}], "objectives": [{"metric": "auc"}],
        "scope": "by_split",
    }  # fmt: skip
    stop = {"patience": 2, "metric": "loss", "restore_best": True}
    facts = facts_of(made, ran=settings({"train.early_stop": stop}), searches=[row, row])
    said = choices_words(facts, ())
    assert (
        "settings of tuned arms by AUC on the validation images of each split, 2 searches" in said
    )
    assert "the epoch that predicts by loss on validation" in said
    final = {item.topic: item.answer for item in checklist(facts, {}, ())}
    chosen = final["Choice of the final model and of thresholds"]
    assert "the epoch with the best loss on validation" in chosen
    assert "last_k" not in protocol(facts)["Training of arms"]


def test_settings_without_an_effect_are_not_told(made: Made) -> None:
    plain = protocol(facts_of(made, ran=settings({})))["Training of arms"]
    for name in ("spp_levels", "segmentation", "frozen_precision", "momentum", "every"):
        assert name not in plain
    guided = {"train.attention.variant": "parallel", "train.head": "spp"}
    said = protocol(facts_of(made, ran=settings(guided)))["Training of arms"]
    assert "segmentation (encoder resnet18" in said
    assert "spp_levels 4 2 1" in said
    full = guided | {"train.attention.mask": "full"}
    assert "segmentation" not in protocol(facts_of(made, ran=settings(full)))["Training of arms"]


def test_arms_that_train_nothing_have_no_training(made: Made) -> None:
    facts = facts_of(made, ran=settings({}, untrained=list(range(5)), trainings=[]))
    said = protocol(facts)
    assert said["Training"] == "no arm of this sweep trained a network"
    assert "Optimizer" not in said
    topics = {item.topic: item for item in checklist(facts, {})}
    assert topics["Class imbalance"].answer == ""


def test_imported_arms_are_no_part_of_the_protocol(made: Made) -> None:
    *own, last = made.outcome.arms
    foreign = dataclasses.replace(last, params={"consensus": "a forest", "rule": ""})
    outcome = dataclasses.replace(made.outcome, arms=(*own, foreign))
    facts = facts_of(dataclasses.replace(made, outcome=outcome), imported=[foreign.key])
    said = protocol(facts)
    assert said["Axis consensus"] == "1, 3"
    assert said["Imported arms"].startswith("a forest: trained elsewhere")
    read = readings_sentence(facts)
    assert "4 arms on 3 replicates, 12 readings in all" in read
    assert "1 imported arm looked at these images is not known" in read


def test_what_was_read_off_the_test_sets_is_not_denied(made: Made) -> None:
    read = readings_sentence(facts_of(made))
    assert "No choice was made" not in read
    assert "No setting, epoch or threshold was chosen by it" in read
    assert "Which arm is called the best" in read
    alone = dataclasses.replace(made.outcome, arms=made.outcome.arms[:1])
    said = readings_sentence(facts_of(dataclasses.replace(made, outcome=alone)))
    assert "called the best" not in said
    many = tuple(
        dataclasses.replace(arm, key=f"{at}") for at, arm in enumerate(made.outcome.arms * 3)
    )
    _, cut = few_of(dataclasses.replace(made.outcome, arms=many), many)
    assert "best ACC on test: 8 of 15 arms" in cut


def test_nothing_is_compared_where_nothing_was(made: Made) -> None:
    arms = tuple(arm.without_marks() for arm in made.outcome.arms)
    outcome = dataclasses.replace(made.outcome, arms=arms)
    facts = facts_of(dataclasses.replace(made, outcome=outcome))
    said = protocol(facts)
    assert said["Compared with"] == "nothing; rule original was asked for"
    assert "tests" not in said["Draws"]
    assert "decides" not in said["Metrics"]
    assert "Margin" not in said
    topics = {item.topic: item.answer for item in checklist(facts, {})}
    assert "permutation" not in topics["Uncertainty and tests"]


def test_a_column_of_splits_is_not_called_stratified(made: Made) -> None:
    text = SWEEP.replace("splits: {seed: 5}", "splits: {kind: column, column: part}")
    said = protocol(facts_of(made, text))["Splits"]
    assert "column part of the manifest" in said
    assert "stratified" not in said


def test_sizes_of_one_split_are_not_those_of_all(made: Made) -> None:
    folds = pd.concat([made.predictions.assign(fold=at) for at in range(2)])
    arms = tuple(
        dataclasses.replace(
            arm, replicates=pd.concat([arm.replicates.assign(fold=at) for at in range(2)])
        )
        for arm in made.outcome.arms
    )
    outcome = dataclasses.replace(made.outcome, arms=arms)
    rows = [{"role": "train", "patients": 7, "images": 9, "benign": 5, "malignant": 4}]
    known = report_facts(outcome, folds, EMPTY, SWEEP, rows)
    assert "train" not in known.sizes  # known of the first split alone, the others of both
    alone = report_facts(outcome, EMPTY, EMPTY, SWEEP, rows)
    sizes = {item.topic: item.answer for item in checklist(alone, {})}["Sample size"]
    assert sizes == "train: 7 patients, 9 images (the first of 2 splits)"


def test_generated_images_beside_a_real_external_set_have_patients(made: Made) -> None:
    text = SWEEP + "external: [{name: H, manifest: h.csv}]\n"
    topics = {item.topic: item for item in checklist(facts_of(made, text), {})}
    assert topics["Removal of identifying details"].answer == ""
    assert "H: manifest h.csv" in topics["Source of the data"].answer
    asked = topics["Evaluation on external data"].answer
    assert asked == "none was done"
    row = {"name": "H", "source": "manifest h.csv", "how": "averaged", "patients": 4, "units": 8,
           "classes": {"benign": 5, "malignant": 3}, "prevalence": 0.4,
           "internal_prevalence": 0.4}  # fmt: skip
    facts = facts_of(made, text, external=[row])
    assert facts.sizes["external H"].units == 8
    assert "none was done" not in {i.answer for i in checklist(facts, {})}


def test_counts_are_those_of_the_predictions(made: Made) -> None:
    table = count_table(made.outcome, made.predictions, ("benign", "malignant"), "image")
    assert table is not None
    assert table.columns == ("TP", "FN", "FP", "TN", "in all")
    arm = made.outcome.arms[1]
    rows = made.predictions
    rows = rows[(rows["arm"] == arm.key) & (rows["role"] == "test")]
    called, label = rows["p_1"] > rows["p_0"], rows["label"] == 1
    wanted = [
        int((called & label).sum()), int((~called & label).sum()),
        int((called & ~label).sum()), int((~called & ~label).sum()), len(rows),
    ]  # fmt: skip
    assert [int(cell) for cell in table.rows[1][1:]] == wanted
    assert "Summed over the 3 replicates" in table.note
    three = made_sweep(classes=3, seeds=1, units=36)
    table = count_table(three.outcome, three.predictions, ("a", "b", "c"), "image")
    assert table is not None
    assert table.columns[0] == "class"
    by_class = np.array([row[2:6] for row in table.rows[:3]], dtype=int)
    assert (by_class.sum(axis=1) == 36).all()
    assert by_class[:, :2].sum() == 36  # each case is of one class
    assert count_table(made.outcome, EMPTY, (), "image") is None


def test_weak_points_name_the_data_that_they_are_of(made: Made) -> None:
    part = {"unit": "image", "splits": 1, "listed": {"images": 9, "patients": 9}, "left_out": [],
            "second": 0, "used": {"images": 9, "patients": 9}}  # fmt: skip
    test = {"role": "test", "units": 9, "images": 9, "by_class": [5.0, 4.0]}
    data = [
        {**part, "name": name, "arms": [], "parts": [{**test, "patients": count}]}
        for name, count in (("a.csv", 60), ("b.csv", 9))
    ]
    said = " ".join(weaknesses(facts_of(made, ran=settings({}, data=data))))
    assert "patients in the test sets of b.csv (9 in all)" in said
    assert "test sets of a.csv" not in said


def test_the_caption_of_confidence_speaks_of_a_threshold_only_where_there_is_one(
    made: Made,
) -> None:
    drawn = figures_of(made.outcome, Frames(made.predictions, made.networks))
    assert "T*" in str(drawn["confidence"].get_label())
    plain = made_sweep(rules=("average",))
    drawn = figures_of(plain.outcome, Frames(plain.predictions, plain.networks))
    assert "T*" not in str(drawn["confidence"].get_label())


def test_the_decision_curve_shows_arms_all_and_none(made: Made) -> None:
    figure = figures_of(made.outcome, Frames(made.predictions))["decision_curve"]
    [place] = figure.axes
    lines = {str(line.get_label()): line for line in place.get_lines()}
    assert {"none called positive", "all called positive", "original (base)"} <= set(lines)
    assert len(lines) == 2 + len(made.outcome.arms)
    rows = made.predictions
    rows = rows[(rows["arm"] == made.outcome.arms[0].key) & (rows["role"] == "test")]
    line = lines["original (base)"]
    at = int(np.argmin(np.abs(np.asarray(line.get_xdata()) - 0.25)))
    threshold = float(np.asarray(line.get_xdata())[at])
    values = []
    for _, seed in rows.groupby("seed"):
        called = seed["p_1"] >= threshold
        true, false = (called & (seed["label"] == k) for k in (1, 0))
        odds = threshold / (1 - threshold)
        values.append(true.mean() - false.mean() * odds)
    assert float(np.asarray(line.get_ydata())[at]) == pytest.approx(np.mean(values))


def test_values_are_written_as_the_file_writes_them() -> None:
    assert value_words({"rule": True, "flip": False, "x": 30.0, "y": None}) == (
        "rule true, flip false, x 30, y none"
    )
    blocks = [{"name": "adam", "lr": 0.1}, {"name": "sgd", "lr": 0.1, "momentum": 0.9}]
    assert block_words(blocks) == "adam | sgd (by arm), lr 0.1, momentum 0.9 (some arms)"
    assert "(25 values)" not in block_words([{"lr": at} for at in range(3)])


@pytest.mark.parametrize(
    ("primary", "positives", "said"),
    [
        ("f1", 0.81, "with 81 % malignant it mostly reflects sensitivity, and so does ACC."),
        ("f1", 0.26, "with 26 % malignant its value is one of this test set; at another"),
        ("acc", 0.26, "with 74 % of one class it mostly reflects that class."),
        ("ppv", 0.81, "with 81 % malignant its value is one of this test set; at another"),
    ],
)
def test_what_a_metric_tells_of_a_test_set_mostly_of_one_class(
    primary: str, positives: float, said: str
) -> None:
    outcome = SimpleNamespace(primary=primary, metrics=("acc", primary))
    facts: Any = SimpleNamespace(outcome=outcome, classes=("benign", "malignant"))
    assert said in _of_prevalence(facts, [1 - positives, positives])


def test_networks_behind_features_are_no_points_of_a_search(tiny_folder: Path) -> None:
    panel = {name: {"network": name, "layer": "last", "fine_tuned": True} for name in TUNED}
    _, facts, _ = ran(
        tiny_folder,
        {
            "study": "ensembles", "train.network": None, "base": None, "options": {"panel": panel},
            "axes": {"networks": list(TUNED), "classifier": ["rf"]},
        },
    )  # fmt: skip
    said = protocol(facts)
    assert said["Networks trained"] == "; ".join(
        f"{name}: 1 training (features or flags that arms read)" for name in TUNED
    )
    # the block's own network, which nothing trains, is not among the settings
    assert said["Training of arms"].startswith("weights ")
