"""Study mask_guided: attention modules guided by a mask of the nodule, and where they should stand.

Source: Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174. Controls: masks that are true,
elliptic, everywhere one or elsewhere, and attention that needs no mask (se, cbam).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from abl.errors import InputError, raise_if_any
from abl.plan.graph import Arm, Plan
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames, shown_arms
from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import OwnWeaknesses
from abl.spec.attention import looks_at_mask
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.mask_guided.localisation import looked_at, with_looked
from abl.studies.mask_guided.notes import design_weaknesses, idle_notes
from abl.studies.mask_guided.pictures import Seen, pictures_of
from abl.studies.shared.activations import ACTIVATIONS, add_activation
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.checks import NETWORK, WEIGHTS, design_faults, weights_faults
from abl.studies.shared.departure import NO_VALIDATION, SCORED_ON_VALIDATION, Departure
from abl.studies.shared.external import internal_file
from abl.studies.shared.single_network import ROLE, SingleNetwork

if TYPE_CHECKING:
    from abl.report.tables.stated_tables import StatedTables

OF_BRANCH = ("train.attention.detach", "train.attention.alpha", "train.attention.segmentation")


def placements(word: Any, sweep: Sweep) -> tuple[Any, ...]:
    """The placements that a word stands for, in the network of the train block."""
    if word not in ("each_without", "each_alone", "subsets"):
        return (in_order(str(word)),)
    from abl.nets.attention_points import attention_points_of

    try:
        found = attention_points_of(
            sweep.train.network,
            classes=len(sweep.data.classes),
            channels=sweep.image.channels,
            image_size=sweep.image.size,
        )
    except InputError:
        return (word,)  # told where the network is checked
    names = [point.name for point in found.levels]
    if word == "each_without":
        return tuple(f"-{name}" for name in names)
    if word == "each_alone":
        return tuple(names)
    some = [c for size in range(1, len(names)) for c in combinations(names, size)]
    return ("all", *("+".join(each) for each in some))


def in_order(word: str) -> str:
    """A placement with its points sorted: L1+L0 is L0+L1."""
    sign = "-" if word.startswith("-") else ""
    return sign + "+".join(sorted(word.removeprefix("-").split("+")))


class Options(Part):
    """Settings of the mask_guided study."""

    activation: bool = Field(
        True,
        description="Share of each network's class activation map that lies inside the nodule, "
        "and figures of masks and maps.",
    )
    show: tuple[str, ...] = Field(
        (), description="Names of images to draw; the worst ones are drawn beside them."
    )


@study
class MaskGuidedStudy(SingleNetwork):
    """Arms are (variant, placement, mask, network, weights)."""

    name: ClassVar[str] = "mask_guided"
    description: ClassVar[str] = "Mask-guided attention and its placements (Liu 2026)."
    options: ClassVar[type[Part]] = Options
    # Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174
    departures: ClassVar[tuple[Departure, ...]] = (SCORED_ON_VALIDATION, NO_VALIDATION)
    # of a smaller phantom the named images may be missing
    smoke_options: ClassVar[Mapping[str, Any]] = {"show": []}
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis(
            "variant",
            "Attention: none (base), channel, spatial, serial, parallel; controls without a mask: "
            "se, cbam.",
            setting="train.attention.variant",
            words=True,
        ),
        StudyAxis(
            "placement",
            "Where modules stand: all, L0, L1+L3, -L2 (all but it), blocks; each_without, "
            "each_alone and subsets stand for several.",
            setting="train.attention.points",
            words=True,
            wide=placements,
        ),
        StudyAxis(
            "mask",
            "What guides them: predicted by the segmentation branch; controls: true, ellipse, "
            "full, random.",
            setting="train.attention.mask",
            words=True,
        ),
        NETWORK,
        WEIGHTS,
    )

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        variant, mask = str(own.get("variant", "parallel")), own.get("mask", "predicted")
        guided = looks_at_mask(variant)
        drop = set() if guided else {"mask"}
        if not guided or mask in ("true", "full", "random"):
            drop.add("train.attention.jitter")
        if variant == "none":
            drop |= {"placement", "train.attention.reduction"}
        if not guided or mask != "predicted":
            drop |= {axis for axis in axes if axis.startswith(OF_BRANCH)}
        return set(axes) - drop

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        found = weights_faults(arm, file)
        attention = sweep.train.attention
        if attention.variant != "none" and sweep.data.modality != "first":
            text = f"data.modality: {sweep.data.modality} has no attention modules: use first"
            found.append(("variant", text))
        if attention.variant != "none" and sweep.image.fit != "square":
            found.append(("variant", "image.fit: own has no attention modules: use square"))
        return found or design_faults(sweep)

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """As of one network, and where each network looks on its test images."""
        plan = super().expand(file, workspace)
        plan.notes += idle_notes(file, self.relevant)
        options, inner = options_of(file, Options), internal_file(file)
        if not options.activation:
            return plan
        data = workspace.data(inner.sweep.data).dataset
        unknown = [name for name in options.show if name not in set(data.frame["image"])]
        said = [f"options.show: no image '{name}' in {data.name}" for name in unknown]
        raise_if_any([file.problem(text, "options", "show") for text in said])
        for cell in plan.cells:
            add_activation(plan, workspace, plan.sweeps[cell.arm], cell, cell.uses[ROLE])
        return plan

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """As of one network; maps and masks are read when the table is made."""
        analysis = super().analyse(file, plan, workspace)
        inner, store = internal_file(file), workspace.store
        settings, looked, seen = self.settings(inner), {}, []
        for at, planned in enumerate(plan.cells_by_arm()):
            row = analysis.outcome.arms[at]
            if row.failed:
                continue
            sweep = settings.of(plan.arms[at])
            cells = tuple((cell, cell.uses[ROLE]) for cell in planned)
            frame = workspace.data(sweep.data).dataset.frame
            looked[at] = looked_at(store, plan, cells, frame, inner.sweep.resamples // 5)
            mapped = [plan.beside_of(ACTIVATIONS, training) for _, training in cells]
            if all(digest and store.has(digest) for digest in mapped):
                seen.append(Seen(row, sweep, cells))
        show = options_of(file, Options).show
        outcome = with_looked(analysis.outcome, looked)
        said = tuple(f"{note}." for note in idle_notes(file, self.relevant))
        return replace(
            analysis,
            outcome=replace(outcome, notes=(*outcome.notes, *said)),
            pictures=pictures_of(analysis.outcome, plan, workspace, seen, show),
        )

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        """Placements, shares inside and maps; small confusion matrices, as it has many arms."""
        from abl.report.figures.maps import maps_figure
        from abl.report.figures.predictions import MOST_MATRICES, confusion_figure
        from abl.studies.mask_guided.figures import inside_figure, placement_figure

        classes = frames.classes(outcome)
        found: dict[str, Draw] = {
            "placement": lambda: placement_figure(outcome),
            "inside": lambda: inside_figure(outcome),
            "maps": lambda: maps_figure(frames.pictures, classes),
        }
        many = shown_arms(outcome, frames.predictions, most=MOST_MATRICES)
        if many.arms:
            found["confusion"] = lambda: confusion_figure(many, classes, counts=False)
        return found

    def stated(self) -> StatedTables:
        from abl.studies.mask_guided.stated import STATED

        return STATED

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return OwnWeaknesses(design_weaknesses(facts))
