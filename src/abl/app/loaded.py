"""A sweep file that was read and checked, with the store it works on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import cast

import pandas as pd

from abl.data.manifest import UNKNOWN_MEANS
from abl.data.read_changes import read_changes
from abl.data.tables.who_is_who import name_notes, torn_note
from abl.data.view_reads import everything_trains, training_reads
from abl.data.views import FRAME
from abl.errors import InputError, StageError, nearest, raise_if_any
from abl.plan.bundles import bundle_notes
from abl.plan.graph import Plan, wanted_stages
from abl.plan.kept_dynamics import dynamics_notes
from abl.plan.kept_features import keep_features
from abl.plan.reasons import Reason, reasons_of
from abl.plan.scored_part import as_scored, scored_part
from abl.plan.stage import Stage
from abl.record.recipes import recipes_of
from abl.record.store import Store
from abl.spec.pointless import CHANGES_NOTHING, unread_settings
from abl.spec.read import SweepFile
from abl.spec.reset_settings import reset_notes
from abl.spec.splits import SharedSplits
from abl.spec.yaml_file import Document, yaml_text
from abl.stages.inputs import Workspace
from abl.studies.contract import Study, studies, study_named
from abl.studies.shared.checks import load_problems
from abl.studies.shared.idle_axes import with_idle_axes
from abl.studies.shared.odd_settings import idle_mask_notes, odd_notes
from abl.studies.shared.published_protocol import departure_notes, departures_done


def study_of(file: SweepFile) -> Study:
    """The study a sweep names; with a search in the file, of arms with fixed and tuned settings.

    Raises:
        InputError: Unknown study.
    """
    name = file.sweep.study
    study = study_named(name)
    if study is None:
        known = studies()
        raise InputError(
            file.problem(f"study: '{name}' is not known: {nearest(name, known)}", "study")
        )
    if file.sweep.search is None:
        return study
    from abl.studies.searching.tuned_study import TunedStudy

    return cast(Study, TunedStudy(study))


@dataclass(repr=False)
class LoadedSweep:
    """A sweep file that was read and checked, with the store it works on.

    Attributes:
        document: The file as it was read.
        file: The sweep and its lines.
        study: What asks the question.
        workspace: Store, data roots, opened data sets.
        root: The mlruns folder.
        shrunk: Whether `--smoke` changed what the file says.
    """

    document: Document
    file: SweepFile
    study: Study
    workspace: Workspace
    root: Path
    shrunk: bool = False

    def __repr__(self) -> str:
        return f"<LoadedSweep {self.name} ({self.study.name})>"

    @property
    def name(self) -> str:
        return self.file.sweep.name

    @property
    def text(self) -> str:
        """The sweep file that says what is run."""
        if not self.shrunk:
            return self.document.text
        settings = self.file.sweep.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return "# shrunk by --smoke\n" + yaml_text(settings)

    @property
    def store(self) -> Store:
        """Where finished stages lie."""
        return self.workspace.store

    @cached_property
    def plan(self) -> Plan:
        """Arms, replicates and stages; reads the manifest, executes nothing."""
        plan = self._expanded
        plan.notes += [note for opened in self.workspace.opened() for note in opened.mask_notes]
        followed = departures_done(self.file, self.study, plan.arms)
        plan.notes += departure_notes(followed)
        plan.notes += self.name_notes + self.setting_notes
        plan.notes += dynamics_notes(plan) + bundle_notes(plan)
        unknown = [
            f"{opened.dataset.name}: {note}"
            for opened in self.workspace.opened()
            for note in opened.dataset.notes
            if note.endswith(UNKNOWN_MEANS)
        ]
        plan.notes += dict.fromkeys(unknown)
        if self.workspace.absent:
            plan.notes.append(
                f"ImageNet weights of {', '.join(self.workspace.absent)} are not on this machine: "
                "`abl sweep` fetches them first"
            )
        plan.notes[:] = [as_scored(note, scored_part(followed)) for note in plan.notes]
        return plan

    @cached_property
    def _expanded(self) -> Plan:
        """The plan as its study makes it, without what is said of the whole sweep."""
        self.use_names()
        try:
            plan = self.study.expand(self.file, self.workspace)
            raise_if_any(self.workspace.problems)
            if plan.fronts:
                keep_features(plan, self.file.sweep.resources)
        except InputError as error:
            placed = [self.file.placed(problem) for problem in error.problems]
            raise InputError(placed) from None
        return plan

    @cached_property
    def setting_notes(self) -> list[str]:
        """What its plan says of settings that change nothing, or can hardly be meant."""
        file, plan, opened = self.file, self._expanded, self.workspace.opened()
        of_data = [note for each in opened for note in each.dataset.notes]
        no_use = dict.fromkeys(note for note in of_data if CHANGES_NOTHING in note)
        return [
            *unread_settings(file.sweep, file.places.lines),
            *reset_notes(file.sweep, file.places.lines),
            *with_idle_axes(plan.idle, [*no_use, *idle_mask_notes(opened)]),
            *odd_notes(plan.sweeps, self.workspace),
        ]

    @property
    def name_notes(self) -> list[str]:
        """What is told of names in its data that look alike; needs the plan."""
        notes: list[str] = []
        for opened in self.workspace.opened():
            told = name_notes(opened.dataset.notes)
            notes += told
            if told:
                sides = (split.items() for split in opened.splits.values())
                notes.append(torn_note(opened.dataset.frame, sides))
        return list(dict.fromkeys(filter(None, notes)))

    def use_names(self) -> None:
        """Makes the names of its own file those in use: another sweep may have been read since."""
        raise_if_any(load_problems(self.file))

    def fetch_weights(self) -> None:
        """Fetches the hub weights that the plan names, before anything is trained."""
        if self.workspace.fetch_weights():
            self.__dict__.pop("plan", None)

    def reasons(self, done: Collection[str], said: Mapping[str, str]) -> dict[str, Reason]:
        """Digest -> why, of each stage that `abl sweep` would compute.

        Args:
            done, said: As the store's `usable` gives them for the plan's stages.
        """
        missing = wanted_stages(self.plan.stages, done).keys() - set(done)
        if not missing:
            return {}
        why = {}
        for digest, text in said.items():
            start = f"{self.plan.stages[digest].label}: "
            why[digest] = text.removeprefix(start).removesuffix(", computed again")

        @cache
        def frame_of(view: str) -> pd.DataFrame | None:
            try:
                return pd.read_parquet(self.store.shared.cached(f"view-{view}") / FRAME)
            except (OSError, ValueError, StageError):  # gone, or damaged
                return None

        def changes(new: Stage, old: Stage) -> list[str]:
            then = frame_of(str(old.context.get("view")))
            if then is None or "view" not in new.context:
                return []
            opened = self.workspace.behind(str(new.context["view"]))
            now = opened.dataset.frame
            if "splits" not in new.context:
                reads = training_reads(now, everything_trains(len(now)))
                return read_changes(then, now, None, labelled=new.reads == reads)
            splits = SharedSplits.model_validate(new.context["splits"])
            at = (splits, int(new.context["repeat"]), int(new.context["fold"]))
            own = [splits.column] if splits.kind == "column" else []
            groups = ["patient", "nodule", "group", *own]
            is_labelled = new.reads == opened.reads(*at)
            return read_changes(then, now, opened.split(*at), labelled=is_labelled, groups=groups)

        found = reasons_of(self.plan.stages, done, why, recipes_of(self.store), changes)
        return {digest: found[digest] for digest in self.plan.stages if digest in missing}
