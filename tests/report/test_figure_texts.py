"""What moves a cursor or turns lines around does not reach files of figures, nor MLflow's notes."""

from __future__ import annotations

from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.record.mlflow_arms import sweep_note
from abl.report.figures.style import figure_bytes

HARMFUL = "\u2028\u202e\u2066\x85\x1b"


def test_figures_quote_no_harmful_text() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label=f"arm {HARMFUL}one")
    axes.set_title(f"A title{HARMFUL}")
    axes.set_xticks([0, 1], [f"ben{HARMFUL}ign", "malignant"])
    axes.legend()
    drawn = figure_bytes(figure, "svg").decode()
    assert not set(HARMFUL) & set(drawn)
    assert "<!-- benign -->" in drawn


def test_notes_of_mlflow_hold_no_harmful_text() -> None:
    outcome = Outcome("s", "k", "grid", f"A title{HARMFUL}", (), (), "f1", "", (), notes=(HARMFUL,))
    note = sweep_note(outcome)
    assert not set(HARMFUL) & set(note)
    assert "A title" in note
