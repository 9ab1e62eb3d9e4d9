"""A training's network with what it is fed: images, or the features of its frozen part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abl.data.pixel_sets import shuffled_partners
from abl.data.splits import Split
from abl.data.views import View
from abl.errors import StageError
from abl.runner.execute import Work
from abl.runner.features import FEATURES
from abl.spec.data import Image
from abl.spec.train import Train

if TYPE_CHECKING:  # importing torch takes seconds, which a driver with nothing to train is spared
    import torch
    from torch import nn

    from abl.nets.cut import Cut
    from abl.train.feed import Feed, PixelFeed


def feed_of(
    work: Work,
    view: View,
    split: Split,
    settings: Train,
    image: Image,
    classes: int,
    device: torch.device,
) -> tuple[nn.Module, Feed]:
    """The network of a train stage, on the CPU as it starts, and its feed.

    Raises:
        InputError: A network that cannot be made as asked.
        StageError: Kept features are damaged.
    """
    from abl.nets.build import build_network
    from abl.nets.cut import cut_of
    from abl.nets.graph import NotTraceableError
    from abl.nets.model import build_classifier, design_of
    from abl.train.feature_feed import FrontFeed, KeptFeed
    from abl.train.feed import PixelFeed

    if settings.attention.variant != "none":
        from abl.runner.guided import guided_of

        return guided_of(work, view, settings, image, classes, device)
    design = design_of(settings, image, classes)
    partner = _partners(work, view, split)
    pixels = view.pixel_set(partner)
    modalities = 2 if work.stage.settings.get("modality") == "both" else 1
    mixed = work.stage.settings.get("modality") == "mixed"
    feed = PixelFeed(
        pixels,
        image,
        settings,
        seed=int(work.stage.seed or 0),
        device=device,
        modalities=modalities,
        partner=partner,
        images=len(pixels) // 2 if mixed else None,
    )
    if (settings.head, settings.fusion, settings.frozen) == ("fc", "none", 0):
        plain = build_network(
            settings.network,
            classes=classes,
            channels=image.channels,
            image_size=image.size,
            weights=design.weights,
        )
        return plain, feed
    network = build_classifier(design)
    try:
        cut = cut_of(design, network) if settings.has_fixed_front(image) else None
    except NotTraceableError:
        cut = None
    if cut is None:
        return network, feed
    kept = _kept(work, feed, partner)
    if kept is None:
        return network, FrontFeed(feed, _on(cut, device))
    arrays, places = kept
    seed = int(work.stage.seed or 0)
    return network, KeptFeed(arrays, places, cut.behind, seed=seed, device=device)


def _on(cut: Cut, device: torch.device) -> Cut:
    for front in cut.fronts:
        front.to(device)
    return cut


def _partners(work: Work, view: View, split: Split) -> np.ndarray | None:
    if work.stage.settings.get("pairing") != "shuffled":
        return None
    return shuffled_partners(
        view.frame["label"].to_numpy(),
        view.frame["patient"].to_numpy(),
        [split.train, split.validation, split.test],
        int(work.stage.seed or 0),
    )


def _kept(
    work: Work, feed: PixelFeed, partner: np.ndarray | None
) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """Kept features of each branch, and whose features each row reads; None if there are none."""
    roles = sorted(work.stage.shortcuts)
    digests = [work.stage.shortcuts[role] for role in roles]
    if not digests or not all(work.store.has(digest) for digest in digests):
        return None
    arrays = [np.load(work.store.file(digest, FEATURES), mmap_mode="r") for digest in digests]
    rows = np.arange(len(feed.pixels))
    if feed.images < len(rows):  # both modalities one after the other, each with its own features
        return [_Joined(arrays[0], arrays[-1])], [rows]  # type: ignore[list-item]
    places = [rows, rows if partner is None else partner][: feed.modalities]
    if len(arrays) == 1 and feed.modalities == 2:  # the first modality twice
        arrays *= 2
    if any(array.shape[1] != len(rows) for array in arrays):
        raise StageError("kept features are not of these images: clear the store's cache")
    return arrays, places


class _Joined:
    """Two (K, N, ...) arrays as one (K, 2N, ...), without a copy."""

    def __init__(self, first: np.ndarray, second: np.ndarray):
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, key: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        views, places = key
        images = self._first.shape[1]
        is_first = places < images
        found = np.empty((len(places), *self._first.shape[2:]), self._first.dtype)
        found[is_first] = self._first[views[is_first], places[is_first]]
        found[~is_first] = self._second[views[~is_first], places[~is_first] - images]
        return found
