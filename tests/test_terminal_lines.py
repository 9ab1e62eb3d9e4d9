"""Lines of a command in a terminal: broken between words, below where their words begin."""

from __future__ import annotations

import io

import pytest

from abl.cli.output import in_terminal_lines, say

LINE = "  note         14 test patients: a difference under 36.9 points will hardly be seen"


def test_a_long_line_goes_on_below_its_words() -> None:
    assert in_terminal_lines(f"arms\n{LINE}\nend", 44).split("\n") == [
        "arms",
        "  note         14 test patients: a",
        "               difference under 36.9 points",
        "               will hardly be seen",
        "end",
    ]


def test_a_line_that_fits_and_a_word_that_never_does_stay_whole() -> None:
    assert in_terminal_lines(LINE, len(LINE)) == LINE
    path = "at /a/very/long/path/that/is/to/be/copied"
    assert path.split()[1] in in_terminal_lines(path, 20).split()
    long_name = "a name that is longer than half   of it"
    assert in_terminal_lines(long_name, 20).split() == long_name.split()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_only_a_terminal_breaks_lines(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = stream()
    monkeypatch.setattr("abl.cli.output.own_stdout", lambda: out)
    monkeypatch.setenv("COLUMNS", "44")
    say(LINE, fit=True)
    assert (out.getvalue() == f"{LINE}\n") == (stream is io.StringIO)
    assert out.getvalue().split() == LINE.split()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_errors_are_broken_in_a_terminal_alone(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    err = stream()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setenv("COLUMNS", "44")
    line = "abl: sweep.yaml:4: margin: input should be less than 1, not 2: write 0.02"
    say(line, error=True)
    if stream is io.StringIO:
        assert err.getvalue() == f"{line}\n"
    else:
        first, second = err.getvalue().splitlines()
        assert first == "abl: sweep.yaml:4: margin: input should be"
        assert second == "  less than 1, not 2: write 0.02"
