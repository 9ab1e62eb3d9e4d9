"""The `features` stage: what the frozen part of a network gives for every image, kept once."""

from __future__ import annotations

from typing import Any

from abl.data.views import all_reads
from abl.errors import StageError
from abl.runner.execute import Work, kind
from abl.runner.networks import device_of, ready_to_build, train_settings
from abl.runner.seen import view_of
from abl.spec.data import Image

FEATURES = "features.npy"


@kind("features")
def features(work: Work) -> dict[str, Any]:
    """Writes features.npy: fixed views x images x the features' shape."""
    import torch

    from abl.nets.cut import front_of
    from abl.nets.model import design_of
    from abl.train.features import write_features
    from abl.train.feed import PixelFeed
    from abl.train.process import release_memory, reset_process

    stage = work.stage
    view = view_of(work)
    if all_reads(view.frame) != stage.reads:
        raise StageError("the images here are not those of the plan: clear the store's cache")
    settings = train_settings(stage, work.store)
    image = Image.model_validate(stage.settings["image"])
    ready_to_build(work, settings)
    device = device_of(stage)
    reset_process(
        int(stage.seed or 0), threads=settings.threads, deterministic=settings.deterministic
    )
    found = front_of(design_of(settings, image, int(stage.settings["classes"])))
    if found is None or found[0] != stage.settings["point"]:
        raise StageError("the network has no frozen part that ends where the plan says")
    place = torch.device(device)
    feed = PixelFeed(view.pixel_set(), image, settings, seed=0, device=place)
    kept = write_features(work.out / FEATURES, found[1].to(place), feed, settings)
    facts = {"shape": list(kept.shape), "megabytes": round(kept.nbytes / 1e6, 3), "device": device}
    del kept
    release_memory()
    return facts
