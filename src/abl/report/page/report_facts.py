"""What a report says of a sweep beside its numbers: settings, data and their parts, replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from abl.decide.replicates import KEYS
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import label_in
from abl.report.page.arm_settings import own_arms, settings_of_arms
from abl.report.page.data_parts import DataPart, SplitSize, data_parts, scored_units
from abl.spec.read import read_form
from abl.spec.sweep import Sweep
from abl.spec.yaml_file import document_from

# arms with one of these values separate a mechanism from more training, ensembling or capacity
CONTROLS = frozenset({"retrained", "matched", "null", "random", "shuffled", "ellipse", "full"})


@dataclass(frozen=True, eq=False)
class ReportFacts:
    """An outcome with what else is known of its sweep.

    Attributes:
        sweep: The sweep file as read; None if it cannot be.
        data: The data of the arms; several where an axis changes the data or their splits.
        drawn: Names of the figures on the page.
        scored: unit, patient of the test predictions that were kept, each once.
    """

    outcome: Outcome
    sweep: Sweep | None
    data: Sequence[DataPart]
    drawn: frozenset[str] = frozenset()
    scored: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def sizes(self) -> Mapping[str, SplitSize]:
        """Role -> size of that part of the splits, of the first data."""
        return self.data[0].sizes if self.data else {}

    @cached_property
    def settings(self) -> list[dict[str, Any]]:
        """Blocks of the sweep file as arms had them: see arm_settings; [] without the file."""
        return [] if self.sweep is None else settings_of_arms(self.outcome, self.sweep)

    @cached_property
    def arms(self) -> list[ArmOutcome]:
        """Arms that have numbers."""
        return [arm for arm in self.outcome.arms if not arm.failed]

    @cached_property
    def imported(self) -> list[ArmOutcome]:
        """Arms that were trained elsewhere."""
        keys = set(self.outcome.facts.imported)
        return [arm for arm in self.outcome.arms if arm.key in keys]

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """Distinct repeat, fold, seed."""
        rows = [a.replicates[KEYS] for a in self.arms if set(KEYS) <= set(a.replicates.columns)]
        return pd.concat(rows).drop_duplicates() if rows else pd.DataFrame(columns=KEYS)

    @property
    def splits(self) -> int:
        """Distinct (repeat, fold)."""
        return len(self.replicates[["repeat", "fold"]].drop_duplicates())

    @property
    def seeds(self) -> int:
        """Distinct seeds."""
        return int(self.replicates["seed"].nunique())

    @property
    def test_reads(self) -> int:
        """How many times a test set was read: once by each arm of the sweep on each replicate."""
        return sum(len(arm.replicates) for arm in own_arms(self.outcome))

    @cached_property
    def mixed(self) -> frozenset[str]:
        """Keys of the arms of which both images of a pair are samples of their own."""
        if self.sweep is None:
            return frozenset()
        ran = self.outcome.facts.ran.get("settings", ())
        default = self.sweep.data.modality
        return frozenset(
            self.outcome.arms[at].key
            for row in ran
            if row["changes"].get("data.modality", default) == "mixed"
            for at in row["arms"]
        )

    @property
    def all_mixed(self) -> bool:
        """Whether there are such arms, and no others that were trained here."""
        own = {arm.key for arm in self.arms} - {arm.key for arm in self.imported}
        return bool(self.mixed) and own <= self.mixed

    @property
    def published(self) -> bool:
        """Whether a paper's own protocol was followed."""
        return self.outcome.facts.protocol == "published"

    @property
    def departures(self) -> frozenset[str]:
        """What the sweep follows of a paper's protocol, by name."""
        return frozenset(str(row["name"]) for row in self.outcome.facts.departures)

    @property
    def generated(self) -> bool:
        """Whether the images of all arms are generated, external sets aside."""
        return bool(self.settings) and all(each["data"].get("phantom") for each in self.settings)

    @property
    def chooses_by(self) -> str:
        """Label of the metric by which an arm chooses what it chooses."""
        by = self.sweep.select_by if self.sweep is not None else None
        return label_in(self.outcome, by or self.outcome.primary)

    @property
    def unit(self) -> str:
        """What is scored: image, nodule, patient, or case if that is not known or differs."""
        units = {str(each["data"]["unit"]) for each in self.settings}
        if len(units) > 1:
            return "case"
        return next(iter(units), self.outcome.facts.unit or "case")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, as far as they are known."""
        return self.sweep.data.classes if self.sweep is not None else ()

    @property
    def has_controls(self) -> bool:
        """Whether some arm is a control of the study's mechanism."""
        values = {str(value) for arm in self.outcome.arms for value in arm.params.values()}
        return bool(values & CONTROLS)

    @property
    def compared(self) -> bool:
        """Whether arms were tested against one another."""
        tested = any(arm.comparison is not None for arm in self.outcome.arms)
        return tested or bool(self.outcome.facts.tests)

    @property
    def external(self) -> bool:
        """Whether an external set was scored."""
        return bool(self.outcome.facts.external) or any(
            r.startswith("external") for r in self.sizes
        )


def report_facts(
    outcome: Outcome,
    predictions: pd.DataFrame,
    networks: pd.DataFrame,
    sweep_text: str,
    data_summary: Sequence[Mapping[str, Any]] = (),
    drawn: Sequence[str] = (),
) -> ReportFacts:
    """What the frames, the sweep file and the data summary tell; each may be empty."""
    sweep = sweep_of(sweep_text)
    data = data_parts(outcome, predictions, networks, data_summary, sweep)
    known = ReportFacts(outcome, sweep, data, frozenset(drawn))
    mixed = known.mixed
    once = predictions
    if mixed and not known.all_mixed and "arm" in predictions:  # its images, not both of each pair
        once = predictions[~predictions["arm"].astype(str).isin(mixed).to_numpy()]
    return replace(known, scored=scored_units(once))


def sweep_of(text: str) -> Sweep | None:
    """The sweep that a text describes, None if it is none."""
    try:
        file, problems = read_form(document_from(text, Path("sweep.yaml")))
    except InputError:
        return None
    return None if problems or file is None else file.sweep
