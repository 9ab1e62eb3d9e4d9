"""Features of a manifest: which columns they are, their table, and whether rare ones are missed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from abl.plan.outcome import Outcome
from abl.report.tables.model import Table
from abl.studies.persistent.feature_columns import column_faults, image_features
from abl.studies.persistent.feature_tables import features_table
from abl.studies.persistent.features import JudgedImages, feature_rows, rarity_rows


def frame_of(patients: int = 60) -> pd.DataFrame:
    """Two images a patient, classes in turn; one histology in ten is rare, within both classes."""
    patient = np.repeat(np.arange(patients), 2)
    rare = patient // 2 % 5 == 0
    return pd.DataFrame(
        {
            "image": [f"{at}.png" for at in range(2 * patients)],
            "label": patient % 2,
            "train_label": patient % 2,
            "patient": [f"p{each:02d}" for each in patient],
            "nodule": "n1",
            "fingerprint": "",
            "mask": "m.png",
            "box_x0": 1.0,
            "diagnosis": np.where(patient % 2, "cancer", "none"),
            "histology": np.where(rare, "rare", "common"),
            "margin": np.where(patient % 3, "smooth", ""),
            "age": 20 + patient,
            "grade": patient % 4,
            "plane": np.tile(["long", "trans"], patients),
            "note": [f"text {at}" for at in range(2 * patients)],
            "device": "X",
        }
    )


def judged_of(frame: pd.DataFrame, rare_rate: float, seed: int = 0) -> JudgedImages:
    rng = np.random.default_rng(seed)
    seen = rng.poisson(12, len(frame)) + 1
    rate = np.where(frame["histology"] == "rare", rare_rate, 0.2)
    wrong = rng.binomial(seen, rate)
    return JudgedImages(
        labels=frame["label"].to_numpy(),
        patients=frame["patient"].to_numpy(),
        flagged=wrong > 0.6 * seen,
        wrong=wrong,
        seen=seen,
        in_training=rng.random((30, len(frame))) < 0.8,
    )


def test_columns_with_few_values_are_features_and_the_others_are_named() -> None:
    found, said = image_features(frame_of(), ("benign", "malignant"))
    values = {each.name: each.values for each in found}
    assert values == {
        "class": ("benign", "malignant"),
        "histology": ("common", "rare"),
        "margin": ("smooth", "not known"),
        "age": ("≤ 39", "39 to 59", "> 59"),
        "grade": ("0", "1", "2", "3"),
        "plane": ("long", "trans"),
    }
    assert said == [
        "No features, as they hold names of the classes: diagnosis.",
        "No features, as they hold more than 12 values: note.",
        "No features, as they hold one value: device.",
    ]
    age = next(each for each in found if each.name == "age")
    assert np.bincount(age.of_image).tolist() == [40, 40, 40]


def test_groups_that_are_asked_for_keep_their_names_and_order() -> None:
    asked = {"histology": ["histology", "diagnosis"], "ultrasound": ["plane"]}
    found, _ = image_features(frame_of(), ("benign", "malignant"), asked)
    assert [(each.group, each.name) for each in found] == [
        ("class", "class"),
        ("histology", "histology"),
        ("histology", "diagnosis"),
        ("ultrasound", "plane"),
    ]


def test_none_is_what_a_report_says_and_nothing_known_is_not() -> None:
    frame = frame_of().assign(calcification=["none", "micro", "NA"] * 40)
    found, _ = image_features(frame, ("benign", "malignant"), {"us": ["calcification"]})
    assert found[1].values == ("micro", "none", "not known")
    assert found[1].is_known.sum() == 80


def test_columns_that_are_not_there_are_told_at_once() -> None:
    asked = {"a": ["histologie", "plane"], "b": ["plane", "image"]}
    assert column_faults(frame_of(), asked, "set") == [
        "options.features: no column 'histologie' in set: did you mean 'histology'?",
        column_faults(frame_of(), {"a": ["image"]}, "set")[0],
        "options.features: 'plane' is named twice",
    ]


def test_a_hard_rare_histology_stands_out_and_nothing_else() -> None:
    frame = frame_of(100)
    features, _ = image_features(frame, ("benign", "malignant"))
    rows = feature_rows(features, judged_of(frame, 0.85)).set_index(["feature", "value"])
    rare = rows.loc[("histology", "rare")]
    assert (rare["images"], rare["patients"]) == (40, 20)
    assert rare["share"] == pytest.approx(0.2)
    assert rare["training_share"] == pytest.approx(0.2, abs=0.02)
    assert rare["flagged_patients"] == 20
    assert rare["p_corrected"] < 0.01
    assert rare["low"] > 1
    assert rare["rate_low"] > 5
    assert rows.loc[("histology", "common"), "rate_why"] == "reference"
    others = rows.drop(index="histology", level="feature")
    assert (others["p_corrected"].dropna() > 0.05).all()
    assert rows.loc[("plane", "long"), "why"] == "none without it, fewer than 5"
    assert bool(rows.loc[("plane", "long"), "rate_adjusted"])


def test_a_feature_that_tells_the_class_is_not_adjusted_for_it() -> None:
    frame = frame_of()
    features, _ = image_features(frame, ("benign", "malignant"), {"a": ["diagnosis", "plane"]})
    rows = feature_rows(features, judged_of(frame, 0.5))
    adjusted = rows.groupby("feature")["rate_adjusted"].first()
    assert adjusted.to_dict() == {"class": False, "diagnosis": False, "plane": True}
    assert (rows["rate_why"].isin(["", "reference"])).all()


def test_rare_features_are_missed_where_they_are_and_not_where_they_are_not() -> None:
    frame = frame_of(100)
    features, _ = image_features(frame, ("benign", "malignant"))
    hard = rarity_rows(features, judged_of(frame, 0.85)).set_index("feature")
    assert hard.loc["histology", "low"] > 1.5
    assert hard.loc["all features", "low"] > 1
    assert hard.loc["histology", "p_corrected"] < 0.01
    assert hard.loc["age", "why"] == "no value is rarer than others"
    covered = [
        rarity_rows(features, judged_of(frame, 0.2, seed)).set_index("feature").loc["all features"]
        for seed in range(20)
    ]
    assert sum(row["low"] < 1 < row["high"] for row in covered) >= 17


def test_without_training_sets_no_share_is_made_up() -> None:
    frame = frame_of()
    features, _ = image_features(frame, ("benign", "malignant"))
    whole = judged_of(frame, 0.5)
    none = JudgedImages(**{**vars(whole), "in_training": np.zeros((0, len(frame)), dtype=bool)})
    assert feature_rows(features, none)["training_share"].isna().all()
    assert rarity_rows(features, none)["odds_ratio"].isna().all()


def said_under(table: Table) -> str:
    return " ".join(note.text for note in table.notes)


def test_the_table_says_why_nothing_is_tested_and_has_a_group_only_if_asked() -> None:
    frame = frame_of(40)
    facts = SimpleNamespace(clusters="", study={})
    outcome = cast(Outcome, SimpleNamespace(name="s", title="", facts=facts))
    asked = {"look": ["margin"], "rest": ["plane"]}
    for groups in (None, asked):
        features, _ = image_features(frame, ("benign", "malignant"), groups)
        rows = feature_rows(features, judged_of(frame, 0.5))
        table = features_table(outcome, rows)
        assert ("group" in [each.label for each in table.columns]) == (groups is asked)
        assert "P is – where fewer than 5 patients" in said_under(table)
    rows = rows.assign(flagged_images=0, flagged_patients=0)
    odds = rows["feature"] == "margin"
    rows.loc[odds & (rows["rate_why"] != "reference"), "rate_odds_ratio"] = np.nan
    rows.loc[odds & (rows["rate_why"] != "reference"), "rate_why"] = "9 patients are too few"
    said = said_under(features_table(outcome, rows))
    assert "No image is flagged: no value can go with flags." in said
    assert "P is –" not in said
    assert "No odds of an error by margin: 9 patients are too few." in said
