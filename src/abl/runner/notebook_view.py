"""The progress of a run in a notebook: one output of a cell that is written anew."""

from __future__ import annotations

import sys
import threading
from html import escape
from typing import Any

from abl.redaction import redacted
from abl.runner.progress import Happened, ProgressState, counts_line
from abl.visible import visible_line


def in_notebook() -> bool:
    """Whether this process answers the cells of a notebook (Jupyter, Colab, VS Code)."""
    ipython = sys.modules.get("IPython")  # a kernel has it loaded
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookView:
    """A bar, counts, and the last failures and messages; shown between enter and exit."""

    def __init__(self, state: ProgressState, *, interval_s: float = 0.5):
        self._state = state
        self._interval_s = interval_s
        self._last = -float("inf")
        self._lock = threading.Lock()
        self._handle: Any = None
        state.listen(self._on_event)

    def __enter__(self) -> NotebookView:
        from IPython.display import HTML, display

        with self._lock:
            self._handle = display(HTML(self._html()), display_id=True)
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._show()
            self._handle = None

    def _on_event(self, event: Happened) -> None:
        with self._lock:
            elapsed = self._state.snapshot().elapsed
            if self._handle is not None and elapsed - self._last >= self._interval_s:
                self._last = elapsed
                self._show()

    def _show(self) -> None:
        from IPython.display import HTML

        if self._handle is not None:
            self._handle.update(HTML(self._html()))

    def _html(self) -> str:
        snapshot = self._state.snapshot()
        failures = [f"failed: {each.label}: {each.reason}" for each in snapshot.failures]
        lines = [counts_line(snapshot), *failures, *snapshot.messages]
        shown = "<br>".join(escape(visible_line(redacted(line), " ")) for line in lines)
        there, most = snapshot.done + snapshot.reused, max(snapshot.total, 1)
        bar = f'<progress value="{there}" max="{most}"></progress>'
        return f"<div>{bar} {shown}</div>"
