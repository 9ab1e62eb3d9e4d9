"""A finished sweep in Python: its tables and predictions as DataFrames, its figures, a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from abl.app.results import arm_predictions, kept_analysis, outcome_folder, own_frames, study_tables
from abl.plan.outcome import ArmOutcome, Outcome
from abl.record.store import Store
from abl.report.named import words_of
from abl.report.tables.ablation import styled_table
from abl.report.tables.facts import facts_tables
from abl.report.tables.model import Table
from abl.report.tables.render import fragment_of

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class FinishedSweep:
    """A sweep that was run: what `abl.open` gives, and `result.finished` of a run.

    In a notebook it shows its differences as a forest plot, where there are any, and its table.

    Attributes:
        store: Where it lies.
        outcome: Its arms, cells and comparisons as values.
    """

    store: Store
    outcome: Outcome

    def __repr__(self) -> str:
        name, key, arms = self.outcome.name, self.outcome.key[:8], len(self.outcome.arms)
        return f"<FinishedSweep {name} {key}: {arms} arms>"

    @property
    def folder(self) -> Path:
        """Where its tables, figures and report.html lie."""
        return outcome_folder(self.store, self.outcome)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The ablation table in full precision, as `abl table --format csv`: one row an arm.

        Columns: `arm` (its name in the printed table), the axes, then `<metric>_mean`, `_sd`,
        `_low`, `_high` (float64, shares in [0, 1], the interval of 95 %), `difference`, `p`,
        `p_corrected`, `verdict` and others.
        """
        frame = _frame(styled_table(self.outcome))
        if "arm" not in frame:  # which an axis may be called
            names = {arm.key: self._title(arm) for arm in self.outcome.arms}
            frame.insert(0, "arm", frame["key"].map(names))
        return frame

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """One row an (arm, replicate): `arm` (its name), the axes, `repeat`, `fold`, `seed`
        (int64), what was chosen on validation images, and one column a metric (float64).
        """
        parts = [self._of_arm(arm) for arm in self.outcome.arms if len(arm.replicates)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row an (arm, replicate, role, unit), probabilities `p_0`, `p_1`, ... (float64).

        Further columns: `arm` (its name), `repeat`, `fold`, `seed`, `label` (int64), `role`
        (validation or test), `unit`, `patient`, and `sent` in studies with a second network.
        Empty if none were kept.

        Raises:
            InputError: They are damaged.
        """
        frame = arm_predictions(self.store, self.outcome)
        titles = {arm.key: self._title(arm) for arm in self.outcome.arms}
        return frame.assign(arm=frame["arm"].map(titles)) if len(frame) else frame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The other tables of `abl table --show`, by name, in full precision."""
        made: dict[str, Table] = dict(facts_tables(self.outcome))
        made |= study_tables(self.outcome, own_frames(self.store, self.outcome))
        return {name: _frame(table) for name, table in made.items()}

    def figures(self) -> Mapping[str, Figure]:
        """Its figures as matplotlib objects, by the names of the files in its folder."""
        from abl.app.keeping import drawn_figures

        return drawn_figures(kept_analysis(self.store, self.outcome))

    def _title(self, arm: ArmOutcome) -> str:
        return words_of(arm, self.outcome) if self.outcome.axes else self.outcome.name

    def _of_arm(self, arm: ArmOutcome) -> pd.DataFrame:
        frame = arm.replicates.copy()
        for at, (name, value) in enumerate(arm.params.items()):
            if name not in frame:
                frame.insert(at, name, value)
        frame.insert(0, "arm", self._title(arm))
        return frame

    def _repr_html_(self) -> str:
        # matplotlib, which frames do not need
        from abl.report.figures.forest import forest_figure
        from abl.report.figures.style import figure_bytes

        figure = forest_figure(self.outcome)
        drawn = "" if figure is None else figure_bytes(figure, "svg").decode()
        drawn = drawn[max(drawn.find("<svg"), 0) :]  # without the head of a file
        return f"<div>{drawn}</div>{fragment_of(styled_table(self.outcome))}"


def _frame(table: Table) -> pd.DataFrame:
    return pd.DataFrame(list(table.raw_rows), columns=list(table.raw_columns))
