from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.app.deciding import command
from abl.app.deciding.asked import Asked, read_costs
from abl.data.predictions.prediction_file import read_prediction_table
from abl.decide.curves import best_threshold, threshold_curve
from abl.decide.metric_names import scores
from abl.decide.rules import confidence
from abl.errors import InputError
from ruled import apply_rule

NETWORKS = ("original", "true", "false")


def decided(*paths: Path, **options):
    return command.decided(Asked(*paths, **options))


def frames(images: int = 300, *, seed: int = 0, classes: int = 2, **columns):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    shared = rng.normal(size=(images, classes))
    made = {}
    for at, name in enumerate(NETWORKS):
        logits = shared + (0.5 + at / 2) * rng.normal(size=(images, classes))
        logits += 1.5 * np.eye(classes)[labels]
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        frame = pd.DataFrame({"image": [f"{row}.png" for row in range(images)], "label": labels})
        for column, values in columns.items():
            frame[column] = values
        for column in range(classes):
            frame[f"p_{column}"] = p[:, column]
        made[name] = frame
    return made


def files(folder: Path, made: dict[str, pd.DataFrame]) -> dict[str, Path]:
    for name, frame in made.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return {name: folder / f"{name}.csv" for name in made}


def parts(made: dict[str, pd.DataFrame], rows=slice(None)):
    labels = made["original"]["label"].to_numpy()[rows]
    return labels, {name: frame.filter(like="p_").to_numpy()[rows] for name, frame in made.items()}


def thirds(images: int) -> list[str]:
    return (["train", "validation", "test"] * images)[:images]


def test_one_rule_writes_its_probabilities_and_scores(tmp_path):
    made = frames()
    paths = files(tmp_path, made)
    out = tmp_path / "final.csv"
    found = decided(
        paths["original"], paths["true"], rule="model1", threshold="0.9", format="json", out=out
    )
    labels, predictions = parts(made)
    expected = apply_rule("model1", predictions, 0.9)
    written = read_prediction_table(out)
    assert np.array_equal(written.p, expected)
    assert np.array_equal(
        pd.read_csv(out)["sent"], (confidence(predictions["original"]) < 0.9).astype(int)
    )
    facts = json.loads(found.text)
    told = facts["decisions"][0]
    assert told["settings"] == {"threshold": [0.9]}
    for name, value in scores(["acc", "spe", "sen", "f1", "auc"], labels, expected).items():
        assert told["metrics"][name]["mean"] == pytest.approx(value)
        assert told["metrics"][name]["low"] < value < told["metrics"][name]["high"]
    assert "nothing was chosen" in facts["notes"][0]
    assert facts["in_sample"] is False
    # what it wrote can be decided on again
    again = decided(out, rule="original", format="json")
    assert json.loads(again.text)["decisions"][0]["metrics"] == told["metrics"]


@pytest.mark.parametrize(
    ("word", "sends"), [("always", 1.0), ("0", 0.0), ("38%", 0.38), ("0%", 0.0), ("100%", 1.0)]
)
def test_thresholds_in_words(tmp_path, word, sends):
    paths = files(tmp_path, frames(200))
    found = decided(paths["original"], paths["true"], rule="model2", threshold=word)
    assert found.final["sent"].mean() == pytest.approx(sends)


def test_a_sweep_takes_the_exact_threshold_of_validation_to_the_test_rows(tmp_path):
    images = 400
    patients = [f"P{row // 4}" for row in range(images)]
    made = frames(images, split=np.repeat(["validation", "test"], images // 2), patient=patients)
    paths = files(tmp_path, made)
    found = decided(*paths.values(), sweep=True, format="json")
    facts = json.loads(found.text)
    validation, test = parts(made, slice(0, 200)), parts(made, slice(200, 400))
    told = {each["decision"]: each for each in facts["decisions"]}
    assert set(told) == {
        "original", "true", "average", "model1", "model2", "model1 + False", "model2 + False",
        "false",
    }  # fmt: skip
    for rule, false_threshold in (("model1", None), ("model2", None), ("model2", 0.1)):
        exact = best_threshold(*validation, rule, "f1", false_threshold=false_threshold)
        each = told[rule + (" + False" if false_threshold else "")]
        threshold = each["settings"]["threshold"][0]
        assert (math.inf if threshold == "always" else threshold) == exact.threshold
        assert each["chosen_at"] == [exact.value]
        final = apply_rule(rule, test[1], exact.threshold, false_threshold=false_threshold)
        for name, value in scores(["acc", "f1", "auc"], test[0], final).items():
            assert each["metrics"][name]["mean"] == pytest.approx(value)
    assert facts["images"] == 200
    assert "200 images of 50 patients" in facts["notes"][0]
    best = max(
        (each for each in facts["decisions"] if "chosen_at" in each),
        key=lambda each: (each["chosen_at"][0], -each["share"][0]),
    )
    assert facts["kept"] == best["decision"]
    assert facts["optimism"]["f1"] == pytest.approx(
        best["chosen_at"][0] - best["metrics"]["f1"]["mean"]
    )


def test_without_a_split_it_says_in_sample_and_gives_no_interval(tmp_path):
    paths = files(tmp_path, frames())
    text = decided(paths["original"], paths["true"], sweep=True).text
    assert "in-sample: chosen on the images it is scored on" in text
    assert "no column patient: each image is taken as its own patient" in text
    model1 = next(line for line in text.splitlines() if line.startswith("model1"))
    original = next(line for line in text.splitlines() if line.startswith("original"))
    assert "[" not in model1
    assert "[" in original


def test_labels_of_test_rows_decide_nothing(tmp_path):
    made = frames(300, split=thirds(300))
    first = decided(*files(tmp_path, made).values(), search=True, trials=30).facts
    test = made["original"]["split"] == "test"
    for frame in made.values():
        frame.loc[test, "label"] = 1 - frame.loc[test, "label"]
    second = decided(*files(tmp_path, made).values(), search=True, trials=30).facts
    for one, other in zip(first["decisions"], second["decisions"], strict=True):
        assert one["settings"] == other["settings"]
        assert one["metrics"]["acc"]["mean"] == pytest.approx(1 - other["metrics"]["acc"]["mean"])


def test_a_patient_in_validation_and_test_is_told(tmp_path):
    patients = [f"P{row // 2}" for row in range(200)]
    made = frames(200, split=np.repeat(["validation", "test"], 100), patient=patients)
    paths = files(tmp_path, made)
    assert "LEAK" not in decided(paths["original"], paths["true"], sweep=True).text
    for frame in made.values():
        frame.loc[100:103, "patient"] = ["P0", "P0", "P1", "P51"]
    paths = files(tmp_path, made)
    text = decided(paths["original"], paths["true"], sweep=True).text
    assert "LEAK: 2 patients of test rows" in text


def test_a_search_stands_beside_its_baselines_and_says_its_optimism(tmp_path):
    made = frames(600, split=thirds(600))
    paths = files(tmp_path, made)
    found = decided(*paths.values(), search=True, trials=60, format="json", by="balanced_acc")
    told = {each["decision"]: each for each in found.facts["decisions"]}
    assert list(told) == [
        "original", "model1, T* 0.9", "model1, T* by histogram", "model1, exact T*", "search"
    ]  # fmt: skip
    assert told["search"]["chosen_at"] >= told["model1, exact T*"]["chosen_at"]
    assert told["model1, T* 0.9"]["settings"] == {"threshold": [0.9]}
    training = parts(made, slice(0, 600, 3))[1]["original"]
    counts, edges = np.histogram(confidence(training), bins=10, range=(0, 1))
    read_off = told["model1, T* by histogram"]["settings"]["threshold"][0]
    assert read_off == pytest.approx(edges[np.argmax(counts)])
    assert any(note.startswith("optimism of 'search'") for note in found.facts["notes"])


def test_folds_are_chosen_and_scored_by_themselves(tmp_path):
    single, folded = {}, {name: [] for name in NETWORKS}
    for fold in range(3):
        made = frames(200, seed=fold, split=np.repeat(["validation", "test"], 100))
        folder = tmp_path / str(fold)
        folder.mkdir()
        facts = decided(*files(folder, made).values(), sweep=True).facts
        single[fold] = {each["decision"]: each for each in facts["decisions"]}
        for name, frame in made.items():
            folded[name].append(frame.assign(fold=fold))
    paths = files(tmp_path, {name: pd.concat(each) for name, each in folded.items()})
    found = decided(*paths.values(), sweep=True)
    assert found.facts["folds"] == ["0", "1", "2"]
    for each in found.facts["decisions"]:
        alone = [single[fold][each["decision"]] for fold in range(3)]
        assert each["settings"].get("threshold") == (
            [one["settings"]["threshold"][0] for one in alone] if each["settings"].get("threshold")
            else None
        )  # fmt: skip
        values = [one["metrics"]["f1"]["mean"] for one in alone]
        assert each["metrics"]["f1"]["mean"] == pytest.approx(np.mean(values))
        assert each["metrics"]["f1"]["sd"] == pytest.approx(np.std(values, ddof=1))
    assert "±" in found.text
    assert len(found.final) == 600


def test_a_grid_and_its_curve(tmp_path):
    made = frames(200)
    paths = files(tmp_path, made)
    curve = tmp_path / "curve.csv"
    found = decided(
        paths["original"], paths["true"], sweep=True, thresholds="0:1:11,always", curve=curve
    )
    drawn = pd.read_csv(curve)
    assert len(drawn) == 5 * 12
    grid = [*np.linspace(0, 1, 11), "always"]
    labels, predictions = parts(made)
    expected = threshold_curve(labels, predictions, "model1", grid, ["f1", "auc"])
    model1 = drawn[drawn["rule"] == "model1"]
    for name in ("threshold", "f1", "auc", "share"):
        assert np.allclose(model1[name], expected[name])
    chosen = next(each for each in found.facts["decisions"] if each["decision"] == "model1")[
        "settings"
    ]["threshold"][0]
    assert chosen in [*np.arange(11) / 10, "always"]
    assert expected["f1"].max() == pytest.approx(
        model1.loc[model1["threshold"] == (math.inf if chosen == "always" else chosen), "f1"].item()
    )


def test_two_objectives_print_their_front(tmp_path):
    paths = files(tmp_path, frames(300, split=thirds(300)))
    found = decided(
        paths["original"], paths["true"], search=True, objectives=["acc", "share"], trials=60
    )
    front = found.facts["front"]
    quality = [point["values"]["acc"] for point in front]
    assert quality == sorted(quality)
    assert "Front of the search" in found.text
    assert front[0]["share"] == 0


def test_costs_are_read_and_scored(tmp_path):
    assert read_costs("0,1/5,0") == [[0, 1], [5, 0]]
    with pytest.raises(InputError, match="0,1/5,0"):
        read_costs("a,b")
    for text in ("0,1/5", "0,1", "0,1,2/5,0,2"):
        with pytest.raises(InputError, match=r"^--costs .* needs a 2 x 2 table"):
            read_costs(text)
    with pytest.raises(InputError, match="from 0 up"):
        read_costs("0,1/-5,0")
    paths = files(tmp_path, frames(300, split=thirds(300)))
    found = decided(
        paths["original"], paths["true"], search=True, objectives=["cost"], trials=40,
        costs=[[0, 1], [5, 0]],
    )  # fmt: skip
    for each in found.facts["decisions"]:
        assert each["metrics"]["cost"]["mean"] >= 0
    assert "cost" in found.text


def test_a_search_goes_on_from_its_journal(tmp_path):
    paths = files(tmp_path, frames(200))
    journal = tmp_path / "journal"
    options = {"search": True, "format": "json", "study": journal}
    first = decided(paths["original"], paths["true"], trials=40, **options)
    size = journal.stat().st_size
    again = decided(paths["original"], paths["true"], trials=40, **options)
    assert again.text == first.text
    assert journal.stat().st_size == size


def test_three_classes_are_decided_too(tmp_path):
    paths = files(tmp_path, frames(200, classes=3, split=thirds(200)))
    for options in ({"sweep": True}, {"search": True, "trials": 25}):
        found = decided(*paths.values(), **options, metrics=["acc", "auc"])
        assert {"p_0", "p_1", "p_2"} <= set(found.final.columns)


@pytest.mark.parametrize("format", ["text", "md", "csv"])
def test_every_format_has_every_decision(tmp_path, format):
    paths = files(tmp_path, frames(120, split=thirds(120)))
    text = decided(paths["original"], paths["true"], sweep=True, format=format).text
    for rule in ("original", "true", "average", "model1", "model2"):
        assert rule in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "say how to decide"),
        ({"rule": "model1"}, "--threshold: rule 'model1' needs one"),
        ({"rule": "model1", "threshold": "hgih"}, "'hgih' is not a number"),
        ({"rule": "model1", "threshold": "1.5"}, "outside [0, 1]"),
        ({"rule": "model1", "threshold": "histogram"}, "needs 'train' rows"),
        ({"rule": "modle1", "threshold": "0.9"}, "did you mean 'model1'"),
        ({"rule": "true", "threshold": "0.9"}, "leave it out"),
        ({"sweep": True, "search": True}, "not both"),
        ({"sweep": True, "rule": "model1"}, "leave --rule and --threshold out"),
        ({"sweep": True, "metrics": ["acc", "f2"], "by": "f3"}, "unknown metric 'f2'"),
        ({"sweep": True, "thresholds": "0:1"}, "FROM:TO:COUNT"),
        ({"sweep": True, "thresholds": "0:1:100000000"}, "makes more than 100,000 steps"),
        ({"sweep": True, "thresholds": "0:1:60000,0:1:60000"}, "makes more than 100,000 steps"),
        ({"rule": "true", "thresholds": "0:1:9"}, "belong to --sweep"),
        ({"rule": "true", "false_threshold": 0.2}, "needs the predictions of the False network"),
        ({"search": True, "objectives": ["share", "f1"]}, "quality first"),
        ({"rule": "true", "out": Path("final.txt")}, "name it .csv or .parquet"),
        ({"search": True, "rule": "model1", "threshold": "0.5"}, "--search looks for T* itself"),
        ({"search": True, "rule": "average", "threshold": "0.5"}, "'average' has none"),
        ({"search": True, "costs": [[0, 1], [5, 0]]}, "add --objective cost"),
        ({"search": True, "objectives": ["cost"]}, "--objective cost needs --costs"),
        ({"search": True, "objectives": ["f1"], "by": "acc"}, "--by or --objective, not both"),
        ({"search": True, "objectives": ["bar"]}, "--objective bar: valid: "),
        ({"search": True, "space": ["weigth"]}, "did you mean 'weight'"),
        ({"search": True, "sampler": "tep"}, "did you mean 'tpe'"),
        (
            {"rule": "true", "trials": 3, "space": ["foo"], "objectives": ["bar"], "seed": 0},
            "--over, --objective, --trials, --seed belong to --search",
        ),
        ({"sweep": True, "trials": 5}, "--trials belongs to --search"),
        ({"rule": "true", "by": "acc"}, "--by chooses nothing here"),
        ({"sweep": True, "thresholds": ""}, "FROM:TO:COUNT"),
        ({"rule": "true", "classes": ["a", "a"]}, "--classes a,a: 'a' is there twice"),
        ({"rule": "true", "classes": ["a", ""]}, "--classes a,: an empty name"),
        ({"rule": "true", "classes": ["a"]}, "but --classes names 1: a"),
        ({"sweep": True, "costs": [[0, 1, 2]] * 3}, "needs a 2 x 2 table"),
        ({"rule": "model1", "threshold": "promise", "level": 5.0}, "--level: 5.0 is not between"),
        ({"rule": "model1", "threshold": "promise", "risk": "eror"}, "did you mean 'error'"),
        ({"rule": "model1", "threshold": "0.9", "level": 0.1}, "belongs to --threshold promise"),
        ({"sweep": True, "risk": "error", "level": 0.1}, "belong to --threshold promise"),
        (
            {"rule": "model1", "threshold": "promise", "level": 0.001},
            "it takes 2302 patients without an error, and there are 60",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_and_nothing_written(tmp_path, options, said):
    paths = files(tmp_path, frames(60))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as caught:
        decided(paths["original"], paths["true"], **({"out": tmp_path / "out.csv"} | options))
    assert said in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_bad_files_leave_nothing_behind(tmp_path):
    made = frames(60)
    made["true"].loc[3, "p_0"] = 7
    paths = files(tmp_path, made)
    with pytest.raises(InputError, match=r"true\.csv:5: p_0 is '7"):
        decided(paths["original"], paths["true"], rule="average", out=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_parts_that_are_missing_are_told(tmp_path):
    paths = files(tmp_path, frames(60, split=["validation"] * 60))
    with pytest.raises(InputError, match="no 'test' rows"):
        decided(paths["original"], paths["true"], sweep=True)
    paths = files(tmp_path, frames(60, split=["test"] * 60))
    with pytest.raises(InputError, match="no 'validation' rows to choose on"):
        decided(paths["original"], paths["true"], sweep=True)
    assert decided(paths["original"], paths["true"], rule="average").facts["images"] == 60


def test_deciding_needs_neither_torch_nor_ray_nor_mlflow(tmp_path):
    paths = files(tmp_path, frames(60))
    code = """
import sys
from pathlib import Path
from abl.app.deciding.asked import Asked
from abl.app.deciding.command import decided
decided(Asked(Path(sys.argv[1]), Path(sys.argv[2]), sweep=True))
print(sorted({"torch", "ray", "mlflow", "timm", "optuna"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(paths["original"]), str(paths["true"])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("option", ["out", "curve", "study"])
def test_a_file_that_is_read_is_never_overwritten(tmp_path, option):
    paths = files(tmp_path, frames(60))
    (tmp_path / "link.csv").symlink_to(paths["true"])
    how = {"search": True} if option == "study" else {"sweep": True}
    before = {path: path.read_bytes() for path in paths.values()}
    for target in (*paths.values(), tmp_path / "link.csv", tmp_path / "." / "true.csv"):
        with pytest.raises(InputError, match="is read too, and would be overwritten"):
            decided(*paths.values(), **how, **{option: target})
    assert {path: path.read_bytes() for path in paths.values()} == before
    with pytest.raises(InputError, match="is written by another option"):
        decided(*paths.values(), sweep=True, out=tmp_path / "o.csv", curve=tmp_path / "o.csv")


def test_the_false_threshold_is_searched_or_given(tmp_path):
    paths = files(tmp_path, frames(60))
    with pytest.raises(InputError, match="--search looks for it itself"):
        decided(*paths.values(), search=True, false_threshold=0.2)
    fixed = decided(
        *paths.values(), search=True, trials=12, false_threshold=0.2, space=["threshold"]
    )
    assert fixed.facts["decisions"][-1]["settings"]["false_threshold"] == [0.2]


def test_costs_without_a_search_are_a_column(tmp_path):
    paths = files(tmp_path, frames(60))
    found = decided(paths["original"], rule="original", costs=[[0, 1], [5, 0]])
    labels, predictions = parts(frames(60))
    final = predictions["original"].argmax(axis=1)
    expected = np.mean((labels == 0) & (final == 1)) + 5 * np.mean((labels == 1) & (final == 0))
    assert found.facts["decisions"][0]["metrics"]["cost"]["mean"] == pytest.approx(expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("patients", [["p"], ["p", "q"], ["p", "q", "r"]])
def test_of_one_or_two_patients_there_is_no_interval_and_no_warning(tmp_path, patients):
    made = frames(2 * len(patients), patient=np.repeat(patients, 2))
    path = files(tmp_path, {"original": made["original"]})["original"]
    found = decided(path, rule="original", metrics=["acc"])
    told = found.facts["decisions"][0]["metrics"]["acc"]
    assert ("[" in found.text) == (len(patients) > 2) == (told["low"] is not None)
    assert ("fewer than 3 patients: no intervals" in found.text) == (len(patients) < 3)


def test_without_a_malignant_image_neither_sensitivity_nor_f1_is_defined(tmp_path):
    rows = "image,label,p_0,p_1\na,0,0.9,0.1\nb,0,0.2,0.8\nc,0,0.7,0.3\nd,0,0.6,0.4\n"
    (tmp_path / "o.csv").write_text(rows)
    found = decided(tmp_path / "o.csv", rule="original", metrics=["acc", "sen", "f1"])
    line = next(line for line in found.text.splitlines() if line.startswith("original"))
    assert line.split()[-2:] == ["–", "–"]
    assert found.facts["decisions"][0]["metrics"]["acc"]["mean"] == 0.75


def test_a_promise_is_made_to_patients_and_its_risk_on_test_is_told(tmp_path):
    made = frames(600, patient=[f"p{at // 2}" for at in range(600)])
    for name, frame in made.items():
        split = np.where(np.arange(600) // 2 % 2 == 0, "validation", "test")
        made[name] = frame.assign(split=split)
    paths = files(tmp_path, made)
    found = decided(
        paths["original"], paths["true"], rule="model1", threshold="promise",
        level=0.3, confidence=0.8, out=tmp_path / "out.csv",
    )  # fmt: skip
    [row] = found.facts["decisions"]
    [threshold] = row["settings"]["threshold"]
    final = pd.read_csv(tmp_path / "out.csv")
    stays = final[(final["sent"] == 0) & (final["split"] == "test")]
    wrong = (stays["p_1"] >= stays["p_0"]).astype(int) != stays["label"]
    risk = wrong.groupby(stays["patient"]).mean().mean()
    [told] = [note for note in found.facts["notes"] if "promise" in note]
    assert "error among the images not sent on at most 30 %, with 80 % confidence" in told
    assert f"on test images the risk is {100 * risk:.1f} %" in told
    assert "chosen on 300 validation images" in found.facts["notes"][0]
    # a stricter promise sends more on
    strict = decided(
        paths["original"], paths["true"], rule="model1", threshold="promise",
        level=0.12, confidence=0.8,
    )  # fmt: skip
    assert strict.facts["decisions"][0]["settings"]["threshold"][0] > threshold
    assert row["metrics"]["acc"]["low"] < row["metrics"]["acc"]["high"]
    [of_json] = found.facts["promise"].pop("test")
    assert of_json == pytest.approx(risk)
    assert found.facts["promise"] == {"risk": "error", "level": 0.3, "confidence": 0.8}


def test_a_promise_in_sample_says_so_and_gives_no_interval(tmp_path):
    paths = files(tmp_path, frames(300))
    found = decided(paths["original"], paths["true"], rule="model1", threshold="promise", level=0.3)
    assert found.facts["notes"][0].startswith("in-sample")
    assert found.facts["decisions"][0]["metrics"]["acc"]["low"] is None


@pytest.mark.parametrize(
    ("word", "split", "said"),
    [
        ("38%", True, "sends 38 % of the 100 validation images on, found without their labels"),
        ("38%", False, "sends 38 % of those same images on, found without their labels"),
        ("histogram", True, "the histogram of the 100 training images gives"),
        ("0.9", True, "nothing was chosen"),
    ],
)
def test_what_a_threshold_was_read_off_is_said(tmp_path, word, split, said):
    paths = files(tmp_path, frames(300, **({"split": thirds(300)} if split else {})))
    found = decided(paths["original"], paths["true"], rule="model1", threshold=word)
    first = found.facts["notes"][0]
    assert said in first
    assert ("nothing was chosen" in first) == (word == "0.9")


def test_optimism_is_over_the_folds_with_a_value_on_both_sides(tmp_path):
    fold = np.arange(400) // 100
    made = frames(400, fold=fold, split=["validation", "test"] * 200)
    alone = (fold == 1) & (np.array(made["original"]["split"]) == "test")
    for frame in made.values():  # F1 has no value where no image is, and none is called, malignant
        frame.loc[alone, "label"] = 0
        frame.loc[alone, ["p_0", "p_1"]] = [1.0, 0.0]
    paths = files(tmp_path, made)
    found = decided(
        paths["original"], paths["true"], rule="model1", threshold="exact", format="json"
    )
    (told,) = found.facts["decisions"]
    test = told["metrics"]["f1"]["folds"]
    assert [value is None for value in test] == [False, True, False, False]
    pairs = zip(told["chosen_at"], test, strict=True)
    there, kept = np.mean([pair for pair in pairs if pair[1] is not None], axis=0)
    assert found.facts["optimism"]["f1"] == pytest.approx(there - kept)
    (note,) = [each for each in found.facts["notes"] if each.startswith("optimism of")]
    assert f"F1 {100 * there:.1f} on validation, {100 * kept:.1f} on test" in note
    assert "over 3 of 4 folds: in the others F1 is undefined on validation or test" in note
