"""What `abl sweep` shows while it runs: plain lines, or on a terminal the live view."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import TextIO

from abl.redaction import redacted
from abl.runner.notebook_view import NotebookView, in_notebook
from abl.runner.progress import Happened, ProgressState, counts_line
from abl.streams import own_stdout
from abl.visible import visible_line


def make_view(state: ProgressState, stream: TextIO | None = None) -> AbstractContextManager[object]:
    """The live view on a terminal that can move its cursor, plain lines elsewhere.

    Shown between enter and exit; the terminal is left as it was found, also on Ctrl-C. In a
    notebook one output of the cell is written anew.
    """
    if stream is None and in_notebook():
        return NotebookView(state)
    stream = own_stdout() if stream is None else stream
    if stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown"):
        from abl.runner.live_view import LiveView

        return LiveView(state, stream)
    return PlainView(state, stream)


_NEXT_BEGINS_S = 0.5  # in which another stage begins, if one can


class PlainView:
    """One line when something finishes, at most one in `interval_s`; every failure and message.

    Such a line is written when the next stage has begun in its place, or soon after, so that it
    does not say of two workers that one runs. Lines hold no control characters, so that logs and
    pipes read well.
    """

    def __init__(self, state: ProgressState, stream: TextIO, *, interval_s: float = 2.0):
        self._state = state
        self._stream = stream
        self._interval_s = interval_s
        self._last = -float("inf")
        self._held = False
        self._ended = ""  # what a line is to be written of
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._open = False
        state.listen(self._on_event)

    def __enter__(self) -> PlainView:
        self._open = True
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._write_ended()
            if self._held:
                self._write(counts_line(self._state.snapshot()))
            self._open = False

    def _on_event(self, event: Happened) -> None:
        with self._lock:
            if not self._open:
                return
            if event.kind != "blocked":
                self._write_ended()
            if event.kind in ("planned", "failed", "message"):
                self._write(event.text)
            elif event.kind == "finished":
                snapshot = self._state.snapshot()
                self._held = snapshot.elapsed - self._last < self._interval_s
                if not self._held:
                    self._last, self._ended = snapshot.elapsed, event.text
                    if snapshot.waiting:
                        self._timer = threading.Timer(_NEXT_BEGINS_S, self._on_time)
                        self._timer.daemon = True
                        self._timer.start()
                    else:
                        self._write_ended()

    def _on_time(self) -> None:
        with self._lock:
            if self._open:
                self._write_ended()

    def _write_ended(self) -> None:
        """The line of what finished last, if it was not written yet."""
        if self._timer is not None:
            self._timer.cancel()
        if self._ended:
            self._write(f"{counts_line(self._state.snapshot())} | {self._ended}")
        self._timer, self._ended = None, ""

    def _write(self, text: str) -> None:
        line = visible_line(redacted(text), " ")
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            self._open = False  # nobody reads any more; the run goes on
