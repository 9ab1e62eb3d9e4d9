"""Every sweep that a reviewer would ask for runs from its file to its table, in smoke form."""

from __future__ import annotations

from pathlib import Path

import pytest

import abl

ROOT = Path(__file__).parents[1]
REVIEWERS = sorted((ROOT / "sweeps/reviewers").glob("*.yaml"))


def test_there_is_a_sweep_for_each_question() -> None:
    assert [path.stem for path in REVIEWERS] == [
        "exclusion",
        "frozen_fusion",
        "learning_curves",
        "mask_guided_loss",
        "means_or_features",
        "readers_aided",
        "selection",
    ]
    page = (ROOT / "docs/papers/reviewers.md").read_text(encoding="utf-8")
    assert [p.name for p in REVIEWERS if f"sweeps/reviewers/{p.name}" not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", REVIEWERS, ids=lambda path: path.stem)
def test_it_runs_in_smoke_form(path: Path, tmp_path: Path) -> None:
    sweep = abl.load(path, root=tmp_path / "mlruns", smoke=True)
    result = abl.run(sweep, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    assert [arm.failed for arm in result.outcome.arms if arm.failed] == []
    assert len(abl.table(result).splitlines()) > len(result.outcome.arms)
