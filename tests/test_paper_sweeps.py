"""Papers' files run, in smoke form, on generated sets shaped as the papers'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import abl
import paper_sets as sets
from paper_sets import Row

ROOT = Path(__file__).parents[1]
PAPERS = ROOT / "sweeps/papers"
PANEL = {
    "alexnet": "pooled2", "vgg16": "pooled3", "resnet101": "pooled4", "googlenet": "pooled6",
    "inception_v3": "pooled_hidden",
}  # fmt: skip
SMALL = {
    "resnet34": "tiny_resnet", "inception_v3": "plain4", "swin_t": "plain4", "vgg16": "thin13",
    "resnet18": "pooled6", "alexnet": "pooled2", "resnet152": "pooled4", "densenet121": "pooled6",
    "cnn1": "pooled2", "cnn2": "pooled3",
}  # fmt: skip
# file -> its manifest, the rows of the paper's set, whether they are pairs, small networks
SHAPES: dict[str, tuple[str, Callable[[], list[Row]], bool, dict[str, str]]] = {
    "two_step_thyroid": ("thyroid.csv", sets.thyroid, False, PANEL),
    "two_step_dermoscopy": ("dermoscopy.csv", sets.dermoscopy, False, PANEL),
    "scratch_networks": ("pairs.csv", sets.pairs, True, {**PANEL, "resnet18": "pooled4"}),
    "frozen_vgg16": ("pairs.csv", sets.pairs, True, SMALL),
    "early_frozen_vgg16": ("pairs.csv", sets.pairs, True, SMALL),
    "fusion_vgg16": ("pairs.csv", sets.pairs, True, SMALL),
    "mask_guided": ("nodules.csv", sets.nodules, False, SMALL),
    "persistent": ("thyroid.csv", sets.persistent, False, SMALL),
    "ensembles_readers": ("thyroid.csv", sets.readers, False, SMALL),
}

# those that are over in minutes on two cores
QUICK = (
    "early_frozen_vgg16", "ensembles_readers", "frozen_vgg16", "fusion_vgg16", "persistent",
    "scratch_networks",
)  # fmt: skip


def small(stem: str) -> dict[str, Any]:
    """The values of a paper's file for its generated set."""
    values = yaml.safe_load((PAPERS / f"{stem}.yaml").read_text(encoding="utf-8"))
    made = sets.shrunk(values, SHAPES[stem][3])
    if stem == "ensembles_readers":
        made["image"]["size"] = 32
        names = dict(zip("AOVRI", ("plain4", "cnn1", "cnn2", "tiny_resnet", "tiny_mobile"),
                         strict=True))  # fmt: skip
        made["options"]["panel"] = {n: {"network": net, "layer": "avg"} for n, net in names.items()}
        made["arms"] = [
            {"networks": list(names), "classifier": "own"},
            {"networks": ["A+V+R", "A|V|R"], "classifier": ["svm", "rf", "svm+rf"]},
            {"networks": "chosen", "classifier": "svm"},
        ]
        made["options"]["candidates"] = {"networks": "all", "classifiers": ["svm"]}
    return made


def test_every_papers_file_has_a_shape() -> None:
    assert sorted(path.stem for path in PAPERS.glob("*.yaml")) == sorted(SHAPES)


@pytest.mark.parametrize("stem", sorted(SHAPES))
def test_a_shape_has_the_papers_number_of_images(stem: str) -> None:
    images = {
        "two_step_thyroid": 10447 + 7160 + 662, "two_step_dermoscopy": 17397, "mask_guided": 1943,
        "persistent": 484, "ensembles_readers": 589,
    }  # fmt: skip
    rows = SHAPES[stem][1]()
    assert len(rows) == images.get(stem, 1156)
    if SHAPES[stem][2]:
        assert len({row["patient"] for row in rows}) == 233
    if stem == "mask_guided":
        assert len({row["patient"] for row in rows}) == 1132


@pytest.mark.slow
@pytest.mark.parametrize("stem", QUICK)
def test_it_runs_in_smoke_form(stem: str, tmp_path: Path) -> None:
    manifest, rows, paired, _ = SHAPES[stem]
    sets.write_set(tmp_path / "data", manifest, rows(), paired=paired)
    path = tmp_path / f"{stem}.yaml"
    path.write_text(yaml.safe_dump(small(stem), sort_keys=False), encoding="utf-8")
    data = [tmp_path / "data", PAPERS]
    sweep = abl.load(path, data=data, root=tmp_path / "mlruns", smoke=True)
    result = abl.run(sweep, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    assert [arm.failed for arm in result.outcome.arms if arm.failed] == []
    assert len(abl.table(result).splitlines()) > len(result.outcome.arms)
