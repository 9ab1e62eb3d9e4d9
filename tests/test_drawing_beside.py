"""A second process draws what this one would have drawn, or leaves it to this one."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from multiprocessing import active_children

import pytest

from abl.app import drawing_beside
from abl.app.drawing_beside import SecondDrawer
from abl.report.figures.style import DrawnFigure, figure_bytes, grid_of_panels, settle


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_beside, "available_workers", lambda: 2)


def figure_of(text: str) -> DrawnFigure:
    figure, (panel,) = grid_of_panels(1)
    panel.plot([0, 1], [1, 0])
    panel.set_title(text)
    settle(figure)
    return figure


def unsendable() -> DrawnFigure:
    figure = figure_of("sent on")
    figure.axes[0].secondary_xaxis("top", functions=(lambda x: 1 - x, lambda x: 1 - x))
    return figure


def begun(second: SecondDrawer, name: str) -> None:
    """Waits until it is drawn, or being drawn: before that it is not waited for by who asks."""
    until = time.monotonic() + 60
    while not (second._given[name].running() or second._given[name].done()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_files_are_those_that_this_process_would_have_drawn() -> None:
    first, last = figure_of("first"), figure_of("last")
    with closing(SecondDrawer()) as second:
        second.start()
        second.give("first", first)
        begun(second, "first")
        made = second.take("first")
        assert second.take("last") == {}  # nobody gave it
    assert made == {"png": figure_bytes(first, "png"), "svg": figure_bytes(first, "svg")}
    assert made["svg"] != figure_bytes(last, "svg")
    assert active_children() == []


def test_what_cannot_be_sent_is_left_and_what_follows_is_drawn() -> None:
    with closing(SecondDrawer()) as second:
        second.start()
        second.give("unsendable", unsendable())
        second.give("plain", figure_of("plain"))
        begun(second, "plain")
        assert second.take("unsendable") == {}
        assert second.take("plain").keys() == {"png", "svg"}


def test_of_a_process_that_has_died_everything_is_left() -> None:
    with closing(SecondDrawer()) as second:
        second.start()
        second.give("first", figure_of("first"))
        begun(second, "first")
        assert second.take("first")
        for child in active_children():
            os.kill(int(child.pid or 0), signal.SIGKILL)
            child.join()
        second.give("last", figure_of("last"))
        assert second.take("last") == {}


def test_without_a_processor_for_it_there_is_no_second_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing_beside, "available_workers", lambda: 1)
    with closing(SecondDrawer()) as second:
        second.start()
        second.give("first", figure_of("first"))
        assert second.take("first") == {}
        assert active_children() == []
