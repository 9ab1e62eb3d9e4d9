"""Three classes, from the manifest to the report."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score, recall_score, roc_auc_score

import abl
from abl.app.loaded import LoadedSweep
from abl.app.results import arm_predictions
from abl.app.sweep_result import SweepResult
from abl.report.tables import printed, table_of
from abl.report.tables.facts import facts_tables
from tiny_sweeps import tiny_image, write_sweep


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedSweep, SweepResult]:
    home = tmp_path_factory.mktemp("three")
    draw = np.random.default_rng(3)
    (home / "images/png").mkdir(parents=True)
    lines = ["image,label,patient,nodule"]
    for patient in range(54):
        label = patient % 3
        picture = tiny_image(min(label, 1), draw)
        if label == 2:
            picture = 255 - picture
        Image.fromarray(picture).save(home / f"images/png/{patient}.png")
        lines.append(f"png/{patient}.png,{'abc'[label]},p{patient},n1")
    (home / "images/manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sweep = write_sweep(
        home,
        {
            "data.classes": ["a", "b", "c"],
            # few epochs: a False network needs images that the panel gets wrong
            "train.epochs": 1,
            "train.last_k": 1,
            "train.optimizer.lr": 0.01,
            "axes": {
                "consensus": [2],
                "rule": ["original", "average", "model1"],
                "threshold": ["exact", 0.9],
                "false_k": ["none", 1],
            },
            "metrics": ["acc", "f1", "auc", "sen@b", "ppv@0.1"],
            "primary": "acc",
        },
    )
    loaded = abl.load(sweep, root=home / "mlruns")
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return loaded, result


def test_every_metric_is_that_of_scikit_learn(ran: tuple[LoadedSweep, SweepResult]) -> None:
    loaded, result = ran
    frame = arm_predictions(loaded.store, result.outcome).query("role == 'test'")
    for arm in result.outcome.arms:
        rows = frame[frame["arm"] == arm.key]
        p, labels = rows[["p_0", "p_1", "p_2"]].to_numpy(), rows["label"].to_numpy()
        assert p.sum(axis=1) == pytest.approx(np.ones(len(p)))
        final = p.argmax(axis=1)
        assert arm.cells["acc"].mean == pytest.approx((final == labels).mean())
        assert arm.cells["f1"].mean == pytest.approx(f1_score(labels, final, average="macro"))
        found = recall_score(labels == 1, final == 1)
        assert arm.cells["sen@b#1"].mean == pytest.approx(found)
        assert arm.cells["auc"].mean == pytest.approx(roc_auc_score(labels, p, multi_class="ovr"))


def test_ambiguous_is_a_small_margin_of_the_two_largest(
    ran: tuple[LoadedSweep, SweepResult],
) -> None:
    loaded, result = ran
    frame = arm_predictions(loaded.store, result.outcome).query("role == 'test'")

    def of(**params: object) -> object:
        [arm] = [each for each in result.outcome.arms if dict(each.params) == params]
        return frame[frame["arm"] == arm.key].set_index("unit").sort_index()

    original = of(rule="original")
    sent = of(rule="model1", consensus=2, threshold=0.9, false_k="none")["sent"]
    ordered = np.sort(original[["p_0", "p_1", "p_2"]].to_numpy(), axis=1)
    assert np.array_equal(sent.to_numpy(), ordered[:, 2] - ordered[:, 1] < 0.9)


def test_columns_name_the_class_or_the_average(ran: tuple[LoadedSweep, SweepResult]) -> None:
    _, result = ran
    text = abl.table(result.outcome, width=250)
    head = next(line for line in text.splitlines() if "ACC, %" in line)
    for label in ("ACC, %", "F1 macro, %", "AUC macro, %", "SEN b, %", "PPV at 10 % macro, %"):
        assert label in head
    assert "positive" not in text
    assert "a 33 %, b 33 %, c 33 %" in " ".join(text.split())
    assert "SEN b" in printed(table_of(result.outcome, metric="sen@b"), "text")
    assert all("prevalence" not in row for row in result.outcome.facts.data)
    assert "prevalence" not in printed(facts_tables(result.outcome)["data"], "text")


def test_the_report_names_the_classes(ran: tuple[LoadedSweep, SweepResult]) -> None:
    _, result = ran
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert (result.folder / "confusion.png").exists()
