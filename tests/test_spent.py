"""How far a run was from its limit, the distinct networks: told after it, and by the next plan."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from abl.api import Callback
from abl.app.spent import Spent, Timed, last_spent, spent_text
from abl.plan.stage import Stage
from commands import abl
from tiny_sweeps import write_sweep

LOCAL = ("--executor", "local", "--record", "off")


class Clock:
    """Shows the time that it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def stage(name: str) -> Stage:
    return Stage(kind="nap", version=1, settings={"name": name})


def test_stages_side_by_side_are_counted_once_and_all_parts_make_the_whole() -> None:
    clock = Clock()
    clock.now = 3.0
    spent = Spent(began=1.0, clock=clock)
    told, first, second = Timed(Callback(), spent), stage("first"), stage("second")
    with spent.on("reading"):
        clock.now = 5.0
    with spent.on("waiting"):
        clock.now = 9.0
        told.started(first, "here")
        clock.now = 11.0
        told.started(second, "there")
        clock.now = 15.0
        told.finished(first, 6.0, False)
        clock.now = 16.0
        told.failed(second, "why")
        clock.now = 17.0
        told.started(first, "again, after its worker was lost")
        told.started(first, "again")
        clock.now = 20.0
        told.finished(first, 3.0, False)
        told.finished(second, 0.0, True)  # was there: never at work
    with spent.on("scoring"):
        clock.now = 24.0
    found = spent.seconds()
    assert found["whole"] == 23.0
    assert found["stages"] == 7.0 + 3.0
    assert (found["start"], found["reading"], found["scoring"]) == (2.0, 2.0, 4.0)
    assert found["waiting"] == 15.0 - 10.0
    assert sum(found.values()) == 2 * found["whole"]
    assert spent_text(found) == (
        "23 s, 10 s (43 %) of it with stages at work; "
        "start 2 s, reading 2 s, waiting 5 s, scoring 4 s"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> Path:
    found = tmp_path_factory.mktemp("spent")
    shutil.copytree(tiny_images.parent, found / "images")
    write_sweep(found)
    return found


def test_a_run_tells_what_it_took_and_the_next_plan_tells_it_again(folder: Path) -> None:
    assert "last run" not in abl(folder, "plan", "tiny.yaml").stdout
    first = abl(folder, "sweep", "tiny.yaml", *LOCAL).stdout
    (line,) = re.findall(
        r"^time: (\d+ s, \d+ s \(\d+ %\) of it with stages at work.*)$", first, re.M
    )
    planned = abl(folder, "plan", "tiny.yaml").stdout
    (last,) = re.findall(r"^  last run +(.+)$", planned, re.M)
    assert last == line
    # nothing was computed: there is nothing to tell, and the plan still tells of the first
    again = abl(folder, "sweep", "tiny.yaml", *LOCAL).stdout
    assert "time:" not in again
    assert last in abl(folder, "plan", "tiny.yaml").stdout


def test_what_is_kept_of_another_kind_is_not_told(folder: Path, tmp_path: Path) -> None:
    assert last_spent(tmp_path) == ""
    for text in ("", "[]", '{"whole": 1}', '{"whole": "x"}', "nan", '{"whole": null}'):
        (tmp_path / "spent.json").write_text(text)
        assert last_spent(tmp_path) == ""
