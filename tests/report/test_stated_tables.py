"""Tables of publications as they are: their columns, the arms of their rows, and what differs from
ours by more than sampling of both sizes explains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from abl.app.showing import with_usual_values
from abl.decide.stated_errors import apart, sampling_error
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.tables import printed, table_of
from abl.report.tables.model import DIFFERS, Table, item, number_column, table_from, text_column
from abl.report.tables.published import Published, own_error
from abl.report.tables.published_file import read_published
from abl.report.tables.stated_rows import with_stated_rows
from abl.report.tables.stated_tables import StatedTables, network_name
from abl.spec.read import read_sweep
from abl.studies.contract import studies
from abl.studies.shared.arms import arms_from

PAPERS = Path(__file__).parents[2] / "sweeps" / "papers"
TABLES = Path(__file__).parents[3] / "shared" / "methods" / "tables"
FIVE = ("acc", "spe", "sen", "f1", "auc")
needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason="no published tables here")


def outcome(
    study: str,
    arms: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = FIVE,
    name: str = "made",
    mean: float = 0.8,
) -> Outcome:
    """Arms with intervals of two points on each side."""
    cells = {each: Cell(mean, 0.01, mean - 0.02, mean + 0.02, 3) for each in metrics}
    axes = tuple(dict.fromkeys(axis for arm in arms for axis in arm))
    rows = [
        ArmOutcome(" ".join(map(str, arm.values())), arm, cells, pd.DataFrame()) for arm in arms
    ]
    return Outcome(
        name=name, key="0" * 64, study=study, title="", axes=axes, metrics=tuple(metrics),
        primary=metrics[0], curve_axis="", arms=tuple(rows),
    )  # fmt: skip


def knowing(study: str, of: Outcome, **fixed: str) -> StatedTables:
    """What the study knows, and what `abl table` adds of its sweep."""
    known = studies()[study]
    usual = {
        axis.name: ["none" if axis.default is None else str(axis.default)] for axis in known.axes
    }
    return replace(known.stated(), usual=usual | {n: [v] for n, v in fixed.items()}, fixed=fixed)


def written(folder: Path, text: str, name: str = "paper.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def beside(published: Published, metric: str = "acc") -> dict[str, float]:
    return {key: value.mean for (key, name), value in published.values.items() if name == metric}


# --- standard errors


@pytest.mark.parametrize("metric", ["acc", "sen", "spe", "f1", "ppv", "auc"])
def test_errors_are_those_of_drawn_samples(metric: str) -> None:
    negatives, positives, draws = 123, 539, 4000
    generator = np.random.default_rng(4)
    sen, spe = 0.87, 0.82
    tp, tn = generator.binomial(positives, sen, draws), generator.binomial(negatives, spe, draws)
    fp, fn = negatives - tn, positives - tp
    drawn = {
        "acc": (tp + tn) / (negatives + positives),
        "sen": tp / positives,
        "spe": tn / negatives,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "ppv": tp / (tp + fp),
    }
    if metric == "auc":
        scores = (
            generator.normal(0, 1, (1000, negatives)),
            generator.normal(1.5, 1, (1000, positives)),
        )
        above = [
            np.searchsorted(np.sort(n), p).mean() / negatives for n, p in zip(*scores, strict=True)
        ]
        drawn["auc"] = np.array(above)
    values = drawn[metric]
    stated = {"sen": sen, "spe": spe}
    found = sampling_error(metric, float(values.mean()), negatives, positives, stated)
    assert found == pytest.approx(values.std(), rel=0.12)


def test_f1_takes_its_rates_from_accuracy_where_no_others_are_stated() -> None:
    tp, fn, fp, tn = 190, 35, 20, 276
    acc, f1 = (tp + tn) / 521, 2 * tp / (2 * tp + fp + fn)
    rates = {"sen": tp / 225, "spe": tn / 296}
    by_rates = sampling_error("f1", f1, 296, 225, rates)
    assert sampling_error("f1", f1, 296, 225, {"acc": acc}) == pytest.approx(by_rates, rel=1e-9)
    assert math.isnan(sampling_error("f1", f1, 296, 225, {}))
    assert math.isnan(sampling_error("acc", 0.9, math.nan, math.nan, {}))


def test_our_error_is_that_of_the_side_towards_the_other_value() -> None:
    assert own_error(0.0, 0.0, 0.25, 0.86) == pytest.approx(0.25 / 1.96, rel=1e-4)
    assert own_error(0.9, 0.7, 0.95, 0.5) == pytest.approx(0.2 / 1.96, rel=1e-4)


def test_a_difference_is_judged_by_both_errors() -> None:
    assert apart(0.9, 0.03, 0.8, 0.04) == pytest.approx(2.0)
    assert math.isnan(apart(0.9, math.nan, 0.8, 0.04))


# --- files


def test_what_differs_by_more_than_sampling_is_marked_and_counted(tmp_path: Path) -> None:
    arms = outcome("frozen", [{"frozen": n} for n in (0, 6, 13)], ["acc"])
    # ours: 80 %, a standard error of 1.02 points
    text = "frozen,acc,acc_lo,acc_hi\n0,0.83,0.81,0.85\n6,0.83,0.829,0.831\n13,0.9,,\n"
    published = read_published(written(tmp_path, text), arms)
    both = math.hypot(0.0102, 0.0102)
    assert published.apart["0", "acc"] == pytest.approx(-0.03 / both, rel=1e-3)
    assert {key: published.differs(key, "acc") for key in ("0", "6", "13")} == {
        "0": True, "6": True, "13": False,
    }  # fmt: skip
    table = table_of(arms, published=published)
    at = [column.label for column in table.columns].index("ACC published")
    cells = [row[at] for row in table.rows]
    assert [cell.text for cell in cells] == ["83.0 [81.0, 85.0]", "83.0 [82.9, 83.1]", "90.0"]
    assert [cell.marks for cell in cells] == [(DIFFERS,), (DIFFERS,), ()]
    said = " ".join(printed(table, "text", width=400).split())
    assert "2 of 2 values differ (‡) from ours by more than sampling explains" in said
    assert "1 cannot be judged" in said


def test_images_that_a_row_was_tested_on_are_counts_of_the_file(tmp_path: Path) -> None:
    arms = outcome("frozen", [{"frozen": 0}], ["acc"])
    few = "frozen,acc,negatives,positives\n0,0.9,8,8\n"
    many = "frozen,acc,tp,fn,fp,tn\n0,0.9,450,50,50,450\n"
    assert not read_published(written(tmp_path, few), arms).differs("0", "acc")
    assert read_published(written(tmp_path, many), arms).differs("0", "acc")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frozen,acc\n0,-6\n", "row 2: acc: -6 is no share"),
        ("frozen,acc,acc_sd\n0,86,-2\n", "row 2: acc: sd -2 is below 0"),
        ("frozen,acc,acc_lo,acc_hi\n0,86,90,80\n", "acc: interval 90 to 80 ends below"),
        ("frozen,acc,acc_lo,acc_hi\n0,86,88,95\n", "acc: 86 is outside its interval 88 to 95"),
        ("frozen,acc,acc_lo,acc_low,acc_hi\n0,86,80,81,90\n", "'acc_lo' and 'acc_low' are of one"),
        ("frozen,acc,acc_lo\n0,86,80\n", "column 'acc_lo' is one end of an interval"),
        ("frozen,acc,tp,fn,fp,tn\n0,86,-1,9,9,9\n", "tp: '-1' is no number of images"),
        ("frozen,acc,negatives,positives\n0,86,12.5,9\n", "negatives: '12.5' is no number of"),
        ("frozen,acc,tp,fn,fp,tn\n0,50,10,2,3,15\n", "acc: 50 is not what tp, fn, fp and tn say"),
        ("frozen,acc\n", "no rows below its header"),
    ],
)
def test_numbers_that_cannot_be_are_refused_with_their_row(
    tmp_path: Path, text: str, said: str
) -> None:
    arms = outcome("frozen", [{"frozen": 0}], ["acc"])
    with pytest.raises(InputError) as error:
        read_published(written(tmp_path, text), arms)
    line = str(error.value)
    assert said.removeprefix("row 2: ") in line
    if said.startswith("row 2: "):
        assert ":2: " in line or "row 2" in line


def test_a_row_without_a_value_is_named(tmp_path: Path) -> None:
    arms = outcome("frozen", [{"frozen": 0}, {"frozen": 1}], ["acc"])
    published = read_published(written(tmp_path, "frozen,acc\n0,\n1,86\n"), arms)
    assert any("no value in row 2 (frozen 0)." in note for note in published.notes)


def test_columns_of_an_axis_are_rows_of_it(tmp_path: Path) -> None:
    text = "frozen,acc_bmode,sd_bmode,acc_elasticity,sd_elasticity\n"
    text += "0,75.05,1.65,76.89,1.54\n6,82.76,0.74,85.06,0.66\n"
    file = written(tmp_path, text, "frozen_layers.csv")
    modalities = [{"modality": m, "frozen": n} for m in ("first", "second") for n in (0, 6)]
    arms = outcome("frozen", [*modalities, {"modality": "first", "frozen": 3}], ["acc"])
    published = read_published(file, arms, knowing("frozen", arms))
    assert beside(published) == pytest.approx(
        {"first 0": 0.7505, "first 6": 0.8276, "second 0": 0.7689, "second 6": 0.8506}
    )
    assert published.values["second 6", "acc"].sd == pytest.approx(0.0066)
    # one evaluation of 174 images
    assert published.values["first 6", "acc"].error == pytest.approx(0.0286, abs=1e-4)
    # a sweep of one modality has the rows of that one
    alone = outcome("frozen", [{"frozen": 0}, {"frozen": 6}], ["acc"])
    published = read_published(file, alone, knowing("frozen", alone, modality="second"))
    assert beside(published) == pytest.approx({"0": 0.7689, "6": 0.8506})
    assert any("(here modality second in every arm)." in note for note in published.notes)
    assert any("no arm for row 2 (frozen 0, bmode)" in note for note in published.notes)


def test_networks_are_the_same_however_they_are_spelled() -> None:
    for names in (
        ("Inception-v3", "inception_v3", "torchvision:inception_v3"),
        ("vit_base_patch16_384", "timm/vit_base_patch16_384"),
        ("ResNet18", "resnet18"),
    ):
        assert len({network_name(name) for name in names}) == 1
    assert network_name("resnet18") != network_name("resnet101")


def test_of_controls_that_a_table_does_not_name_the_usual_arm_is_meant(tmp_path: Path) -> None:
    seconds = [{"consensus": 3, "second": second, "rule": "true"} for second in ("true", "matched")]
    arms = outcome("two_step", seconds)
    file = written(tmp_path, "consensus,rule,acc\n3,true,90\n")
    assert beside(read_published(file, arms, knowing("two_step", arms))) == {"3 true true": 0.9}


def test_rows_of_other_data_are_listed_and_not_shown(tmp_path: Path) -> None:
    arms = outcome("two_step", [{"rule": "original"}], name="two_step_dermoscopy")
    text = "table,dataset,rule,acc\n2,thyroid,original,86\n5,dermoscopy,original,90\n"
    published = read_published(written(tmp_path, text), arms, knowing("two_step", arms))
    assert beside(published) == {"original": 0.9}
    assert published.sources == ("table 5",)
    assert any("no arm for row 2 (original, data thyroid)" in note for note in published.notes)


def test_rows_of_one_set_of_the_source_are_not_shown_beside_another(tmp_path: Path) -> None:
    arms = outcome("two_step", [{"rule": "original"}], name="two_step_dermoscopy")
    file = written(tmp_path, "dataset,rule,acc\nthyroid,original,86\n")
    published = read_published(file, arms, knowing("two_step", arms))
    assert not published.values
    assert published.notes == ("paper.csv: no arm for row 2 (original, data thyroid).",)
    # a set of one's own is none of theirs, and says whose the values are
    own = outcome("two_step", [{"rule": "original"}], name="ours")
    published = read_published(file, own, knowing("two_step", own))
    assert beside(published) == {"original": 0.86}
    assert published.notes == ("paper.csv: values beside arms are of data thyroid.",)


def test_names_of_rows_are_arms_that_the_study_knows(tmp_path: Path) -> None:
    parallel = {"variant": "parallel", "placement": "all"}
    arms = outcome(
        "mask_guided",
        [{"variant": "none"}, *({**parallel, "mask": mask} for mask in ("predicted", "random"))],
        ["f1"],
    )
    text = (
        "table,arm,f1,f1_lo,f1_hi\n3,Base,0.86,0.85,0.87\n2,Proposed,0.92,0.91,0.93\n"
        "5,Proposed external,0.85,0.84,0.86\n2,Something,0.8,0.7,0.9\n"
    )
    published = read_published(written(tmp_path, text), arms, knowing("mask_guided", arms))
    assert beside(published, "f1") == {"none": 0.86, "parallel all predicted": 0.92}
    said = " ".join(published.notes)
    assert "row 4 (Proposed external, see --show external); row 5 (Something)" in said
    # beside external sets each row has its own
    sets = [{**arm.params, "set": each} for arm in arms.arms for each in ("internal", "C")]
    both = outcome("mask_guided", sets, ["f1"])
    published = read_published(written(tmp_path, text), both, knowing("mask_guided", both))
    assert beside(published, "f1")["parallel all predicted C"] == 0.85
    assert beside(published, "f1")["parallel all predicted internal"] == 0.92


def made_table(names: Sequence[str], **shares: float) -> Table:
    rows = [{"rater": name, **shares} for name in names]
    columns = [text_column("rater"), *(number_column(name) for name in shares)]
    return table_from("readers", "readers", columns, rows, notes=["ours"])


def test_rows_that_are_no_arms_have_published_columns_too(tmp_path: Path) -> None:
    how = studies()["readers"].stated().row_tables["readers"]
    table = made_table(["faculty 1", "arm x"], acc=0.9, acc_low=0.85, acc_high=0.95)
    text = (
        "reader,tp,fn,fp,tn,acc,acc_lo,acc_hi\nfaculty 1,91,9,24,26,78,70.64,83.93\n"
        "fellow 1,63,37,3,47,73.33,65.81,79.71\n"
    )
    found = with_stated_rows(table, written(tmp_path, text), how)
    assert [row[-1].text for row in found.rows] == ["78.0 [70.6, 83.9]", ""]
    assert found.rows[0][-1].marks == (DIFFERS,)
    assert found.raw_columns[-2:] == ("acc_published", "acc_published_z")
    said = " ".join(note.text for note in found.notes)
    assert "1 of 1 value differ (‡)" in said
    assert "paper.csv: no row here for row 3 (fellow 1)." in said
    wrong = written(tmp_path, "reader,acc,aceuracy\nfaculty 1,1,2\n")
    with pytest.raises(InputError, match="column 'aceuracy' is none of this table"):
        with_stated_rows(table, wrong, how)


# --- the tables beside this project


def lost_rows(published: Published) -> str:
    return " ".join(note for note in published.notes if "no arm for" in note)


@needs_tables
def test_two_step() -> None:
    networks = ("resnet101", "timm/vit_base_patch16_384")
    arms = [{"network": n, "rule": "original"} for n in networks]
    arms += [
        {"network": n, "consensus": c, "second": s, "rule": r}
        for n in networks
        for c in (3, 5)
        for s in ("true", "matched")
        for r in ("true", "average", "model1", "model2")
    ]
    made = outcome("two_step", arms, name="two_step_thyroid")
    published = read_published(TABLES / "two_step.csv", made, knowing("two_step", made))
    # every row and metric of it, and each could be judged
    assert len(published.values) == 18 * 5 == len(published.apart)
    assert not lost_rows(published)
    place = "resnet101 5 true model2", "auc"
    assert published.values[place].mean == pytest.approx(0.9242)


@needs_tables
@pytest.mark.parametrize(
    ("file", "study", "arms", "metrics", "count"),
    [
        (
            "frozen_layers.csv",
            "frozen",
            [
                {"modality": m, "weights": w, "frozen": n}
                for m in ("first", "second")
                for w in ("pretrained", "random")
                for n in range(14)
            ],
            ("acc",),
            28,
        ),
        (
            "scratch_networks.csv",
            "compare",
            [
                {"modality": m, "network": n}
                for m in ("first", "second")
                for n in ("vgg16", "resnet18", "googlenet", "inception_v3", "alexnet")
            ],
            ("acc", "sen", "spe", "auc"),
            40,
        ),
        (
            "fusion.csv",
            "fusion",
            [
                {"mode": m, "head": h}
                for m in ("bmode", "elasticity", "mixed", "early", "late")
                for h in ("fc", "spp", "gap")
            ],
            ("acc", "sen", "spe", "auc"),
            60,
        ),
        (
            "mask_guided.csv",
            "mask_guided",
            [
                {"variant": "none"},
                *(
                    {"variant": v, "placement": "all", "mask": "predicted"}
                    for v in ("channel", "spatial", "serial", "parallel")
                ),
                *(
                    {"variant": "parallel", "placement": p, "mask": "predicted"}
                    for p in ("blocks", "-L0", "-L1", "-L2", "-L3", "-L4")
                ),
                *(
                    {"variant": "none", "network": n}
                    for n in ("inception_v3", "vgg16", "resnext50_32x4d", "vit_b_16", "swin_t")
                ),
            ],
            ("f1", "acc", "auc"),
            16 * 3,
        ),
        (
            "reader_study.csv",
            "ensembles",
            [
                {"networks": "A+V+Vv+R", "classifier": "svm"},
                {"networks": "O+V+Vv+R", "classifier": "rf"},
            ],
            ("acc", "sen", "spe"),
            6,
        ),
    ],
)
def test_each_value_of_a_table_stands_beside_its_arm_and_is_judged(
    file: str, study: str, arms: list[dict[str, Any]], metrics: tuple[str, ...], count: int
) -> None:
    made = outcome(study, arms, metrics)
    published = read_published(TABLES / file, made, knowing(study, made))
    assert len(published.values) == count == len(published.apart)
    lost = {"mask_guided.csv": 6, "reader_study.csv": 3}.get(file, 0)
    assert lost_rows(published).count("row ") == lost


@needs_tables
def test_persistent_features() -> None:
    how = studies()["persistent"].stated().row_tables["features"]
    names = pd.read_csv(TABLES / "persistent_features.csv")["feature"].tolist()
    rows = [
        {"value": name, "share": 0.2, "training_share": 0.2, "images": 40, "flagged_images": 3}
        for name in names
    ]
    columns = [
        text_column("value"),
        number_column("share", label="of the set, %"),
        number_column("training_share", label="of training sets, %"),
        *(number_column(n) for n in ("images", "flagged_images")),
    ]
    table = table_from("features", "features", columns, rows)
    found = with_stated_rows(table, TABLES / "persistent_features.csv", how)
    assert [column.label for column in found.columns[len(table.columns) :]] == [
        "of the set published, %",
        "of training sets published, %",
        "flagged images published",
    ]
    raw = {
        row["value"]: row
        for row in (dict(zip(found.raw_columns, r, strict=True)) for r in found.raw_rows)
    }
    assert raw["smooth margins"]["share_published"] == pytest.approx(0.4)
    assert raw["thyroid disorder"]["flagged_images_published"] == 2
    assert item("value")(rows[0]) == "FTC"


@needs_tables
@pytest.mark.parametrize(
    ("sweep", "file", "count", "lost"),
    [
        ("two_step_thyroid", "two_step.csv", 90, 0),
        ("frozen_vgg16", "frozen_layers.csv", 28, 0),
        ("fusion_vgg16", "fusion.csv", 60, 0),
        ("ensembles_readers", "reader_study.csv", 6, 3),
    ],
)
def test_the_arms_of_each_paper_have_its_values(
    sweep: str, file: str, count: int, lost: int
) -> None:
    read = read_sweep(PAPERS / f"{sweep}.yaml")
    study = studies()[read.sweep.study]
    arms = arms_from(read, study.axes, study.relevant)[0].arms
    made = outcome(study.name, [arm.named for arm in arms], read.sweep.metrics, read.sweep.name)
    published = read_published(TABLES / file, made, with_usual_values(study, read.sweep, made.axes))
    assert len(published.values) == count == len(published.apart)
    assert lost_rows(published).count("row ") == lost
