"""Study ensembles: classifiers of the features of one or several networks, and their ensembles.

Source: Lee, Ha, Kim, Moon, Byon, Huh, Son, Yoon, Han, Kwak, Sci. Rep. 2019,
doi 10.1038/s41598-019-56395-x.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from abl.decide.classifiers.names import CLASSIFIERS
from abl.errors import InputError, nearest
from abl.nets.registry import check_network
from abl.plan.graph import Arm
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.combine import HOW, MEAN
from abl.stages.train import Trainings
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.ensembles.fits import (
    OWN,
    PANEL,
    EnsembleStages,
    source_of,
)
from abl.studies.ensembles.options import Options
from abl.studies.ensembles.sets import (
    CHOSEN,
    classifiers_of,
    expanded,
    set_fault,
    sets_of,
)
from abl.studies.shared.single_network import SingleNetwork, TrainedBy


def _wide_sets(value: Any, sweep: Sweep) -> tuple[Any, ...]:
    panel = sweep.options.get("panel")
    if not isinstance(value, str) or not isinstance(panel, dict):
        return (value,)
    members = [
        str(name)
        for name, member in panel.items()
        if not isinstance(member, dict) or member.get("in_all", True)
    ]
    return expanded(value, members)


@study
class EnsemblesStudy(SingleNetwork):
    """Arms are (networks, layer, fine_tuned, classifier, ensemble)."""

    name: ClassVar[str] = "ensembles"
    description: ClassVar[str] = "Classifiers of several networks' features (Lee 2019)."
    options: ClassVar[type[Part]] = Options
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis(
            "networks",
            "Of options.panel: A+V concatenates features, A+V|R is two such sets. all, size 2, "
            "size 1-3: every such concatenation. chosen: the best on validation images, in each "
            "replicate.",
            "all",
            words=True,
            wide=_wide_sets,
        ),
        StudyAxis(
            "layer",
            "Of every network: fc1, fc2, avg, last (the last fully connected one, else avg), a "
            "module's name; panel: as options.panel says.",
            PANEL,
            words=True,
        ),
        StudyAxis(
            "fine_tuned",
            "Whether networks are trained on the training part first: yes, no, panel.",
            PANEL,
            words=True,
        ),
        StudyAxis(
            "classifier",
            "svm, svm_rbf, rf, logistic, boosting; svm+rf: both, joined as `ensemble` says; own: "
            "the fine-tuned network's; chosen: of options.candidates, the best on validation.",
            "svm",
            words=True,
        ),
        StudyAxis(
            "ensemble",
            "How predictions of several classifiers and sets become one: mean (over sets, of the "
            "means over classifiers), weighted (on validation), stacked (out of fold).",
            MEAN,
            words=True,
        ),
    )

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        """No layer of a network that answers itself; no ensemble of one prediction."""
        kept = super().relevant(own, axes)
        word, value = str(own.get("classifier", "svm")), str(own.get("networks", ""))
        used = classifiers_of(word)
        parts = len(used) * (1 + value.count("|"))
        if parts == 1 and not (word == OWN and "+" in value):
            kept.discard("ensemble")
        if CHOSEN in (word, value):
            kept.discard("ensemble")
        if used == (OWN,):
            kept -= {"layer", "fine_tuned"}
        if word == CHOSEN:
            return kept
        unused = {name for name in CLASSIFIERS if name not in used}
        unused |= set() if value == CHOSEN else {"candidates"}
        return {
            axis
            for axis in kept
            if axis.split(".")[:1] != ["options"] or axis.split(".")[1] not in unused
        }

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        options = options_of(replace(file, sweep=sweep), Options)
        value, word = str(arm.params["networks"]), str(arm.params["classifier"])
        how = str(arm.params.get("ensemble", MEAN))
        faults = [
            (f"options.panel.{name}", f"options.panel.{name}: {wrong}")
            for name, member in options.panel.items()
            if (wrong := check_network(member.network))
        ]
        if wrong := set_fault(value, tuple(options.panel)):
            faults.append(("networks", wrong))
        known = (*CLASSIFIERS, OWN, CHOSEN)
        named = () if word == CHOSEN else classifiers_of(word)
        named += options.candidates.classifiers if word == CHOSEN else ()
        for each in named:
            for one in classifiers_of(each):
                if one not in known or one == CHOSEN:
                    text = f"classifier: '{one}' is not known: {nearest(one, known)}"
                    faults.append(("classifier", text))
        if how not in HOW:
            faults.append(("ensemble", f"ensemble: '{how}' is not known: {nearest(how, HOW)}"))
        plain = (sweep.train.head, sweep.train.fusion, sweep.train.attention.variant)
        if plain != ("fc", "none", "none"):
            text = "train: features are of a network's own layers: leave head, fusion and attention"
            faults.append(("train.head", text))
        return faults or self._layer_faults(arm, sweep, options, value)

    def _layer_faults(
        self, arm: Arm, sweep: Sweep, options: Options, value: str
    ) -> list[tuple[str, str]]:
        every = tuple(options.panel)
        names = every if value == CHOSEN else {n for s in sets_of(value, every) for n in s}
        faults = []
        for name in every:
            if name not in names:
                continue
            try:
                source_of(name, arm, sweep, options)
            except InputError as error:
                axis = "layer" if "layer" in arm.named else f"options.panel.{name}"
                faults.append((axis, f"{axis}: {error}"))
        return faults

    def facts(self, file: SweepFile) -> dict[str, Any]:
        panel = options_of(file, Options).panel
        return {"panel": {name: member.model_dump(mode="json") for name, member in panel.items()}}

    def trained_by(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ) -> TrainedBy:
        return EnsembleStages(file, arms, sweeps, trainings).trained
