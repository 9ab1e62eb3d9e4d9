"""`abl compare`: finding arms by a few words, and refusing what cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from abl.app.comparing import arm_at, compare, comparison_text, refuse_if_unlike
from abl.app.results import outcome_folder
from abl.data.phantom import phantom_dataset
from abl.errors import InputError
from abl.record.store import Store
from abl.report.pairs.arm_words import arm_named
from abl.spec.data import Phantom
from abl.spec.labels import Labels
from made_arms import THREE, keep, made_frame, made_outcome, made_sweep

KEYS = list(THREE)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return made_sweep(tmp_path_factory.mktemp("store"))[0]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("original", KEYS[0]),
        ("Original", KEYS[0]),
        ("consensus 3", KEYS[1]),
        ("consensus 3 · average", KEYS[1]),
        ("average consensus 3", KEYS[1]),
        ("average, consensus=5", KEYS[2]),
        ("rule average consensus 5", KEYS[2]),
        ("3", KEYS[1]),
        ("#1", KEYS[0]),
        (" #3 ", KEYS[2]),
        (KEYS[2][:8], KEYS[2]),
    ],
)
def test_an_arm_is_found_by(store: Store, words: str, key: str) -> None:
    assert arm_at(store, f"made:{words}")[1].key == key


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("made:average", ["fits 2 arms", "#2 consensus 3 · average", "write made:#2"]),
        ("made:", ["fits 3 arms"]),
        ("made:avrage", ["no arm has 'avrage'", "did you mean 'average'"]),
        ("made:original 3", ["no arm has all of these", "#1 original"]),
        ("made:consensus 4", ["no arm has '4': there are #1 original, #2 consensus 3 · average"]),
        ("made:#9", ["#1 to #3"]),
        ("original", ["write SWEEP:ARM"]),
        ("maid:original", ["did you mean 'made'"]),
    ],
)
def test_what_to_type_instead(store: Store, words: str, said: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        arm_at(store, words)
    for part in said:
        assert part in str(caught.value)


def test_words_of_labels_are_found_without_their_brackets(tmp_path: Path) -> None:
    outcome = made_sweep(tmp_path)[1]
    labels = Labels.model_validate({"values": {"rule": {"average": "Mean (both)"}}})
    named = replace(outcome, facts=replace(outcome.facts, labels=labels))
    assert arm_named(named, "mean both 3").key == KEYS[1]
    assert arm_named(named, "Mean (both) 5").key == KEYS[2]
    with pytest.raises(InputError, match="no arm has 'bth': did you mean 'both'"):
        arm_named(named, "bth 3")


def test_an_arm_is_not_compared_with_itself(store: Store) -> None:
    with pytest.raises(InputError, match="is both arms: name two"):
        compare(store, "made:#1", "made:original")


def test_a_title_in_full_wins_over_longer_ones() -> None:
    frame = made_frame({"a": 1.0, "b": 0.5})
    params = {"a": {"rule": "true"}, "b": {"consensus": 3, "rule": "true"}}
    outcome = made_outcome(frame, params)
    assert arm_named(outcome, "true").key == "a"
    assert arm_named(outcome, "true 3").key == "b"


def test_two_arms_of_a_sweep(store: Store) -> None:
    pair = compare(store, "made:consensus 5", "made:original")
    assert pair.first == "made: consensus 5 · average"
    assert pair.second == "made: original"
    assert (pair.units, pair.patients, pair.replicates) == (48, 24, 3)
    assert pair.verdict == "better by more than the margin"


def test_a_contrast_has_the_numbers_of_the_table(tmp_path: Path) -> None:
    store, outcome, _ = made_sweep(tmp_path)
    stated = outcome.arms[1].comparison
    assert stated is not None
    pair = compare(store, "made:3", "made:original")
    shown = next(each for each in pair.metrics if each.metric == "acc")
    assert (shown.difference, shown.low, shown.high) == (
        pytest.approx(stated.difference),
        stated.low,
        stated.high,
    )
    assert pair.p == stated.p


def test_unknown_patients_stay_said(tmp_path: Path) -> None:
    store, outcome, frame = made_sweep(tmp_path)
    facts = replace(outcome.facts, patients_unknown=True)
    store = keep(tmp_path / "unknown", replace(outcome, facts=facts), frame)
    assert "Patients are unknown: each image counts" in " ".join(
        compare(store, "made:3", "made:original").notes
    )


@pytest.mark.parametrize(("word", "said"), [("group", "24 groups"), ("image", "48 images")])
def test_what_is_resampled_is_named(tmp_path: Path, word: str, said: str) -> None:
    store, outcome, frame = made_sweep(tmp_path)
    assert "24 patients" in comparison_text(store, "made:3", "made:original")
    facts = replace(outcome.facts, clusters=word)
    store = keep(tmp_path / word, replace(outcome, facts=facts), frame)
    text = comparison_text(store, "made:3", "made:original")
    assert said in text
    assert "patient" not in text


def test_another_metric_may_be_tested(store: Store) -> None:
    assert compare(store, "made:3", "made:original", metric="auc").primary == "auc"
    with pytest.raises(InputError, match="did you mean 'auc'"):
        compare(store, "made:3", "made:original", metric="auk")


def test_across_sweeps_on_the_same_images(tmp_path: Path) -> None:
    made_sweep(tmp_path, name="one")
    store, *_ = made_sweep(tmp_path, name="two")
    pair = compare(store, "two:consensus 5", "one:consensus 5")
    assert pair.first.startswith("two:")
    assert pair.second.startswith("one:")
    assert pair.changed == ()


def test_other_images_are_refused_across_sweeps(tmp_path: Path) -> None:
    made_sweep(tmp_path, name="one")
    store, *_ = made_sweep(tmp_path, name="two", patients=20)
    with pytest.raises(InputError, match="the test images differ: 8 only with A, 0 only with B"):
        compare(store, "one:original", "two:original")


def frames(**changes: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    whole = made_frame({"a": 1.0, "b": 0.5}, **changes)  # type: ignore[arg-type]
    return whole[whole["arm"] == "a"], whole[whole["arm"] == "b"]


def test_like_arms_are_let_through() -> None:
    a, b = frames(folds=2)
    refuse_if_unlike(a, b.sample(frac=1, random_state=0), ["a", "b"])


def test_every_difference_is_counted() -> None:
    a, b = frames()
    fewer = b[b["seed"] < 2]
    with pytest.raises(InputError, match="1 of 3 replicates"):
        refuse_if_unlike(a, fewer, ["a", "b"])
    relabelled = b.assign(label=b["label"].where(b["patient"] != "p00", 1 - b["label"]))
    with pytest.raises(InputError, match="2 images have another label or patient"):
        refuse_if_unlike(a, relabelled, ["a", "b"])
    a, b = frames(folds=2)
    with pytest.raises(InputError, match="144 of 144 tests of images are in other replicates"):
        refuse_if_unlike(a, b.assign(fold=1 - b["fold"]), ["a", "b"])
    with pytest.raises(InputError, match="A has 3 classes, B 2"):
        refuse_if_unlike(a.assign(p_2=0.0), b, ["a", "b"])


def test_an_arm_that_failed_or_has_no_predictions_is_told(tmp_path: Path) -> None:
    frame = made_frame(dict.fromkeys(KEYS, 1.0))
    outcome = made_outcome(frame, THREE)
    failed = replace(outcome.arms[1], failed="out of memory", cells={})
    outcome = replace(outcome, arms=(outcome.arms[0], failed, outcome.arms[2]))
    store = keep(tmp_path, outcome, frame[frame["arm"] == KEYS[0]])
    with pytest.raises(InputError, match="failed: out of memory"):
        compare(store, "made:3", "made:original")
    with pytest.raises(InputError, match="no predictions are kept"):
        compare(store, "made:5", "made:original")


def test_the_page_has_pictures_where_the_data_is_known(tmp_path: Path) -> None:
    frame = made_frame(dict(zip(KEYS, (0.3, 0.8, 1.6), strict=True)))
    names = phantom_dataset(Phantom(patients=40)).frame["image"].tolist()
    frame["unit"] = frame["unit"].map(dict(zip(frame["unit"].unique(), names, strict=False)))
    store = keep(tmp_path, made_outcome(frame, THREE), frame)
    page = comparison_text(store, "made:5", "made:original", format="html")
    assert "data:image/png;base64," in page
    assert "p(malignant)" in page
    assert "No pictures" not in page


def test_the_page_says_why_it_has_no_pictures(tmp_path: Path) -> None:
    store, outcome, _ = made_sweep(tmp_path)
    sweep = outcome_folder(store, outcome) / "sweep.yaml"
    text = sweep.read_text(encoding="utf-8")
    sweep.write_text(text.replace("phantom: {patients: 40}", "set: elsewhere"), encoding="utf-8")
    page = comparison_text(store, "made:5", "made:original", format="html")
    assert "No pictures: " in page
    assert "<img" not in page
