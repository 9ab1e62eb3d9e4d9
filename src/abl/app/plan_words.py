"""What people call the arms and trainings of a plan: by the words of its tables."""

from __future__ import annotations

from collections import Counter

from abl.app.loaded import LoadedSweep
from abl.plan.graph import Replicate


def arms_in_words(loaded: LoadedSweep) -> list[str]:
    """The arms of a sweep, in order, as its tables name them."""
    from abl.report.named import planned_words

    return planned_words(loaded.plan.arms, loaded.name, loaded.file.sweep.labels)


def notes_in_words(loaded: LoadedSweep) -> list[str]:
    """The notes of a sweep's plan, with the metric that decides as its file calls it."""
    from abl.report.labels import label_in, metric_label
    from abl.report.named import planned_outcome

    sweep, plan = loaded.file.sweep, loaded.plan
    label = label_in(planned_outcome(plan.arms, sweep.name, sweep.labels), sweep.primary)
    own = metric_label(sweep.primary)
    return [note.replace(f" in {own} of ", f" in {label} of ") for note in plan.notes]


def stages_in_words(loaded: LoadedSweep) -> dict[str, str]:
    """Digest -> `train plain4 · rotate_deg 30 r0 f1 s0`, of trainings that one arm alone asks for.

    The label of a stage names its network: of two arms that differ by another setting it says the
    same. Those of several arms, and of a sweep with one, are called by it.
    """
    plan = loaded.plan
    if len(plan.arms) < 2:
        return {}
    asked: dict[str, set[tuple[int, Replicate]]] = {}
    for cell in plan.cells:
        for digest in cell.uses.values():
            if plan.stages[digest].kind == "train":
                asked.setdefault(digest, set()).add((cell.arm, cell.replicate))
    arms = arms_in_words(loaded)
    alone = {digest: next(iter(by)) for digest, by in asked.items() if len(by) == 1}
    named = {digest: f"train {arms[arm]} {replicate}" for digest, (arm, replicate) in alone.items()}
    # an arm may train several networks a replicate
    times = Counter(named.values())
    return {digest: name for digest, name in named.items() if times[name] == 1}
