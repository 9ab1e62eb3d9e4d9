"""Table 10 of Lee 2019: readers beside networks and three systems, on its numbers of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import abl
import paper_sets as sets
from abl.app.sweep_result import SweepResult
from abl.cli.every import app
from abl.report.named import words_of
from test_paper_sweeps import SHAPES, Beside, check_beside, small

# name, experience, sensitivity, specificity; of two readers the paper's table at hand has no counts
READERS = [
    ("faculty 1", "faculty", 0.91, 0.52), ("faculty 2", "faculty", 0.76, 0.96),
    ("fellow 1", "fellow", 0.63, 0.94), ("fellow 2", "fellow", 0.7, 0.9),
    ("resident 1", "resident", 0.65, 0.8), ("resident 2", "resident", 0.7, 0.7),
]  # fmt: skip
SYSTEMS = [("A+V+Vv+R", "svm"), ("O+V+Vv+R", "rf"), ("O+V+I", "svm+rf")]


def ran(folder: Path, values: dict[str, Any], patch: pytest.MonkeyPatch) -> SweepResult:
    sets.stand_in(patch, SHAPES["ensembles_readers"].small)
    sets.write_set(folder / "data", "thyroid.csv", sets.readers())
    path = folder / "readers.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    sweep = abl.load(path, data=[folder / "data"], root=folder / "mlruns", smoke=True)
    result = abl.run(sweep, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result


@pytest.mark.slow
def test_readers_of_the_table_stand_beside_those_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        name: value
        for name, value in small("ensembles_readers").items()
        if name in ("name", "title", "data", "image", "splits", "train")
    }
    simulated = [
        dict(zip(("name", "experience", "sensitivity", "specificity"), each, strict=True))
        for each in READERS
    ]
    values |= {
        "study": "readers", "options": {"simulated": simulated}, "published": ["no_validation"],
        "metrics": ["auc", "acc", "sen", "spe"], "primary": "auc",
        "axes": {"network": ["resnet50", "inception_v3"]},
    }  # fmt: skip
    result = ran(tmp_path, values, monkeypatch)
    # the systems of its last two rows are no networks
    check_beside(result, Beside("reader_study.csv", "readers", 5, (5, 6)))


@pytest.mark.slow
def test_readers_are_compared_with_the_three_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = small("ensembles_readers")
    values["arms"] = [{"networks": n, "classifier": how} for n, how in SYSTEMS]
    del values["base"]
    result = ran(tmp_path, values, monkeypatch)
    data = pd.DataFrame(sets.readers())
    draw, rows = np.random.default_rng(1), []
    for at in np.flatnonzero(data["split"] == "test"):
        positive = bool(data["label"][at])
        for name, experience, sensitivity, specificity in READERS:
            right = draw.random() < (sensitivity if positive else specificity)
            answer = int(positive == right)
            rows.append({"image": f"{at}.bmp", "reader": name, "experience": experience,
                         "answer": answer})  # fmt: skip
    answers = tmp_path / "answers.csv"
    pd.DataFrame(rows).to_csv(answers, index=False)
    words = [words_of(arm, result.outcome) for arm in result.outcome.arms]
    asked = [part for each in words for part in ("--arm", each)]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        app, ["readers", str(answers), "--sweep", result.outcome.name, *asked]
    )
    assert done.exit_code == 0, done.output
    assert all(name in done.output for name, *_ in READERS)
    assert "Fleiss" in done.output
    for network, _ in SYSTEMS:
        assert network in done.output
