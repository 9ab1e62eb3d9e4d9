"""Figures become files in this process and in a second one, whose start costs nobody time."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from abl.data.workers import Processes, available_workers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SecondDrawer:
    """A process that draws figures, from its start until it is closed.

    It is an offer: what cannot be sent to it, or it does not come to, is drawn by who asks.
    """

    def __init__(self) -> None:
        self._processes: Processes[Figure | None, dict[str, bytes]] | None = None
        self._given: dict[str, Future[dict[str, bytes]]] = {}

    def close(self) -> None:
        """Ends it, once it has drawn what it is at."""
        if self._processes is not None:
            self._processes.close()

    def start(self) -> None:
        """Starts it, if there is a processor for it, and has it load what it needs."""
        if self._processes is None and available_workers() > 1:
            with suppress(Exception):
                self._processes = Processes(_files, 1)
                self._processes.submit(None)

    def give(self, name: str, figure: Figure) -> None:
        """Sends it a figure, which must not be changed until it is taken."""
        if self._processes is not None:
            with suppress(Exception):
                self._given[name] = self._processes.submit(figure)

    def take(self, name: str) -> dict[str, bytes]:
        """What a figure's files hold, by their ending; {} if it is not, and will not be, drawn."""
        given = self._given.pop(name, None)
        if given is None or given.cancel():
            return {}
        # some figures hold functions of their own, which cannot be sent; or the process has died
        with suppress(Exception):
            return given.result()
        return {}


def _files(figure: Figure | None) -> dict[str, bytes]:
    from abl.report.figures.style import figure_bytes

    if figure is None:
        return {}
    return {"png": figure_bytes(figure, "png"), "svg": figure_bytes(figure, "svg")}
