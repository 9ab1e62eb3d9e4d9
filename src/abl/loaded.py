"""A sweep file that was read and checked, with the store it works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from abl.errors import InputError, raise_if_any
from abl.plan.graph import Plan
from abl.plan.kept_features import keep_features
from abl.record.store import Store
from abl.spec.read import SweepFile
from abl.spec.yaml_file import yaml_text
from abl.stages.inputs import Workspace
from abl.studies.base import Study


@dataclass(repr=False)
class LoadedSweep:
    """A sweep file that was read and checked, with the store it works on.

    Attributes:
        file: The sweep and its lines.
        study: What asks the question.
        workspace: Store, data roots, opened data sets.
        root: The mlruns folder.
        shrunk: Whether `--smoke` changed what the file says.
    """

    file: SweepFile
    study: Study
    workspace: Workspace
    root: Path
    shrunk: bool = False

    def __repr__(self) -> str:
        return f"<LoadedSweep {self.name} ({self.study.name})>"

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.file.sweep.name

    @property
    def text(self) -> str:
        """The sweep file that says what is run."""
        if not self.shrunk:
            return self.file.document.text
        settings = self.file.sweep.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return "# shrunk by --smoke\n" + yaml_text(settings)

    @property
    def store(self) -> Store:
        """Where finished stages lie."""
        return self.workspace.store

    @cached_property
    def plan(self) -> Plan:
        """Arms, replicates and stages; reads the manifest, executes nothing."""
        try:
            plan = self.study.expand(self.file, self.workspace)
            raise_if_any(self.workspace.problems)
            keep_features(plan, self.file.sweep.resources)
        except InputError as error:
            placed = [self.file.placed(problem) for problem in error.problems]
            raise InputError(placed) from None
        if self.workspace.absent:
            plan.notes.append(
                f"ImageNet weights of {', '.join(self.workspace.absent)} are not on this machine: "
                "`abl sweep` fetches them first"
            )
        return plan

    def fetch_weights(self) -> None:
        """Fetches the hub weights that the plan names, before anything is trained."""
        if self.workspace.fetch_weights():
            self.__dict__.pop("plan", None)
