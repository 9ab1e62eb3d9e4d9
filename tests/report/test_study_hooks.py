"""What a study adds to figures and page comes from the study; no other room names one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from transfer_frames import Made, frozen_sweep

import abl
from abl.app.keeping import draw_outcome
from abl.report.figures.arms import Frames
from abl.report.page.report_facts import report_facts
from abl.spec.base import Part
from abl.spec.train import Train
from abl.studies.contract import STUDIES, Study, studies, study
from abl.studies.shared.analysis import Analysis

SOURCE = Path(abl.__file__).parent
ROOMS = ("report", "record", "app", "runner", "stages", "plan")


def test_no_room_that_asks_a_study_names_one() -> None:
    # a word of other things too: of stages that read others, of people who read images
    plain = {"readers"}
    assert plain < set(studies())
    names = "|".join(sorted(set(studies()) - plain))
    asked = rf"[=!]= *(['\"])({'|'.join(plain)})\3"
    quoted = re.compile(rf"(['\"])({names})\1|{asked}")
    # stages and what arms are said to be trained with read settings by name, and one study is
    # called like one
    setting = re.compile(rf"(['\"])({'|'.join(set(studies()) & set(Train.model_fields))})\1")
    assert quoted.search("if study == 'two_step':")
    assert quoted.search("if outcome.study == 'readers':")
    assert not quoted.search('{"readers": 3}')

    def reads_settings(path: Path) -> bool:
        return "stages" in path.parts or path.name == "arm_settings.py"

    files = [path for room in ROOMS for path in (SOURCE / room).rglob("*.py")]
    assert len(files) > 40
    found = {
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if quoted.search(setting.sub("", line) if reads_settings(path) else line)
    }
    assert found == set()


@pytest.fixture(scope="module")
def made() -> Made:
    return frozen_sweep([0, 3, 6], patients=12, facts={})


def drawn(made: Made, name: str, folder: Path) -> tuple[set[str], str]:
    """Names of the figures, and the page."""
    folder.mkdir()
    analysis = Analysis(replace(made.outcome, study=name), made.predictions)
    draw_outcome(folder, analysis, "")
    page = (folder / "report.html").read_text(encoding="utf-8")
    return {path.stem for path in folder.glob("*.svg")}, page


def test_figures_and_weaknesses_are_those_of_the_outcomes_study(made: Made, tmp_path: Path) -> None:
    general = {"arms", "roc", "reliability", "confusion", "risk_coverage", "decision_curve"}
    names, page = drawn(made, "frozen", tmp_path / "known")
    assert names == {*general, "frozen"}
    assert "Metric against the frozen part" in page
    assert "No answers of readers are known" not in page
    names, page = drawn(made, "gone", tmp_path / "unknown")
    assert names == general
    assert "Metric against the frozen part" not in page
    _, page = drawn(made, "readers", tmp_path / "readers")
    assert "No answers of readers are known" in page


def test_a_study_without_hooks_says_and_draws_nothing(made: Made) -> None:
    class Plain(Study):
        name: ClassVar[str] = "plain"
        description: ClassVar[str] = "A study of a user's own."
        axes: ClassVar[tuple[Any, ...]] = ()
        options: ClassVar[type[Part]] = Part

    study(Plain)
    plain = studies()["plain"]
    del STUDIES["plain"]
    assert plain.figures(made.outcome, Frames(made.predictions)) == {}
    facts = report_facts(made.outcome, made.predictions, made.predictions.iloc[:0], "")
    assert plain.weaknesses(facts).design == ()
