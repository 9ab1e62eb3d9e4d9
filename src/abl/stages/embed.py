"""The `embed` stage: what a layer of a network gives for every image of a data set, kept once.

No label is read. Features of a network that is not fine-tuned depend on no split either: one stage
serves all folds, subsets of networks and classifiers.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abl.data.view_reads import all_reads
from abl.data.views import View
from abl.errors import StageError
from abl.nets.user_module import component_identity
from abl.plan.stage import Stage, StageResources
from abl.record.store import Store
from abl.spec.base import identity_of
from abl.spec.sweep import Sweep
from abl.spec.train import Train
from abl.stages.identity import seen_settings
from abl.stages.inputs import OpenData, whole_view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import NETWORK, last_weights, ready
from abl.stages.shared_pass import SharedPass

EMBEDDING, IMAGES = "embedding.npy", "images.parquet"
# settings that decide what a network computes, beside its weights
_OF_NETWORK = ("network", "memory_format", "threads", "deterministic")


def embed_stage(
    sweep: Sweep,
    opened: OpenData,
    view: str,
    layer: str,
    *,
    weights: Mapping[str, Any],
    inputs: Mapping[str, str],
    files: Mapping[str, str],
    resources: StageResources,
    flip: str = "none",
    tuned: str = "",
) -> Stage:
    """The stage that gives a layer's values for every image.

    Args:
        layer: As `nets.layers.Layer` names it.
        weights: `weights` of the identity of its training, if it has some.
        inputs, files: Of its training: what the network starts from, and where.
        flip: none, left_right, up_down or both: every image is reflected first.
        tuned: Digest of the training by which it was fine-tuned, "" if it was not.
    """
    train = sweep.train
    asked = Train.model_validate({name: getattr(train, name) for name in _OF_NETWORK})
    settings: dict[str, Any] = {
        "train": identity_of(asked) | ({} if tuned else dict(weights)),
        "image": identity_of(sweep.image),
        "classes": len(opened.dataset.classes),
        "layer": layer,
        **component_identity(asked.components),
        **seen_settings(sweep, opened),
        **({"flip": flip} if flip != "none" else {}),
    }
    is_random = not tuned and not weights and not inputs
    kept = {name: place for name, place in files.items() if not (tuned and name == "weights")}
    flipped = f" flipped {flip.replace('_', '-')}" if flip != "none" else ""
    return stage_of(
        "embed",
        settings,
        inputs={NETWORK: tuned} if tuned else dict(inputs),
        reads=all_reads(opened.dataset.frame),
        seed=0 if is_random else None,
        context={"view": view, **kept},
        resources=resources,
        label=f"embed {train.network} {layer}{' fine-tuned' if tuned else ''}{flipped}",
    )


@kind("embed", version=1)
def embed(work: Work) -> dict[str, Any]:
    """Writes embedding.npy, float32 (N, width), and images.parquet: image, in its order."""
    shared = SharedPass(work)
    if (facts := shared.taken()) is not None:
        return facts
    with shared.others() as others, shared.room() as room:
        if (facts := shared.taken()) is not None:  # a moment ago
            return facts
        return _computed(work, shared, others, room)


def _computed(
    work: Work, shared: SharedPass, others: Mapping[str, str], room: Path
) -> dict[str, Any]:
    """Computes a stage's layer, and those of others in the same pass; the stage's facts.

    Args:
        others: Digest -> layer.
        room: For their files.
    """
    import torch

    from abl.nets.build import build_network
    from abl.nets.layers import Embedder, layer_of
    from abl.nets.weights import load_state, read_state
    from abl.train.embedding import write_embeddings
    from abl.train.feed import PixelFeed
    from abl.train.process import release_memory

    view, asked = whole_view_of(work), ready(work)
    train, image, settings = asked.train, asked.image, work.stage.settings
    takes = {"classes": asked.classes, "channels": image.channels, "image_size": image.size}
    given = train.weights if isinstance(train.weights, str) else "none"
    network = build_network(train.network, **takes, weights=given)
    if NETWORK in work.stage.inputs:
        digest = work.stage.inputs[NETWORK]
        path = last_weights(work.store, digest, "the network's weights")
        load_state(network, read_state(path), source=f"stage {digest[:12]}")
    names = [str(settings["layer"]), *others.values()]
    layers = [layer_of(train.network, name, **takes) for name in names]
    network = network.to(asked.device)
    if train.is_channels_last:
        network = network.to(memory_format=torch.channels_last)
    embedder = Embedder(network, layers)
    feed = PixelFeed(view.pixel_set(), image, train, seed=0, device=asked.device)
    flip = str(settings.get("flip", "none"))
    paths = [work.out / EMBEDDING, *(room / f"{other}.npy" for other in others)]
    widths = write_embeddings(paths, embedder, feed, flip)
    del network, embedder, feed
    release_memory()
    images = work.out / IMAGES
    view.frame[["image"]].to_parquet(images, index=False, compression="zstd")
    facts = [{"images": len(view.frame), "width": width, **asked.facts} for width in widths]
    for other, path, said in zip(others, paths[1:], facts[1:], strict=True):
        copy = room / f"{other}.parquet"
        shutil.copyfile(images, copy)
        shared.leave(other, {EMBEDDING: path, IMAGES: copy}, said)
    shared.forget()  # what another pass has left meanwhile
    return facts[0]


def embedding_of(store: Store, digest: str, view: View) -> np.ndarray:
    """A kept embedding, float32 (N, width), read-only, in the order of a view's rows.

    It stays on the disk, unless the rows have another order.

    Raises:
        StageError: It is not there, damaged, or of other images.
    """
    kept: np.ndarray = np.load(store.file(digest, EMBEDDING), mmap_mode="r")
    named = pd.Index(pd.read_parquet(store.file(digest, IMAGES))["image"])
    at = named.get_indexer(view.frame["image"])
    if len(named) != len(at) or (at < 0).any():
        raise StageError("kept features are not of these images: clear the store's cache")
    return kept if np.array_equal(at, np.arange(len(at))) else kept[at]
