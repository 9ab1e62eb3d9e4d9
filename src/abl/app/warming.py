"""What comes after the trainings is loaded while they run: this process only waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from abl.plan.stage import Stage
from abl.runner.loading import load_beside
from abl.runner.protocols import Listener, RunReport

# of scoring, figures and report; together a second, and more on a slow disk
AFTERWARDS = (
    "scipy.stats", "abl.report.figures.every", "abl.report.page.html_report",
)  # fmt: skip


class Warming:
    """Passes on what a listener is told, and loads modules once a first stage is finished.

    By then the workers have started, which need the processors more; a run that computes nothing
    loads only what it comes to use.

    Args:
        more: Modules beside those that every study uses.
        at_end: Called at the end of a run that computed something, if nobody stopped it.
    """

    def __init__(
        self,
        listener: Listener,
        more: Sequence[str] = (),
        at_end: Callable[[], None] = lambda: None,
    ):
        self._listener, self._at_end = listener, at_end
        self._names = (*AFTERWARDS, *more)
        self._thread: threading.Thread | None = None
        self.started, self.failed = listener.started, listener.failed
        self.blocked, self.given_up = listener.blocked, listener.given_up
        self.grown, self.message = listener.grown, listener.message

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        self._listener.finished(stage, seconds, reused)
        if self._thread is None and not reused:
            self._thread = load_beside(self._names, "warming")

    def run(self, run: Callable[[Listener], RunReport]) -> RunReport:
        """Runs what this is told of, and ends once what was begun is loaded.

        By then processors are idle: another process makes the page's script while this one scores.
        """
        report = run(self)
        if self._thread is not None:  # whoever imports the same meanwhile would wait as long
            self._thread.join()
        if self._thread is not None and not report.interrupted:
            threading.Thread(target=_make_script, name="page-script", daemon=True).start()
            self._at_end()
        return report


def _make_script() -> None:
    with suppress(Exception):
        from abl.report.page.closer import vega_script

        vega_script()
