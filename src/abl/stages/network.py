"""The network of a stage, built as its settings say, and what it is fed.

It is fed images, images with masks, or the kept features of its frozen part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abl.data.pixel_sets import shuffled_partners
from abl.data.splits.splits import Split
from abl.data.views import View
from abl.errors import StageError
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.spec.data import Image
from abl.spec.train import Train
from abl.stages.inputs import masks_of
from abl.stages.kind import Work

if TYPE_CHECKING:  # importing torch takes seconds, which a driver with nothing to train is spared
    import torch
    from torch import nn

    from abl.train.feed import Feed, PixelFeed

FEATURES = "features.npy"  # of a features stage: fixed views x images x the features' shape
LACKING = "lacking"  # of a stage that predicts without a modality: which
MODALITIES = ("first", "second")
NETWORK = "network"  # role of a training whose network predicts, or is looked at
SEGMENTER = "segmenter"  # role of the stage that trains the segmentation branch alone


@dataclass(frozen=True)
class Ready:
    """What a stage asks for, in a process that is ready to build its network.

    Attributes:
        train: With the weights where they lie: the identity holds what they are.
        classes: 0 for a branch that is trained alone.
        device: cuda if the stage asks for a GPU and there is one.
    """

    train: Train
    image: Image
    classes: int
    seed: int
    device: torch.device

    @property
    def facts(self) -> dict[str, str]:
        """What a stage's facts say of where it ran."""
        import torch

        is_cpu = self.device.type == "cpu"
        name = "cpu" if is_cpu else torch.cuda.get_device_name()
        return {"device": name, "torch": torch.__version__}


def ready(work: Work) -> Ready:
    """Loads the user's module, and makes what follows independent of what the process ran before.

    Raises:
        StageError: Hub weights are not those the plan had in mind.
    """
    import torch

    from abl.nets.user_module import load_module
    from abl.nets.weights import check_hub_file
    from abl.train.process import keep_freed_memory, reset_process

    stage = work.stage
    train = Train.model_validate(stage.settings["train"] | _weights_place(stage, work.store))
    if "module" in stage.context:
        load_module(work.store.shared.path_of(stage.context["module"]))
    given = str(stage.settings["train"].get("weights", ""))
    if train.weights == "imagenet" and given.startswith("sha256:"):
        check_hub_file(train.network, given.removeprefix("sha256:"))
    image, seed = Image.model_validate(stage.settings["image"]), int(stage.seed or 0)
    keep_freed_memory()
    reset_process(seed, threads=train.threads, deterministic=train.deterministic)
    device = torch.device("cuda" if torch.cuda.is_available() and stage.resources.gpus else "cpu")
    return Ready(train, image, int(stage.settings.get("classes", 0)), seed, device)


def weights_files(store: Store, digest: str, what: str) -> list[str]:
    """Names of the files of the epochs that a training has kept, ascending.

    Raises:
        StageError: They are not in the store; `what` says which weights.
    """
    done = store.done(digest)
    names = [] if done is None else sorted(n for n in done.files if n.endswith(".safetensors"))
    if not names:
        raise StageError(f"{what} are not in the store")
    return names


def last_weights(store: Store, digest: str, what: str) -> Path:
    """The last of them. Raises StageError as weights_files, or if it is damaged."""
    return store.file(digest, weights_files(store, digest, what)[-1])


def _weights_place(stage: Stage, store: Store) -> Mapping[str, Any]:
    if "weights" in stage.inputs:
        path = last_weights(store, stage.inputs["weights"], "the pretrained weights")
        return {"weights": str(path)}
    place = stage.context.get("weights")
    if place is None or place == "imagenet":
        return {} if place is None else {"weights": place}
    return {"weights": str(store.shared.path_of(str(place)))}


def as_trained_on_images(
    work: Work, view: View, split: Split, asked: Ready
) -> tuple[nn.Module, PixelFeed]:
    """The network of the training that is looked at, with the weights of its last kept epoch, on
    the stage's device, and whole images for it, not the features of a frozen front.

    Raises:
        StageError: The weights are not in the store, or damaged.
    """
    import safetensors.torch

    from abl.train.feed import PixelFeed

    network, feed = feed_of(work, view, split, asked)
    if not isinstance(feed, PixelFeed):
        feed = PixelFeed(view.pixel_set(), asked.image, asked.train, seed=0, device=asked.device)
    path = last_weights(work.store, work.stage.inputs[NETWORK], "the network's weights")
    network.load_state_dict(safetensors.torch.load_file(path))
    return network.to(asked.device), feed


def feed_of(work: Work, view: View, split: Split, asked: Ready) -> tuple[nn.Module, Feed]:
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

    settings, image, seed, device = asked.train, asked.image, asked.seed, asked.device
    if settings.attention.variant != "none":
        return _guided(work, view, asked)
    design = design_of(settings, image, asked.classes)
    partner = None
    if work.stage.settings.get("pairing") == "shuffled":
        labels, patients = (view.frame[name].to_numpy() for name in ("label", "patient"))
        parts = [split.train, split.validation, split.test]
        partner = shuffled_partners(labels, patients, parts, seed)
    pixels, modality = view.pixel_set(partner), work.stage.settings.get("modality")
    lacking = str(work.stage.settings.get(LACKING, ""))
    feed = PixelFeed(
        pixels,
        image,
        settings,
        seed=seed,
        device=device,
        modalities=2 if modality == "both" else 1,
        partner=partner,
        images=len(pixels) // 2 if modality == "mixed" else None,
        lacking=MODALITIES.index(lacking) if lacking else None,
    )
    if (settings.head, settings.fusion, settings.frozen) == ("fc", "none", 0):
        return build_network(design.network, **design.takes, weights=design.weights), feed
    network = build_classifier(design)
    try:
        cut = cut_of(design, network) if settings.has_fixed_front(image) else None
    except NotTraceableError:
        cut = None
    if cut is None:
        return network, feed
    kept = _kept(work, feed, partner)
    if kept is None:
        for front in cut.fronts:
            front.to(device)
        return network, FrontFeed(feed, cut)
    last, copies = settings.is_channels_last, settings.augment.of == "copies"
    how: Any = {"seed": seed, "device": device, "channels_last": last, "copies_alone": copies}
    return network, KeptFeed(*kept, cut.behind, **how)


def _guided(work: Work, view: View, asked: Ready) -> tuple[nn.Module, PixelFeed]:
    """As `feed_of`; its segmentation branch has the weights with which it was trained alone.

    Raises:
        StageError: Masks are needed and the stage has none.
    """
    from abl.nets.mask_guided import build_guided, without_weights
    from abl.nets.model import design_of
    from abl.nets.weights import load_state, read_state
    from abl.train.feed import PixelFeed
    from abl.train.masks import MaskFeed

    settings, image, masks = asked.train, asked.image, masks_of(work)
    attention = without_weights(settings.attention)  # its weights are those of a stage
    network = build_guided(design_of(settings, image, asked.classes), attention)
    if SEGMENTER in work.stage.inputs:
        branch = network.network.get_submodule("segmenter")
        digest = work.stage.inputs[SEGMENTER]
        path = last_weights(work.store, digest, "the segmentation branch's weights")
        load_state(branch, read_state(path), source=f"stage {digest[:12]}")
    pixels = view.pixel_set()
    how: Any = {"seed": asked.seed, "device": asked.device}
    if attention.masks is None or (masks is None and attention.is_predicted):
        return network, PixelFeed(pixels, image, settings, **how)
    if masks is not None:
        masks = masks.jittered(attention.jitter, view.frame["image"].tolist())
    if masks is None:
        raise StageError(f"attention.mask: {attention.mask} needs masks, which this stage lacks")
    return network, MaskFeed(pixels, masks, attention.masks, image, settings, **how)


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
