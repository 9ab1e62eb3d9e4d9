"""An axis whose values are whole blocks, from its file to its report."""

from __future__ import annotations

from pathlib import Path

from abl.plan.graph import Arm
from commands import abl
from tiny_sweeps import TWO_NETWORKS, write_sweep


def test_a_block_is_named_by_its_settings() -> None:
    params = {
        "train.optimizer": {"name": "sgd", "momentum": 0.5},
        "train.early_stop": None,
        "image.crop": {"square": False, "sides": [1, 2]},
    }
    assert Arm(params, shown=tuple(params)).named == {
        "train.optimizer": "name sgd, momentum 0.5",
        "train.early_stop": "none",
        "image.crop": "square false, sides (1, 2)",
    }


def test_a_sweep_over_blocks_has_a_report(tiny_folder: Path) -> None:
    blocks = [{"name": "adam"}, {"name": "sgd", "momentum": 0.5}]
    changes = {
        **{name: TWO_NETWORKS[name] for name in ("study", "splits", "replicates")},
        "options": {},
        "axes": {"train.optimizer": blocks},
        "base": {"train.optimizer": {"name": "adam"}},
        "labels": {"values": {"train.optimizer": {"name sgd, momentum 0.5": "SGD"}}},
    }
    write_sweep(tiny_folder, changes)
    found = abl(tiny_folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert found.exit_code == 0, found.output
    assert "could not be made" not in found.output
    assert "SGD" in found.output
    assert "name adam" in found.output
    assert "{'" not in found.output
    (report,) = tiny_folder.glob("mlruns/store/sweeps/*/*/report.html")
    assert "SGD" in report.read_text()
