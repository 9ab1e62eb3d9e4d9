"""Images are read while something else starts: who is told what, and that the reading ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from abl.app.reading_beside import read_beside
from abl.errors import InputError, StageError

PATIENCE_S = 60.0


def reading_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "reading"]


def test_reading_goes_on_while_something_starts() -> None:
    read, started = threading.Event(), threading.Event()

    def start(begin: Callable[[], None]) -> None:
        begin()
        assert read.wait(PATIENCE_S)
        started.set()

    def images() -> list[str]:
        read.set()
        assert started.wait(PATIENCE_S)
        return ["a note"]

    assert read_beside(images, start) == ["a note"]


def test_images_that_cannot_be_read_are_told_even_if_the_other_does_not_start_either() -> None:
    def images() -> None:
        raise InputError("scan_1.png cannot be decoded")

    def start(begin: Callable[[], None]) -> None:
        begin()
        while reading_threads():
            time.sleep(0.01)
        raise InputError("Ray does not start")

    with pytest.raises(InputError, match=r"scan_1\.png"):
        read_beside(images, start)
    with pytest.raises(InputError, match=r"scan_1\.png"):
        read_beside(images, lambda begin: begin())


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt(), StageError("Ray has died")])
def test_whatever_ends_the_start_ends_the_reading_at_once_and_what_it_cleans_up_is_done(
    ended_by: BaseException,
) -> None:
    begun, cleaned = threading.Event(), threading.Event()

    def images() -> None:
        try:
            begun.set()
            for _ in range(int(PATIENCE_S / 0.01)):
                time.sleep(0.01)
        finally:
            cleaned.set()

    def start(begin: Callable[[], None]) -> None:
        begin()
        assert begun.wait(PATIENCE_S)
        raise ended_by

    with pytest.raises(type(ended_by)):
        read_beside(images, start)
    assert cleaned.is_set()
    assert not reading_threads()


def test_who_never_begins_the_reading_is_told_why() -> None:
    def start(begin: Callable[[], None]) -> None:
        raise InputError("no free port")

    with pytest.raises(InputError, match="no free port"):
        read_beside(list, start)


def test_it_is_read_although_the_start_had_nothing_to_begin_it_in() -> None:
    assert read_beside(lambda: ["a note"], lambda begin: None) == ["a note"]
