"""Papers' files run, in smoke form, on generated sets shaped as the papers', and every row of the
papers' tables stands beside its arm there, or is named as one that has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

import abl
import paper_sets as sets
from abl.app.showing import shown_table
from abl.app.sweep_result import SweepResult
from abl.data.splits.splits import split_of
from abl.report.tables.model import Table
from abl.spec.splits import Splits
from paper_sets import Row

ROOT = Path(__file__).parents[1]
PAPERS = ROOT / "sweeps/papers"
STATED = ROOT.parent / "shared" / "methods" / "tables"  # of these the files beside the sweeps are
# what stands in the place of each network, under its name
SMALL = {
    "alexnet": "pooled2", "vgg16": "pooled3", "vgg19": "pooled4", "resnet101": "thin3",
    "googlenet": "pooled6", "inception_v3": "pooled_hidden", "resnet18": "pooled4",
    "vit_base_patch16_384": "pooled4", "vit_b_16": "pooled4", "swin_t": "pooled6",
    "resnext50_32x4d": "pooled3", "resnet34": "timm/test_resnet", "resnet152": "thin3",
    "densenet121": "pooled6",
}  # fmt: skip
OF_VGG = SMALL | {"vgg16": "thin13"}
WITH_LAYERS = {
    "alexnet": "two_layers", "squeezenet1_1": "thin3", "mobilenet_v3_small": "two_layers",
    "vgg19": "two_layers", "resnet50": "thin3", "inception_v3": "plain4",
}  # fmt: skip
# of the further networks that the paper does not name, one is enough
FURTHER = (
    "squeezenet1_1", "densenet201", "mobilenet_v2", "shufflenet_v2_x1_0", "efficientnet_b0",
    "googlenet", "resnet18", "resnet50", "timm/darknet53", "timm/inception_resnet_v2",
    "timm/legacy_xception", "timm/nasnetalarge",
)  # fmt: skip


class Shape(NamedTuple):
    """A paper's set, and how its sweep is made small."""

    manifest: str
    rows: Callable[[], list[Row]]
    small: dict[str, str] = SMALL
    paired: bool = False
    side: int = sets.SIDE
    border: int = 0
    further: tuple[str, ...] = ()


SHAPES = {
    "two_step_thyroid": Shape("thyroid.csv", sets.thyroid, further=FURTHER),
    "two_step_dermoscopy": Shape("dermoscopy.csv", sets.dermoscopy, further=FURTHER),
    "scratch_networks": Shape("pairs.csv", sets.pairs, paired=True),
    "frozen_vgg16": Shape("pairs.csv", sets.pairs, OF_VGG, paired=True),
    "early_frozen_vgg16": Shape("pairs.csv", sets.pairs, OF_VGG, paired=True),
    "fusion_vgg16": Shape("pairs.csv", sets.pairs, OF_VGG, paired=True),
    "fusion_division": Shape("pairs.csv", sets.pairs, OF_VGG, paired=True),
    "mask_guided": Shape("nodules.csv", sets.nodules, border=sets.BORDER),
    "persistent": Shape("thyroid.csv", sets.persistent, side=32),
    "ensembles_readers": Shape("thyroid.csv", sets.readers, WITH_LAYERS, side=32),
}


class Beside(NamedTuple):
    """A table of a paper beside a table of ours.

    Attributes:
        rows: That it states, each of one arm or more.
        lost: Rows of the file (as its lines are numbered) that have no arm here, and are named.
    """

    file: str
    show: str
    rows: int
    lost: tuple[int, ...] = ()


BESIDE = {
    "two_step_thyroid": [Beside("two_step.csv", "", 18)],
    # its rows are of the other set of the paper
    "two_step_dermoscopy": [Beside("two_step.csv", "", 18, tuple(range(2, 20)))],
    "scratch_networks": [Beside("scratch_networks.csv", "", 10)],
    # a row has a value of each modality
    "frozen_vgg16": [Beside("frozen_layers.csv", "", 28)],
    "fusion_vgg16": [Beside("fusion.csv", "", 15)],
    "mask_guided": [
        # rows of the third hospital stand beside external sets
        Beside("mask_guided.csv", "", 22, tuple(range(18, 24))),
        Beside("mask_guided.csv", "external", 22),
    ],
    "persistent": [
        Beside("persistent_auc.csv", "", 4),
        Beside("persistent_auc.csv", "networks", 4),
        Beside("persistent_features.csv", "features", 14),
    ],
    "ensembles_readers": [
        # readers are no arms
        Beside("reader_study.csv", "", 5, (2, 3, 4)),
        Beside("reader_study.csv", "j", 5, (2, 3, 4)),
        Beside("ensembles_readers.csv", "", 2),
        Beside("ensembles_readers.csv", "j", 2),
    ],
}


def small(stem: str) -> dict[str, Any]:
    """The values of a paper's file for its generated set."""
    values = yaml.safe_load((PAPERS / f"{stem}.yaml").read_text(encoding="utf-8"))
    made = sets.shrunk(values, SHAPES[stem].side, further=SHAPES[stem].further)
    if stem == "mask_guided":
        # the paper's four blocks and the control of its contrast, an epoch each of few steps; where
        # networks look is left out
        control = {"variant": "parallel", "placement": "all", "mask": "random"}
        made["arms"] = [*made["arms"][:4], control]
        made["train"] |= {"epochs": 1, "batch_size": 128}
        made["train"]["attention"]["segmentation"]["epochs"] = 1
        made["options"] = {"activation": False}
    if stem == "ensembles_readers":
        # some of 63 combinations: those of the reader study, and each way to make one
        every = ["A", "O", "V", "Vv", "R", "I"]
        made["arms"] = [
            {"networks": every, "classifier": "own"},
            {"networks": [*every, "A1"], "classifier": ["svm", "rf"]},
            {"networks": ["A+V+Vv+R", "O+V+Vv+R", "O+V+I"], "classifier": ["svm", "rf", "svm+rf"]},
            {"networks": ["A|V|Vv|R", "A+V|Vv+R"], "classifier": "svm+rf"},
            {"networks": "A1+A", "classifier": "svm"},
            {"networks": "chosen", "classifier": "svm", "splits.validation": 0.2},
        ]
        made["options"]["candidates"] = {"networks": "size 1-2", "classifiers": ["svm"]}
        made["options"]["rf"] = {"trees": 50}
        made["stated"].pop("options.panel", None)
    return made


def test_every_papers_file_has_a_shape() -> None:
    assert sorted(path.stem for path in PAPERS.glob("*.yaml")) == sorted(SHAPES)


@pytest.mark.parametrize("stem", sorted(SHAPES))
def test_a_shape_has_the_papers_number_of_images(stem: str) -> None:
    images = {
        "two_step_thyroid": 10447 + 7160 + 662, "two_step_dermoscopy": 17397, "mask_guided": 1943,
        "persistent": 484, "ensembles_readers": 589,
    }  # fmt: skip
    rows = SHAPES[stem].rows()
    assert len(rows) == images.get(stem, 1156)
    if SHAPES[stem].paired:
        assert len({row["patient"] for row in rows}) == 233
    if stem == "mask_guided":
        assert len({row["patient"] for row in rows}) == 1132


def test_one_division_of_the_pairs_has_forty_test_patients() -> None:
    frame = pd.DataFrame(
        {"image": str(at), "nodule": row["patient"], **row} for at, row in enumerate(sets.pairs())
    )
    split = split_of(frame, Splits(**small("fusion_division")["splits"]), 0, 0)
    assert frame.iloc[split.test]["patient"].nunique() == 40
    assert frame.iloc[split.train]["patient"].nunique() == 193
    assert len(split.validation) == 0


def test_the_tables_of_the_papers_are_beside_their_sweeps() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in PAPERS.glob("*.yaml")}
    for table in PAPERS.glob("*.csv"):
        named = [
            stem
            for stem, text in texts.items()
            if f"--published sweeps/papers/{table.name}" in text
        ]
        assert named, table.name
    if not STATED.is_dir():
        pytest.skip("no published tables here")
    for table in STATED.glob("*.csv"):
        if table.name != "mrmc.csv":  # values of other programs, not of a paper's tables
            assert (PAPERS / table.name).read_bytes() == table.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(SHAPES))
def test_it_runs_in_smoke_form_beside_what_its_paper_states(
    stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = SHAPES[stem]
    sets.stand_in(monkeypatch, shape.small)
    rows = shape.rows()
    sets.write_set(
        tmp_path / "data", shape.manifest, rows, paired=shape.paired, border=shape.border
    )
    path = tmp_path / f"{stem}.yaml"
    path.write_text(yaml.safe_dump(small(stem), sort_keys=False), encoding="utf-8")
    data = [tmp_path / "data", PAPERS]
    sweep = abl.load(path, data=data, root=tmp_path / "mlruns", smoke=True)
    result = abl.run(sweep, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    assert [arm.failed for arm in result.outcome.arms if arm.failed] == []
    assert len(abl.table(result).splitlines()) > len(result.outcome.arms)
    for beside in BESIDE.get(stem, []):
        check_beside(result, beside)


def check_beside(result: SweepResult, beside: Beside) -> None:
    """Every row of a paper's table is shown, with its values, or named as one without an arm."""
    file = PAPERS / beside.file
    assert result.store is not None
    table = shown_table(result.store, result.outcome.name, show=beside.show, published=file)
    said = " ".join(note.text for note in table.notes)
    found = re.findall(r"no (?:arm|row here) for (.*?)\.(?: |$)", said)
    lost = sorted({int(n) for each in found for n in re.findall(r"row (\d+)", each)})
    assert lost == list(beside.lost), said
    stated = pd.read_csv(file)
    kept = stated.drop(index=[number - 2 for number in lost])
    values = stated_values(kept)
    assert len(values) == beside.rows - len(lost)
    rows = shown(table)
    if beside.show == "j":  # a row of it is of one metric
        rows = [[value for row in rows for value in row]]
    assert [each for each in values if not any(is_shown(each, row) for row in rows)] == []


def stated_values(frame: pd.DataFrame) -> list[dict[str, float]]:
    """Metric -> value of each row; of two modalities in a row, each by itself."""
    metrics = ("acc", "sen", "spe", "f1", "auc", "percent_of_dataset", "percent_of_training")
    found = []
    for word in ("", "_bmode", "_elasticity"):
        columns = {f"{m}{word}": m for m in metrics if f"{m}{word}" in frame}
        if columns:
            part = frame[[*columns]].rename(columns=columns)
            per_cent = {name: 0.01 if part[name].max() > 1 else 1.0 for name in part}
            found += (part * pd.Series(per_cent)).to_dict("records")
    return found


def shown(table: Table) -> list[list[float]]:
    """The stated values in each row."""
    at = [
        place
        for place, name in enumerate(table.raw_columns)
        if name.endswith("published") or name == "published"
    ]
    return [[float(row[i]) for i in at if row[i] not in ("", None)] for row in table.raw_rows]


def is_shown(values: dict[str, float], row: list[float]) -> bool:
    return all(any(abs(each - own) < 1e-9 for own in row) for each in values.values())
