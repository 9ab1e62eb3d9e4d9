"""What the run of a sweep gives to who asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pandas as pd

from abl.app.finished import FinishedSweep
from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.runner.protocols import RunReport


@dataclass(repr=False)
class SweepResult:
    """What a run gave.

    Attributes:
        outcome: The ablation table as values; without arms if a person stopped the run.
        report: Which stages ran, failed, were reused.
        folder: Where tables and figures lie.
        address: Path of the arms' page below MLflow's address, "" if it was not recorded.
        messages: What the person should know, a sentence each.
        seconds: By the clock, of each part of the run; see `abl.app.spent`.
        undrawn: Why a disk or file keeps figures and report from being made, "" if nothing does;
            the same command makes them then.
        store: Where it lies; None if a person stopped the run.
    """

    outcome: Outcome
    report: RunReport
    folder: Path
    address: str
    messages: list[str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    undrawn: str = ""
    store: Store | None = None

    @property
    def finished(self) -> FinishedSweep:
        """Tables and predictions as DataFrames, figures.

        Raises:
            InputError: A person stopped the run before there was a table.
        """
        if self.store is None:
            raise InputError(f"{self.outcome.name}: stopped before its table was made")
        return FinishedSweep(self.store, self.outcome)

    @property
    def table(self) -> pd.DataFrame:
        """As `FinishedSweep.table`, one row an arm."""
        return self.finished.table

    @property
    def predictions(self) -> pd.DataFrame:
        """As `FinishedSweep.predictions`, one row an (arm, replicate, role, unit)."""
        return self.finished.predictions

    def _repr_html_(self) -> str:
        return self.finished._repr_html_() if self.store is not None else escape(repr(self))

    def __repr__(self) -> str:
        arms, failed = len(self.outcome.arms), len(self.report.failed)
        return f"<SweepResult {self.outcome.name}: {arms} arms, {failed} stages failed>"
