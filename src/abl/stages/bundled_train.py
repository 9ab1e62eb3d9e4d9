"""Train stages that are computed as one program; each writes its own files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abl.stages.kind import Work
from abl.stages.one_training import OpenTraining, open_training, write_training

Made = dict[str, Any] | Exception


def train_bundle(works: Sequence[Work]) -> list[Made]:
    """Computes train stages of one `bundle_key`; of each its facts, or what ended it.

    Raises:
        Exception: What ended all of them at once: the GPU is out of memory.
    """
    from abl.train.bundle import BundledTraining, fit_bundle
    from abl.train.feed import PixelFeed
    from abl.train.process import release_memory

    made: list[Made] = [{} for _ in works]
    opened: dict[int, OpenTraining] = {}
    for place, work in enumerate(works):
        try:
            opened[place] = open_training(work)
        except Exception as error:  # of this one: the others can be trained
            made[place] = error
    if not opened:
        return made
    feeds = [each.feed for each in opened.values() if type(each.feed) is PixelFeed]
    plain = [each for each in feeds if each.partner is None and each.modalities == 1]
    for feed in plain:  # of one view: its images are then read for all in one go
        feed.pixels = plain[0].pixels
    first = next(iter(opened.values()))
    trainings = [
        BundledTraining(
            each.network,
            each.feed,
            each.rows,
            each.asked.train,
            each.asked.image,
            each.asked.seed,
            each.oversight,
        )
        for each in opened.values()
    ]
    outcomes = fit_bundle(trainings, device=first.asked.device)
    for (place, each), outcome in zip(opened.items(), outcomes, strict=True):
        if outcome.result is None:
            made[place] = outcome.error or RuntimeError("a training ended without a result")
            continue
        try:
            facts = write_training(each, outcome.result)
            made[place] = {**facts, "bundle": outcome.members}
        except Exception as error:  # a disk that is full is told of the stage that filled it
            made[place] = error
    del opened, trainings, outcomes, first
    release_memory()
    return made
