"""What a sweep may follow of its source's protocol: by name, where its study has it, said where it
is done and nowhere else; and sweeps without a validation part, from file to report.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import abl
from abl.app.results import arm_predictions
from abl.app.showing import shown_table
from abl.app.sweep_result import SweepResult
from abl.errors import InputError
from abl.plan.scored_part import ON_VALIDATION, WITHOUT_VALIDATION, as_scored, scored_part
from abl.report.tables import printed, styled_table
from abl.studies.contract import studies
from tiny_sweeps import write_sweep, write_tiny_set

WITHOUT = {"splits.validation": 0, "published": ["no_validation"]}
FIXED = {"consensus": [2], "rule": ["original", "model1"], "threshold": [0.9]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    manifest = write_tiny_set(folder / "images", patients=36)
    rows = pd.read_csv(manifest)
    tested = rows["patient"].str[1:].astype(int) % 3 == 0
    rows["tested"] = tested.map({True: "test", False: "train"})
    rows["validated"] = tested.map({True: "val", False: "train"})
    rows.to_csv(manifest, index=False)
    return folder


def told(home: Path, changes: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        abl.load(write_sweep(home, changes), root=home / "mlruns")
    return str(caught.value)


SINGLE = {"axes": {"network": ["pooled3", "pooled6"]}, "options": None, "base": None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"splits.validation": 0}, "or published: [no_validation] to do as the publication did"),
        (
            {"axes": FIXED | {"splits.validation": [0, 0.3]}},
            "splits.validation: 0 leaves no images to choose by: write a share such as 0.2",
        ),
        (
            SINGLE | {"study": "compare", "splits.validation": 0},
            "published: [no_validation] is for ensembles, frozen, fusion, mask_guided, readers, "
            "two_step alone",
        ),
        (
            SINGLE | {"study": "compare", "published": ["no_validation"]},
            "study compare follows no publication: leave published out",
        ),
        (
            {"published": ["cutoff_on_test"]},
            "published: 'cutoff_on_test' is of study persistent, not of two_step; valid: "
            "selection_in_sample, threshold_in_sample,",
        ),
        ({"published": ["no_validaton"]}, "is not known; did you mean 'no_validation'?"),
        (
            {"published": ["no_validation"]},
            "published: no_validation: no arm does it: write splits: {validation: 0}, or take it",
        ),
        (WITHOUT | {"protocol": "own"}, "(given: protocol: own): take one of the two out"),
        ({"published": ["no_validation"] * 2}, "published: no_validation is given twice"),
        (
            {"splits": {"kind": "column", "column": "validated", "scored": "validation"}},
            "name test rows; published: [scored_on_validation] is for mask_guided alone",
        ),
        # the whole list of one study is not that of another
        (
            SINGLE | {"study": "persistent", "protocol": "published", "splits.validation": 0},
            "published: [no_validation] is for",
        ),
    ],
)
def test_what_is_allowed_where_is_said(home: Path, changes: dict[str, Any], said: str) -> None:
    assert said in told(home, changes)


def test_what_would_be_chosen_on_validation_is_refused_without(home: Path) -> None:
    axes = {"threshold": [0.9, "exact", "38%", "histogram"], "calibrate": ["none", "prior"]}
    found = told(home, WITHOUT | {"axes": FIXED | axes, "train.early_stop": {"patience": 2}})
    for said in (
        "threshold: exact is chosen on validation images, and splits.validation: 0 leaves none: "
        "write a number such as 0.9, always, or histogram",
        "threshold: 38% is chosen",
        "calibrate: prior is chosen",
        "train.early_stop: the epoch is chosen on validation images, and splits.validation: 0 "
        "leaves none: leave it out, and the last epochs predict (train.last_k)",
    ):
        assert said in found
    assert "histogram is chosen" not in found
    curve = {"axes": FIXED | {"threshold": {"values": [0, 0.9], "curve": True}}}
    assert "threshold: the best of a curve is chosen" in told(home, WITHOUT | curve)


@pytest.mark.parametrize("written", [{"published": ["no_validation"]}, {"protocol": "published"}])
def test_one_name_or_the_whole_list_allows_it(home: Path, written: dict[str, Any]) -> None:
    changes = {"splits.validation": 0, "axes": FIXED} | written
    loaded = abl.load(write_sweep(home, changes), root=home / "mlruns")
    assert loaded.file.sweep.protocol == "published"
    assert loaded.file.sweep.allows("no_validation")
    assert not abl.load(write_sweep(home), root=home / "mlruns").file.sweep.allows("no_validation")


def test_names_of_studies_are_theirs_alone() -> None:
    for each in studies().values():
        names = [departure.name for departure in each.departures]
        assert len(set(names)) == len(names)
        for departure in each.departures:
            assert departure.sentence.endswith(".")


def run(home: Path, changes: dict[str, Any]) -> SweepResult:
    loaded = abl.load(write_sweep(home, changes), root=home / "mlruns")
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result


def page_of(result: SweepResult) -> str:
    return (result.folder / "report.html").read_text(encoding="utf-8")


def test_a_two_step_sweep_without_validation_says_so_and_nothing_else(home: Path) -> None:
    column = {"kind": "column", "column": "tested", "validation": 0}
    changes = {"name": "without", "splits": column, "axes": FIXED, "image.size": 16}
    result = run(home, changes | {"published": ["no_validation"], "replicates.seeds": [0, 1]})
    loaded = abl.load(home / "tiny.yaml", root=home / "mlruns")
    assert any(note.startswith("Published protocol, no_val") for note in loaded.plan.notes)
    found = arm_predictions(loaded.store, result.outcome)
    assert set(found["role"]) == {"test"}
    page = page_of(result)
    assert "published protocol: no_validation" in page
    assert "There is no validation part" in page
    assert "by patient, no validation part, seed 0" in page
    # said by the study of any sweep, as it is not among the names
    assert "(selection: in_sample)" in page
    for wrong in ("in the validation sets", "in validation", "without a validation set"):
        assert wrong not in page
    assert any(note.startswith("Published protocol, no_val") for note in result.outcome.notes)
    # plain arms of the same file have a validation part, and no word of a protocol
    plain = page_of(run(home, changes | {"name": "with", "splits": column | {"validation": 0.3}}))
    assert "ublished protocol" not in plain
    assert "There is no validation part" not in plain


def test_a_fixed_validation_set_is_scored(home: Path) -> None:
    column = {"kind": "column", "column": "validated", "scored": "validation", "validation": 0}
    changes = SINGLE | {
        "name": "scored",
        "study": "mask_guided",
        "splits": column,
        "axes": {"variant": ["none"], "network": ["pooled3", "pooled6"]},
        "published": ["scored_on_validation", "no_validation"],
        "image.size": 16,
    }
    result = run(home, changes)
    rows = pd.read_csv(home / "images" / "manifest.csv")
    loaded = abl.load(home / "tiny.yaml", root=home / "mlruns")
    found = arm_predictions(loaded.store, result.outcome)
    assert set(found["unit"]) == set(rows.loc[rows["validated"] == "val", "image"])
    page = page_of(result)
    assert "There is no internal test set: what is scored is the validation set" in page
    assert "its validation rows are scored, no validation part" in page
    # of a part that is scored it is not said that there is none
    assert "No other images are held out to choose by" in page
    assert "There is no validation part" not in page
    names = [row["name"] for row in result.outcome.facts.departures]
    assert names == ["scored_on_validation", "no_validation"]
    # one word for what is scored, wherever it is told
    notes = " ".join(result.outcome.notes)
    assert "Validation sets: " in notes
    assert "nothing was chosen on it here" in notes
    assert "There is no validation part" not in notes + page
    shown = printed(shown_table(loaded.store, "scored", show="data"), "text")
    for said in (notes, printed(styled_table(result.outcome), "text"), shown, words_of_page(page)):
        spoken = said.replace("no internal test set", "")
        other = r".{0,60}(?:\b[Tt]est (?:sets?|images?)\b|\b(?:on|in) test\b).{0,60}"
        assert re.findall(other, spoken) == []
    assert "<td>test</td>" not in page
    assert ">scored on validation<" in page


def words_of_page(page: str) -> str:
    """What a reader of the page sees, pictures and scripts aside."""
    page = re.sub(r"(?s)<(script|style|pre).*?</\1>", "", page)
    return re.sub(r"(?s)<[^>]*>", " ", page)


def test_a_faulty_part_is_called_as_the_column_calls_it(home: Path) -> None:
    rows = pd.read_csv(home / "images" / "manifest.csv")
    rows.loc[rows["validated"].eq("val") & rows["label"].eq("malignant"), "validated"] = "train"
    rows.to_csv(home / "images" / "benign.csv", index=False)
    changes = SINGLE | {
        "study": "mask_guided",
        "data.manifest": "images/benign.csv",
        "splits": {"kind": "column", "column": "validated", "scored": "validation"},
        "axes": {"variant": ["none"], "network": ["pooled3", "pooled6"]},
        "published": ["scored_on_validation"],
        "image.size": 16,
    }
    with pytest.raises(InputError) as caught:
        _ = abl.load(write_sweep(home, changes), root=home / "mlruns").plan
    said = str(caught.value)
    assert "validation (which is scored) has no image of class 1" in said
    assert "test has no" not in said


def test_sentences_name_what_is_scored() -> None:
    both = [{"name": name, "sentence": ""} for name in (ON_VALIDATION, WITHOUT_VALIDATION)]
    some = [{"name": ON_VALIDATION, "sentence": "So. (In 1 of 2 arms.)"}]
    assert scored_part([]) == "test"
    assert scored_part(both) == "validation"
    assert scored_part(both[:1]) == "scored validation"
    assert scored_part(some) == "test or validation"
    told = "Test sets: 28 images, internal test sets 50 %; F1 on test, of test of means. No t-test."
    assert as_scored(told, "validation") == (
        "Validation sets: 28 images, internal validation sets 50 %; F1 on validation, of test of "
        "means. No t-test."
    )
    assert as_scored(told, "test") == told
    assert as_scored("F1 on the test\nsets, on\ntest", "validation") == (
        "F1 on the validation\nsets, on\nvalidation"
    )
