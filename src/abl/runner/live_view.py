"""The live view of a run on a terminal; the only module that imports Rich at its top."""

from __future__ import annotations

from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from abl.redaction import redacted
from abl.runner.progress import ProgressState, Snapshot, duration, left_text
from abl.visible import visible_line, without_middle

REFRESH_PER_SECOND = 4
_HEAD_ROWS = 2
_MIN_RUNNING_ROWS = 1


class LiveView:
    """A bar, the counts, what runs where, and the last messages, redrawn four times a second."""

    def __init__(self, state: ProgressState, stream: TextIO):
        self._state = state
        self._console = Console(file=stream)
        self._line_widths: list[int] = []
        self._live = Live(
            console=self._console,
            get_renderable=self._next_frame,
            refresh_per_second=REFRESH_PER_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def _next_frame(self) -> _Frame:
        self._leave_wrapped_rows()
        frame = _Frame(self._state.snapshot())
        lines = self._console.render_lines(frame, pad=False)
        self._line_widths = [sum(segment.cell_length for segment in line) for line in lines]
        return frame

    def _leave_wrapped_rows(self) -> None:
        """A narrower terminal has wrapped the last frame; Live knows only of its unwrapped rows."""
        width = max(1, self._console.width)
        wrapped = sum((line - 1) // width for line in self._line_widths if line > width)
        if wrapped:
            self._line_widths = []
            self._console.control(
                Control((ControlType.CURSOR_UP, wrapped), ControlType.CARRIAGE_RETURN)
            )
            self._console.file.write("\x1b[J")


class _Frame:
    """One picture of a snapshot, fitted to the size that the terminal has now."""

    def __init__(self, snapshot: Snapshot):
        self._snapshot = snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        snapshot = self._snapshot
        width, height = options.max_width, console.size.height
        yield _bar(snapshot, width)
        yield _counts(snapshot)
        notes = [
            _text(f"failed: {stage.label}: {stage.reason}", "red") for stage in snapshot.failures
        ]
        notes = notes[-3:] + [_text(message, "dim") for message in snapshot.messages]
        # one row stays free: a frame as high as the terminal would scroll at every redraw
        free = height - _HEAD_ROWS - 2
        notes = notes[-max(0, free - _MIN_RUNNING_ROWS) :] if free > _MIN_RUNNING_ROWS else []
        yield from _running(snapshot, rows=free - len(notes), width=width)
        for note in notes:
            yield _cut(note)


def _bar(snapshot: Snapshot, width: int) -> Table:
    done = snapshot.done + snapshot.reused
    head = Text.assemble((f"{done}/{snapshot.total}", "bold"), " stages")
    left = "" if snapshot.left == 0 else f", {left_text(snapshot)} left"
    tail = Text(duration(snapshot.elapsed) + left)
    room = max(3, min(60, width - head.cell_len - tail.cell_len - 2))
    bar = ProgressBar(total=max(1, snapshot.total), completed=done, width=room)
    grid = Table.grid(padding=(0, 1))
    grid.add_row(_cut(head), bar, _cut(tail))
    return grid


def _counts(snapshot: Snapshot) -> Text:
    counts = [
        (len(snapshot.running), "running", "cyan"),
        (snapshot.waiting, "waiting", ""),
        (snapshot.shared, "shared", "green"),
        (snapshot.reused, "reused", "green"),
        (snapshot.failed, "failed", "red" if snapshot.failed else ""),
    ]
    if snapshot.blocked:
        counts.append((snapshot.blocked, "blocked", "red"))
    return _cut(Text(", ").join(Text(f"{count} {word}", style) for count, word, style in counts))


def _running(snapshot: Snapshot, *, rows: int, width: int) -> RenderResult:
    shown = len(snapshot.running) if len(snapshot.running) <= rows else max(0, rows - 1)
    stages, hidden = snapshot.running[:shown], len(snapshot.running) - shown
    where_width = min(20, max((cell_len(stage.where) for stage in stages), default=0))
    for stage in stages:
        room = max(1, width - where_width - 4)
        where, label = _text(stage.where, "dim"), _text(without_middle(stage.label, room))
        where.truncate(where_width, overflow="ellipsis", pad=True)
        label.truncate(room, overflow="ellipsis")
        yield Text.assemble("  ", where, "  " if where_width else "", label)
    if hidden and rows > 0:
        yield Text(f"  and {hidden} more", "dim")


def _text(words: str, look: str = "") -> Text:
    return Text(visible_line(redacted(words), " "), look)


def _cut(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text
