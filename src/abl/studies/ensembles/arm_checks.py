"""What is wrong with an arm of an ensembles sweep: its names, layers and settings."""

from __future__ import annotations

from abl.decide.classifiers.names import CLASSIFIERS
from abl.errors import InputError, nearest
from abl.nets.registry import check_network
from abl.plan.graph import Arm
from abl.spec.sweep import Sweep
from abl.stages.combine import HOW, MEAN
from abl.studies.ensembles.options import Options
from abl.studies.ensembles.sets import CHOSEN, OWN, classifiers_of, set_fault, sets_of
from abl.studies.ensembles.sources import PANEL, layer_in


def faults_of_sets(arm: Arm, sweep: Sweep, options: Options) -> list[tuple[str, str]]:
    """(setting, what is wrong with it and what to type instead) of an arm.

    Args:
        sweep: With the arm's settings, as `options`.
    """
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
    tuned = str(arm.params.get("fine_tuned", PANEL))
    if tuned not in (words := (PANEL, "yes", "no", "true", "false")):
        text = f"fine_tuned: '{tuned}' is not known: {nearest(tuned, words)}"
        faults.append(("fine_tuned", text))
    if sweep.data.modality in ("both", "mixed"):
        text = f"data.modality: {sweep.data.modality}: features are of one image: first, second"
        faults.append(("data.modality", text))
    plain = (sweep.train.head, sweep.train.fusion, sweep.train.attention.variant)
    if plain != ("fc", "none", "none"):
        text = "train: features are of a network's own layers: leave head, fusion and attention"
        faults.append(("train.head", text))
    return faults or _layer_faults(arm, sweep, options, value)


def _layer_faults(arm: Arm, sweep: Sweep, options: Options, value: str) -> list[tuple[str, str]]:
    every = tuple(options.panel)
    names = every if value == CHOSEN else {n for s in sets_of(value, every) for n in s}
    faults = []
    for name in every:
        if name not in names:
            continue
        try:
            layer_in(name, arm, sweep, options)
        except InputError as error:
            axis = "layer" if "layer" in arm.named else f"options.panel.{name}"
            faults.append((axis, f"{axis}: {error}"))
    return faults
