"""What a choice by the mean over several splits has seen of their test images."""

from __future__ import annotations

from abl.plan.graph import Plan
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace


def shared_images_note(sweep: Sweep, plan: Plan, workspace: Workspace) -> str:
    """A sentence if test images of one split were validation images of another; "" if none were.

    With several folds one choice for all of them is not blind to any test set: for each one, other
    splits scored points on its images.
    """
    if sweep.search is None or sweep.search.scope == "by_split":
        return ""
    opened = workspace.data(sweep.data)
    tested: set[int] = set()
    validated: set[int] = set()
    for repeat, fold in dict.fromkeys((each.repeat, each.fold) for each in plan.replicates):
        split = opened.split(sweep.splits, repeat, fold)
        tested |= set(split.test.tolist())
        validated |= set(split.validation.tolist())
    seen = len(tested & validated)
    if not seen:
        return ""
    return (
        f"One choice for all splits: {100 * seen / len(tested):.0f} % of the test images were "
        "validation images of another split, so that scores of tuned arms may be a little too "
        "good; search: {scope: by_split} chooses for each split alone."
    )
