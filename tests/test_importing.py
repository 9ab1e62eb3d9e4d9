"""`abl import`: an arm trained elsewhere takes part as if it had been trained here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from abl.app.comparing import compare
from abl.app.importing import forget_arm, import_arm, imported_arms, with_kept_imports
from abl.app.results import arm_predictions, outcome_named
from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.page.report_facts import sweep_of
from abl.report.tables import printed, table_of
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.imported_arm import ImportedArm, by_unit, imported_file
from made_arms import SWEEP, THREE, keep, made_frame, made_outcome, made_sweep

KEYS = list(THREE)
KEYS_OF_SPLIT = ("repeat", "fold")


def exported(frame: pd.DataFrame, arm: str, *keys: str, told: bool = True) -> pd.DataFrame:
    """An arm's predictions as a colleague would send them; `told`: with repeat and fold."""
    part = frame[frame["arm"] == arm].rename(columns={"unit": "image"})
    if "seed" not in keys:
        part = part[part["seed"] == 0]
    if told:
        keys = (*KEYS_OF_SPLIT, *(key for key in keys if key not in KEYS_OF_SPLIT))
    return part[[*keys, "image", "label", "p_0", "p_1"]]


def sent(folder: Path, frame: pd.DataFrame, name: str = "theirs.csv") -> Path:
    path = folder / name
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures and report have tests of their own, and take seconds."""
    monkeypatch.setattr("abl.report.figures.every.figures_of", lambda *args, **kwargs: {})
    monkeypatch.setattr("abl.report.page.html_report.report_page", lambda *args, **kwargs: "")


@pytest.fixture
def made(tmp_path: Path) -> tuple[Store, Outcome, pd.DataFrame]:
    return made_sweep(tmp_path / "store")


Made = tuple[Store, Outcome, pd.DataFrame]


def new_frame(skill: float = 1.2, **changes: object) -> pd.DataFrame:
    return made_frame({"x": skill}, draw=7, **changes)  # type: ignore[arg-type]


def test_it_becomes_a_row_with_the_same_numbers_as_an_arm_of_ours(
    made: Made, tmp_path: Path
) -> None:
    store, before, frame = made
    path = sent(tmp_path, exported(frame, KEYS[2]))
    after = import_arm(store, "made", path, "a colleague 2")
    row = after.arms[-1]
    assert row.params == {"consensus": "a colleague 2", "rule": ""}
    ours = before.arms[2].replicates
    theirs = row.replicates
    assert theirs["acc"].tolist() == [ours["acc"].iloc[0]] * 3  # given once, used for all seeds
    assert row.comparison is not None
    assert row.comparison.base == "original"
    shown = printed(table_of(after), "text", width=200)
    assert "a colleague 2" in shown
    assert "imported: a colleague 2 from file theirs.csv, sha256" in shown
    assert "given once, used for all 3 seeds" in shown


def test_all_seeds_given_it_is_the_same_arm(made: Made, tmp_path: Path) -> None:
    store, _, frame = made
    path = sent(tmp_path, exported(frame, KEYS[2], "repeat", "fold", "seed"))
    after = import_arm(store, "made", path, "copy")
    own, copy = after.arms[2], after.arms[-1]
    for name in ("acc", "auc"):
        assert copy.cells[name].mean == pytest.approx(own.cells[name].mean)
        assert copy.cells[name].sd == pytest.approx(own.cells[name].sd)
    assert own.comparison is not None
    assert copy.comparison is not None
    assert copy.comparison.p == own.comparison.p
    pair = compare(store, "made:copy", "made:consensus 5")
    assert pair.changed == ()
    assert "given once" not in " ".join(after.notes)


def test_the_family_grows_and_every_p_is_corrected_again(made: Made, tmp_path: Path) -> None:
    store, before, _ = made
    after = import_arm(store, "made", sent(tmp_path, exported(new_frame(), "x")), "theirs")
    for old, new in zip(before.arms[1:], after.arms[1:], strict=False):
        assert old.comparison is not None
        assert new.comparison is not None
        assert new.comparison.p == old.comparison.p
        assert new.comparison.difference == pytest.approx(old.comparison.difference)
        assert new.comparison.p_corrected >= old.comparison.p_corrected
    assert len(after.facts.tests) == 3
    assert sum(arm.best for arm in after.arms) == 1
    assert {row.key for row in after.arms[:3]} == set(KEYS)


def test_an_equal_third_arm_makes_the_correction_stronger(made: Made, tmp_path: Path) -> None:
    store, before, frame = made
    noise = exported(frame, KEYS[0])
    after = import_arm(store, "made", sent(tmp_path, noise), "noise")
    before_p = [arm.comparison.p_corrected for arm in before.arms if arm.comparison]
    after_p = [arm.comparison.p_corrected for arm in after.arms[:3] if arm.comparison]
    assert sum(after_p) > sum(before_p)


def test_it_is_kept_and_takes_part_in_everything(made: Made, tmp_path: Path) -> None:
    store, before, _ = made
    path = sent(tmp_path, exported(new_frame(), "x"))
    import_arm(store, "made", path, "theirs")
    path.unlink()
    newest = outcome_named(store, "made")
    assert newest.key != before.key
    assert newest.arms[-1].params["consensus"] == "theirs"
    assert newest.arms[-1].key in set(arm_predictions(store, newest)["arm"].astype(str))
    assert compare(store, "made:theirs", "made:original").units == 48


def test_again_under_its_name_replaces_it(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    import_arm(store, "made", sent(tmp_path, exported(new_frame(0.1), "x")), "theirs")
    second = import_arm(store, "made", sent(tmp_path, exported(new_frame(2.0), "x")), "theirs")
    third = import_arm(store, "made", sent(tmp_path, exported(new_frame(1.0), "x")), "more")
    assert len(second.arms) == 4
    assert [arm.params["consensus"] for arm in third.arms[3:]] == ["more", "theirs"]
    assert sum(note.startswith("imported: ") for note in third.notes) == 2
    assert len(third.facts.tests) == 4


def test_a_new_run_of_the_sweep_takes_it_back_in(made: Made, tmp_path: Path) -> None:
    store, before, frame = made
    after = import_arm(store, "made", sent(tmp_path, exported(new_frame(), "x")), "theirs")
    sweep = sweep_of(SWEEP.replace("NAME", "made"))
    assert sweep is not None
    again, said = with_kept_imports(store, Analysis(before, frame), sweep)
    assert said == []
    assert again.outcome.key == after.key
    assert again.outcome.arms[-1].cells == after.arms[-1].cells
    smaller = made_frame(dict.fromkeys(THREE, 1.0), patients=26)
    other, said = with_kept_imports(
        store, Analysis(made_outcome(smaller, THREE, base=KEYS[0]), smaller), sweep
    )
    assert len(other.outcome.arms) == 3
    assert "theirs is left out" in said[0]


def test_it_can_be_taken_out_again(made: Made, tmp_path: Path) -> None:
    store, before, _ = made
    import_arm(store, "made", sent(tmp_path, exported(new_frame(), "x")), "theirs")
    after = forget_arm(store, "made", "theirs")
    assert after.key == before.key
    assert imported_arms(store, "made") == []
    for old, new in zip(before.arms, after.arms, strict=True):
        assert (old.key, repr(old.cells)) == (new.key, repr(new.cells))
        if old.comparison and new.comparison:
            assert new.comparison.p_corrected == old.comparison.p_corrected
    assert not [note for note in after.notes if note.startswith("imported")]
    with pytest.raises(InputError, match="was not imported"):
        forget_arm(store, "made", "theirs")


def test_validation_rows_are_passed_over(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    test = exported(new_frame(), "x").assign(split="test")
    other = test.head(3).assign(split="validation", p_0=0.5, p_1=0.5)
    after = import_arm(store, "made", sent(tmp_path, pd.concat([other, test])), "theirs")
    plain = import_arm(store, "made", sent(tmp_path, test), "plain")
    by_name = {arm.params.get("consensus"): arm for arm in (*after.arms, *plain.arms)}
    assert by_name["theirs"].cells == by_name["plain"].cells


def test_an_arm_that_names_no_folds_has_no_verdict_and_is_never_the_best(tmp_path: Path) -> None:
    store, *_ = made_sweep(tmp_path / "store", folds=2)
    frame = new_frame(3.0, folds=2)
    by_fold = import_arm(store, "made", sent(tmp_path, exported(frame, "x")), "by fold")
    assert by_fold.arms[-1].best
    assert by_fold.arms[-1].comparison.verdict == "these networks differ"
    forget_arm(store, "made", "by fold")
    pooled = sent(tmp_path, exported(frame, "x", told=False))
    after = import_arm(store, "made", pooled, "pooled")
    row = after.arms[-1]
    assert row.cells == by_fold.arms[-1].cells
    assert row.comparison.verdict == "no verdict: not out of fold"
    assert not row.best
    assert not row.tied
    assert sum(arm.best for arm in after.arms) == 1
    assert any(
        "not out of fold: the file does not say for which of the 2 splits" in n for n in after.notes
    )
    assert [arm.is_out_of_fold(frame) for arm in imported_arms(store, "made")] == [False]


def test_of_one_split_it_is_enough_to_say_that_rows_are_tests(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    frame = exported(new_frame(3.0), "x", told=False)
    silent = import_arm(store, "made", sent(tmp_path, frame), "theirs")
    assert silent.arms[-1].comparison.verdict == "no verdict: not out of fold"
    for column in ("split", "role"):
        said = import_arm(store, "made", sent(tmp_path, frame.assign(**{column: "test"})), "theirs")
        assert said.arms[-1].comparison.verdict == "these networks differ"
        assert said.arms[-1].best


def test_folds_that_are_not_the_sweeps_are_refused_by_row(tmp_path: Path) -> None:
    store, before, _ = made_sweep(tmp_path / "store", folds=2)
    wrong = exported(new_frame(folds=2), "x")
    wrong["fold"] = 1 - wrong["fold"]
    with pytest.raises(InputError) as caught:
        import_arm(store, "made", sent(tmp_path, wrong), "wrong")
    first, *_, last = map(str, caught.value.problems)
    assert (
        "theirs.csv:2: image 'images/000.png' is given for repeat 0, fold 1, in the sweep" in first
    )
    assert "it is a test of repeat 0, fold 0" in first
    assert (
        "48 images are of other splits than the sweep's: train on those that `abl splits`" in last
    )
    assert outcome_named(store, "made").key == before.key
    everywhere = pd.concat([exported(new_frame(folds=2), "x"), wrong])
    assert import_arm(store, "made", sent(tmp_path, everywhere), "all").arms[-1].comparison


def test_rows_called_tests_that_the_sweep_trains_on_are_another_split(
    made: Made, tmp_path: Path
) -> None:
    from abl.data.phantom import phantom_dataset

    store, *_ = made
    sweep = sweep_of(SWEEP.replace("NAME", "made"))
    assert sweep is not None
    assert sweep.data.phantom is not None
    trained = phantom_dataset(sweep.data.phantom).frame["image"].head(5)  # in the data, no tests
    frame = exported(new_frame(3.0), "x").assign(role="test")
    more = frame.head(5).assign(image=trained.to_numpy())
    for columns in ([], ["fold"], ["repeat", "fold"]):  # no folds told, or no repeat
        file = pd.concat([frame, more]).drop(columns=columns)
        after = import_arm(store, "made", sent(tmp_path, file), "theirs")
        row = after.arms[-1]
        assert row.comparison.verdict == "no verdict: not out of fold"
        assert not row.best
        note = next(note for note in after.notes if note.startswith("imported: theirs"))
        assert "not out of fold: the file calls 5 predictions tests" in note
        assert trained.iloc[0] in note
    # the same file with the roles that the sweep gives is fair, and so are images of elsewhere
    fair = pd.concat([frame, more.assign(role="train")])
    elsewhere = pd.concat([frame, more.assign(image=[f"new{n}.png" for n in range(5)])])
    for file in (fair, elsewhere):
        after = import_arm(store, "made", sent(tmp_path, file), "theirs")
        assert after.arms[-1].best
        assert after.arms[-1].comparison.verdict == "these networks differ"


def test_a_test_of_another_fold_under_the_name_of_test_is_another_split(tmp_path: Path) -> None:
    store, *_ = made_sweep(tmp_path / "store", folds=2)
    right = exported(new_frame(3.0, folds=2), "x").assign(role="test")
    wrong = right.assign(fold=1 - right["fold"])
    after = import_arm(store, "made", sent(tmp_path, pd.concat([right, wrong.head(3)])), "theirs")
    assert after.arms[-1].comparison.verdict == "no verdict: not out of fold"
    assert "calls 3 predictions tests" in after.notes[-1]


def two_repeats(frame: pd.DataFrame) -> pd.DataFrame:
    """Tests of two folds, and in a second repeat with the folds of every third image changed."""
    again = frame.assign(repeat=1)
    moved = again["unit"].str[7:10].astype(int) % 3 == 0
    return pd.concat([frame, again.assign(fold=again["fold"].where(~moved, 1 - again["fold"]))])


@pytest.fixture
def repeated(tmp_path: Path) -> Made:
    frame = two_repeats(made_frame(dict.fromkeys(THREE, 1.0), folds=2, seeds=2))
    outcome = made_outcome(frame, THREE, base=KEYS[0])
    return keep(tmp_path / "store", outcome, frame), outcome, frame


def told_of(store: Store, folder: Path, frame: pd.DataFrame) -> list[str]:
    with pytest.raises(InputError) as caught:
        import_arm(store, "made", sent(folder, frame), "theirs")
    return [str(problem) for problem in caught.value.problems]


def test_rows_moved_to_another_fold_are_named_in_every_repeat(
    repeated: Made, tmp_path: Path
) -> None:
    store, *_ = repeated
    theirs = exported(two_repeats(new_frame(folds=2)), "x").reset_index(drop=True)
    rows = [0, 1, 2, len(theirs) - 1]
    theirs.loc[rows, "fold"] = 1 - theirs.loc[rows, "fold"]
    for file in (theirs, theirs.assign(role="test")):
        said = told_of(store, tmp_path, file)
        assert [line.partition(": ")[0] for line in said[:-1]] == [
            f"theirs.csv:{row + 2}" for row in rows
        ]
        assert all("in the sweep it is a test of repeat" in line for line in said[:-1])
        assert "of other splits" in said[-1]


def test_the_cause_is_named_in_one_line(repeated: Made, tmp_path: Path) -> None:
    store, *_ = repeated
    theirs = exported(two_repeats(new_frame(folds=2, seeds=2)), "x", "seed").reset_index(drop=True)
    for file, words in (
        (theirs[theirs["seed"] == 0].assign(seed=7), "has seed 7, the sweep has seeds 0, 1"),
        (theirs[theirs["seed"] == 0], "has seed 0, the sweep has seeds 0, 1"),
        (theirs.assign(fold=theirs["fold"] + 2), "has folds 2, 3, the sweep has folds 0, 1"),
        (theirs.drop(columns="repeat"), "theirs.csv:1: needs the column repeat"),
        (theirs.drop(columns=["repeat", "fold"]), "needs the columns repeat and fold"),
        (theirs.drop(columns="seed"), "theirs.csv:1: needs the column seed"),
    ):
        said = told_of(store, tmp_path, file)
        assert len(said) == 1
        assert words in said[0]
    once = theirs[theirs["seed"] == 0].drop(columns="seed")
    said = told_of(store, tmp_path, pd.concat([once, once.head(1)]))
    assert "is there again, first in row 2" in said[0]


@pytest.mark.parametrize("moved", [("fold",), ("repeat",), ("repeat", "fold")])
def test_folds_and_repeats_may_be_counted_from_one(
    repeated: Made, tmp_path: Path, moved: tuple[str, ...]
) -> None:
    store, *_ = repeated
    theirs = exported(two_repeats(new_frame(3.0, folds=2)), "x").assign(role="Test")
    trained = theirs.assign(fold=1 - theirs["fold"], role="training")
    files = [pd.concat([theirs, trained]).reset_index(drop=True)]
    files.append(files[0].assign(**{key: files[0][key] + 1 for key in moved}))
    plain, counted = (import_arm(store, "made", sent(tmp_path, file), "theirs") for file in files)
    assert counted.arms[-1].cells["auc"].mean == plain.arms[-1].cells["auc"].mean
    assert counted.arms[-1].comparison == plain.arms[-1].comparison
    said = f"its file counts {' and '.join(moved)} from 1, the sweep from 0."
    assert [note for note in counted.notes if said in note]
    assert not [note for note in plain.notes if "counts" in note]
    # kept as it was read
    (kept,) = imported_arms(store, "made")
    assert sorted(set(kept.frame["fold"])) == sorted(set(kept.frame["repeat"])) == [0, 1]
    assert said in kept.note(theirs.rename(columns={"image": "unit"}).assign(seed=0))


def test_names_in_another_form_of_unicode_are_the_same(made: Made, tmp_path: Path) -> None:
    frame = made[2].assign(unit=made[2]["unit"].str.replace("images", "e\u0301"))
    store = keep(tmp_path / "decomposed", made_outcome(frame, THREE, base=KEYS[0]), frame)
    theirs = exported(frame, KEYS[2])
    theirs["image"] = theirs["image"].str.normalize("NFC")
    arms = import_arm(store, "made", sent(tmp_path, theirs), "theirs").arms
    assert arms[-1].replicates["acc"].iloc[0] == arms[2].replicates["acc"].iloc[0]
    theirs["image"] = theirs["image"].str.upper()
    (said,) = told_of(store, tmp_path, theirs)
    assert "in the file there is '" in said
    assert "which differs in the Unicode form of letters and upper and lower case" in said


def test_how_a_file_was_read_is_said_under_the_table(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    theirs = exported(new_frame(3.0), "x").round(2)
    theirs["p_0"] = (1 - theirs["p_1"] + 0.01).clip(0, 1).round(2)
    theirs["label"] = theirs["label"].map({0: "Benign", 1: "malignant "})
    path = tmp_path / "theirs.csv"
    path.write_text("sep=;\n" + theirs.to_csv(index=False, sep=";", decimal=","))
    after = import_arm(store, "made", path, "theirs")
    (note,) = [each for each in after.notes if each.startswith("imported: theirs")]
    assert "; theirs.csv: fields separated by semicolons, a first line 'sep=;', " in note
    assert "rows sum to 1.01, as they were rounded, and were divided by their sum." in note


def test_tests_under_another_role_are_named(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    frame = exported(new_frame(), "x").assign(role="test").reset_index(drop=True)
    frame.loc[[3, 4], "role"] = ["train", "val"]
    said = told_of(store, tmp_path, frame)
    assert "theirs.csv:5: image 'images/003.png' has role train, in the sweep it is a" in said[0]
    assert "theirs.csv:6: image 'images/004.png' has role validation" in said[1]
    assert "2 tests of the sweep are in the file under another role" in said[2]


def test_a_test_that_the_file_also_trains_on_is_named(repeated: Made, tmp_path: Path) -> None:
    store, *_ = repeated
    tests = exported(two_repeats(new_frame(3.0, folds=2)), "x").assign(role="test")
    trained = tests.assign(fold=1 - tests["fold"], role="train")  # as it should be
    fair = pd.concat([tests, trained])
    assert import_arm(store, "made", sent(tmp_path, fair), "fair").arms[-1].best
    said = told_of(store, tmp_path, pd.concat([fair, tests.head(1).assign(role="train")]))
    assert f"theirs.csv:{len(fair) + 2}: image 'images/000.png' has role train" in said[0]
    # without folds it cannot be told, and there is no verdict anyway
    pooled = fair[fair["repeat"] == 0].drop(columns=["repeat", "fold"])
    after = import_arm(store, "made", sent(tmp_path, pooled), "pooled")
    assert after.arms[-1].comparison.verdict == "no verdict: not out of fold"


def test_an_imported_arm_may_be_the_base_of_another(made: Made, tmp_path: Path) -> None:
    store, before, frame = made
    first = sent(tmp_path, exported(new_frame(2.0), "x"), "first.csv")
    import_arm(store, "made", first, "ViT")
    second = sent(tmp_path, exported(new_frame(0.2), "x"), "second.csv")
    after = import_arm(store, "made", second, "A later ViT", against="vit")
    by_name = {arm.params["consensus"]: arm for arm in after.arms[3:]}
    assert by_name["A later ViT"].comparison.base == "ViT"
    assert by_name["ViT"].comparison.base == "original"
    sweep = sweep_of(SWEEP.replace("NAME", "made"))
    assert sweep is not None
    again, said = with_kept_imports(store, Analysis(before, frame), sweep)
    assert (said, again.outcome.key) == ([], after.key)
    assert again.outcome.arms[3].comparison.base == "ViT"
    with pytest.raises(InputError, match="'ViT' is what A later ViT is compared with"):
        forget_arm(store, "made", "ViT")
    with pytest.raises(InputError, match="is the arm itself"):
        import_arm(store, "made", first, "ViT", against="ViT")
    with pytest.raises(InputError, match="is itself compared with ViT"):
        import_arm(store, "made", first, "ViT", against="A later ViT")
    with pytest.raises(InputError, match=r"no arm has 'ViX': .*ViT"):
        import_arm(store, "made", first, "other", against="ViX")
    forget_arm(store, "made", "A later ViT")
    assert forget_arm(store, "made", "ViT").key == before.key


def faulty(frame: pd.DataFrame, fault: str) -> pd.DataFrame:
    broken = frame.reset_index(drop=True).copy()
    if fault == "label":
        broken.loc[4, "label"] = 1 - broken.loc[4, "label"]
    if fault == "missing":
        broken = broken.drop(index=[0, 5])
    if fault == "names":
        broken["image"] = broken["image"].str.removeprefix("images/")
    if fault == "class":
        broken["label"] = broken["label"].astype(object)
        broken.loc[4, "label"] = "tumour"
    if fault == "nan":
        broken.loc[4, "p_1"] = float("nan")
    if fault == "sum":
        broken.loc[4, "p_1"] += 0.2 if broken.loc[4, "p_1"] < 0.5 else -0.2
    if fault == "classes":
        broken["p_2"] = 0.0
    if fault == "no test":
        broken["split"] = "train"
    return broken


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("label", "theirs.csv:6: image 'images/004.png' has label 1, in the sweep 0"),
        ("missing", "no prediction for 6 of 144 tests of images, the first is 'images/000.png'"),
        ("names", "the file has names like '000.png'"),
        ("class", "theirs.csv:6: label 'tumour' is not a class"),
        ("nan", "theirs.csv:6: p_1 is"),
        ("sum", "theirs.csv:6: probabilities sum to"),
        ("classes", "theirs.csv:1: 3 classes, the sweep has 2"),
        ("no test", "theirs.csv: has no test rows"),
    ],
)
def test_faults_name_file_and_row_and_change_nothing(
    made: Made, tmp_path: Path, fault: str, said: str
) -> None:
    store, before, _ = made
    path = sent(tmp_path, faulty(exported(new_frame(), "x"), fault))
    with pytest.raises(InputError) as caught:
        import_arm(store, "made", path, "theirs")
    assert said in str(caught.value)
    assert outcome_named(store, "made").key == before.key
    assert imported_arms(store, "made") == []


def test_every_fault_of_a_file_is_told_at_once_with_its_row(tmp_path: Path) -> None:
    store, before, _ = made_sweep(tmp_path / "store", folds=2)
    broken = exported(new_frame(folds=2), "x").reset_index(drop=True).astype(object)
    broken.loc[0, "p_0"] = 1.4
    broken.loc[1, "p_1"] = ""
    broken.loc[2, "repeat"] = "x"
    broken.loc[3, "fold"] = ""
    broken.loc[4, "fold"] = 9
    broken.loc[5, "label"] = 1 - broken.loc[5, "label"]
    path = sent(tmp_path, broken)
    with pytest.raises(InputError) as caught:
        import_arm(store, "made", path, "theirs")
    told = [
        "p_0 is '1.4', not a number in [0, 1]",
        "p_1 is empty; write a number in [0, 1]",
        "repeat 'x' is not a whole number",
        "fold is empty",
        "fold 9 is not in the sweep, which has folds 0, 1",
        f"has label {broken.loc[5, 'label']}, in the sweep",
    ]
    lines = [str(problem) for problem in caught.value.problems]
    assert len(lines) == len(told), lines
    for row, (line, said) in enumerate(zip(lines, told, strict=True), 2):
        assert line.startswith(f"{path}:{row}: ")
        assert said in line
    assert outcome_named(store, "made").key == before.key


def test_what_does_not_exist_in_the_sweep_is_the_cause_of_what_is_lacking(tmp_path: Path) -> None:
    store, *_ = made_sweep(tmp_path / "store", folds=2)
    broken = exported(new_frame(folds=2), "x").reset_index(drop=True)
    broken.loc[4, "fold"] = 9
    with pytest.raises(InputError) as caught:
        import_arm(store, "made", sent(tmp_path, broken), "theirs")
    (line,) = map(str, caught.value.problems)
    assert line.endswith("theirs.csv:6: fold 9 is not in the sweep, which has folds 0, 1")


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "x" * 81, "Original", "../../x", "a/b", "it's", ".. - .."]
)
def test_names_that_cannot_be_shown_or_are_taken(made: Made, tmp_path: Path, name: str) -> None:
    store, *_ = made
    path = sent(tmp_path, exported(new_frame(), "x"))
    with pytest.raises(InputError, match="--as"):
        import_arm(store, "made", path, name)


def test_rows_of_no_test_are_counted_in_the_note(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    frame = exported(new_frame(), "x")
    more = pd.concat([frame, frame.head(5).assign(image=[f"new{n}.png" for n in range(5)])])
    after = import_arm(store, "made", sent(tmp_path, more), "theirs")
    said = "5 of its 53 predictions are of no test of the sweep and were not used"
    assert any(said in note for note in after.notes)
    plain = import_arm(store, "made", sent(tmp_path, frame), "theirs")
    assert not any("not used" in note for note in plain.notes)


def test_a_pivot_has_no_place_for_it_and_says_so(made: Made, tmp_path: Path) -> None:
    store, before, _ = made
    after = import_arm(store, "made", sent(tmp_path, exported(new_frame(9.0), "x")), "theirs")
    assert after.arms[-1].best
    pivoted = table_of(after, pivot=("rule", "consensus"))
    plain = table_of(before, pivot=("rule", "consensus"))
    assert pivoted.columns == plain.columns
    assert repr(pivoted.raw_rows) == repr(plain.raw_rows)
    notes = [note.text for note in pivoted.notes if "mported" in note.text]
    assert notes == [
        "Imported arms have no axes and are left out: theirs; one of them is the best arm."
    ]


def test_an_arm_that_says_one_class_to_all_is_marked(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    frame = exported(new_frame(), "x").assign(p_0=0.4, p_1=0.6)
    after = import_arm(store, "made", sent(tmp_path, frame), "constant")
    assert after.facts.one_class == {after.arms[-1].key: 3}
    shown = printed(table_of(after), "text", width=200)
    assert "constant calls every" in " ".join(shown.split())  # before the table
    row = next(line for line in shown.splitlines() if line.startswith("constant  "))
    letter = next(
        line.split()[0] for line in shown.splitlines() if "predicts one class only" in line
    )
    assert letter in row.split("]")[1][:8]
    # one prediction given for three seeds is no spread
    assert after.facts.trainings == {after.arms[-1].key: 1}
    spread = printed(table_of(after, spread=True), "text", width=200)
    row = next(line for line in spread.splitlines() if line.startswith("constant  "))
    assert "50.0" in row
    assert "±" not in row.split("50.0")[1][:8]
    assert "1 training in 3 replicates" in " ".join(spread.split())
    pair = compare(store, "made:constant", "made:original")
    assert pair.notes == ("A predicts one class only.",)
    assert forget_arm(store, "made", "constant").facts.one_class == {}


def test_several_bases_need_one_to_be_named(tmp_path: Path) -> None:
    frame = made_frame(dict(zip(THREE, (0.3, 0.8, 1.6), strict=True)))
    outcome = made_outcome(frame, THREE, base=KEYS[0])
    other = outcome.arms[2].comparison
    assert other is not None
    last = replace(outcome.arms[2], comparison=replace(other, base="consensus 3 · average"))
    arms = (*outcome.arms[:2], last)
    store = keep(tmp_path / "store", replace(outcome, arms=arms), frame)
    path = sent(tmp_path, exported(new_frame(), "x"))
    with pytest.raises(InputError, match=r"has 2 bases .* --against"):
        import_arm(store, "made", path, "theirs")
    after = import_arm(store, "made", path, "theirs", against="consensus 3")
    row = after.arms[-1]
    assert row.comparison is not None
    assert row.comparison.base == "consensus 3 · average"


def test_file_names_of_two_arms_never_meet() -> None:
    assert imported_file("a b") != imported_file("a-b")
    assert imported_file("../x").startswith("x-")


def test_images_are_averaged_where_patients_are_scored() -> None:
    frame = pd.DataFrame(
        {"unit": ["a", "b", "c", "p9"], "label": [0, 1, 1, 0], "p_0": [0.6, 0.2, 0.1, 0.7],
         "p_1": [0.4, 0.8, 0.9, 0.3], "row": [2, 3, 4, 5]}
    )  # fmt: skip
    arm = ImportedArm("x", "", "theirs.csv", "0" * 64, frame)
    units = by_unit(arm, {"a": "p1", "b": "p1", "c": "p2"}, "patient").frame.set_index("unit")
    assert units.loc["p1", ["label", "p_0", "p_1", "row"]].tolist() == pytest.approx(
        [1, 0.4, 0.6, 2]
    )
    assert units.loc["p2", "p_1"] == 0.9
    assert units.loc["p9", "p_1"] == 0.3
    with pytest.raises(
        InputError, match=r"theirs\.csv:4: patient 'p2' has 2 images in the data, 1"
    ):
        by_unit(arm, {"a": "p1", "b": "p1", "c": "p2", "d": "p2"}, "patient")
    assert by_unit(arm, {"z": "p1"}, "patient") is arm


def test_classes_numbered_otherwise_are_told_in_a_line(made: Made, tmp_path: Path) -> None:
    store, *_ = made
    theirs = exported(new_frame(), "x")
    swapped = theirs.assign(label=1 - theirs["label"])
    assert told_of(store, tmp_path, swapped) == [
        "theirs.csv: numbers the classes otherwise: its 0 is 1, 1 is 0 in the sweep; write their "
        "names"
    ]
    theirs["image"] = theirs["image"].str.removeprefix("images/")
    (said,) = told_of(store, tmp_path, theirs)
    assert "the file has names like '000.png', which differ in the folder in front" in said
