"""Settings that decide what a network gives, as stages of every kind hash them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from abl.data.dataset import BOX, PAIR, ROI
from abl.data.masks.mask_sets import has_box, mask_problems
from abl.data.masks.masks_read import has_mask
from abl.data.tissue.tissue_regions import TISSUE_VERSION
from abl.errors import InputError, raise_if_any
from abl.nets.user_module import component_identity
from abl.spec.attention import VARIANTS, Attention, looks_at_mask
from abl.spec.base import identity_of
from abl.spec.data import Data
from abl.spec.sweep import Sweep
from abl.spec.train import Pretrain, Train
from abl.spec.yaml_file import sha256_of
from abl.stages.inputs import OpenData

# what `seen_settings` may name
SEEN = ("modality", "pairing", "partners", "cut", "longest_side", "masks", "empty_masks")


def seen_settings(sweep: Sweep, opened: OpenData) -> dict[str, Any]:
    """What of the data block decides what a network sees, beside the images themselves."""
    data, crop = sweep.data, sweep.image.crop
    seen: dict[str, Any] = {}
    if data.modality in ("both", "mixed"):
        seen["modality"] = data.modality
    if data.pairing != "own":
        seen["pairing"] = data.pairing
    if data.pairing == "shuffled":
        # drawn within classes, of the test set too: partners follow from labels and patients
        seen["partners"] = _digest_of(opened, ["label", "patient"])
    if crop.to == "tissue":
        seen["cut"] = _tissue_cut(opened)
    elif crop.to != "frame":
        seen["cut"] = _digest_of(opened, list(BOX if crop.to == "box" else ROI))
    if data.longest_side != Data.model_fields["longest_side"].default:
        seen["longest_side"] = data.longest_side
    return seen


def _tissue_cut(opened: OpenData) -> str:
    """How the tissue is found, and in which images where these are not the ones that are cut."""
    found_in = opened.dataset.boxes_of
    said = f"tissue {TISSUE_VERSION}"
    if found_in is not None:
        said += " " + hashlib.sha256("".join(found_in.fingerprints()).encode()).hexdigest()
    elif PAIR in opened.dataset.frame:
        said += " " + _digest_of(opened, [PAIR])
    return said


def _digest_of(opened: OpenData, columns: list[str]) -> str:
    frame = opened.dataset.frame
    known = ["image", *(name for name in columns if name in frame)]
    return hashlib.sha256(frame[known].to_csv(index=False).encode()).hexdigest()


def masks_identity(attention: Attention, opened: OpenData) -> dict[str, Any]:
    """What of the nodules' places a training reads."""
    source = attention.masks
    if source is None:
        return {}
    known: dict[str, Any] = {"masks": opened.masks_digest}
    if source in ("ellipse", "random"):
        # version 0.1 took the ellipse of an empty mask for one that is not known
        is_empty = opened.masks.is_empty & ~has_box(opened.dataset)
        known |= {"empty_masks": "no nodule"} if is_empty.any() else {}
    return known


def masks_there(attention: Attention, opened: OpenData) -> None:
    """Checks that images have the masks that an arm reads.

    Raises:
        InputError: A control whose masks some rows lack: each is named. Nothing for the
            segmentation branch to learn from.
    """
    source = attention.masks
    if source is None:
        return
    dataset = opened.dataset
    if not attention.is_predicted:
        raise_if_any(mask_problems(dataset, source))
        if source == "true":
            _refuse_if_all_are_empty(opened)
    elif not (has_mask(dataset).any() or (source != "true" and has_box(dataset).any())):
        *others, last = ["none", *(name for name in VARIANTS if not looks_at_mask(name))]
        raise InputError(
            f"{dataset.name} has no {'mask' if source == 'true' else 'mask and no box'} that a "
            "segmentation branch could learn from: add a column mask or box_x0, box_y0, box_x1, "
            f"box_y1, or use variant: {', '.join(others)} or {last}"
        )
    elif source == "true" or not has_box(dataset).any():
        _refuse_if_all_are_empty(opened)


def _refuse_if_all_are_empty(opened: OpenData) -> None:
    areas = opened.masks.areas
    known = areas[~np.isnan(areas)]
    if len(known) and not known.any():
        raise InputError(
            f"{opened.dataset.name}: none of its {len(known):,} masks shows a nodule: look at what "
            "column mask names (`abl data check`), or leave out the arms that use masks"
        )


def network_settings(
    sweep: Sweep, opened: OpenData, files: Mapping[str, str], hub: str
) -> dict[str, Any]:
    """The settings of an arm's trainings.

    Args:
        files: `weights`: where they lie on this machine.
        hub: Hash of the hub's weights, "" if there are none, or none here.
    """
    asked, image, classes = sweep.train, sweep.image, len(opened.dataset.classes)
    train = identity_of(asked)
    settings: dict[str, Any] = {"train": train, "image": identity_of(image), "classes": classes}
    settings |= seen_settings(sweep, opened) | component_identity(asked.components)
    settings |= precision_identity(asked)
    takes = {"classes": classes, "channels": image.channels, "image_size": image.size}
    train.pop("attention", None)
    train.pop("bundle", None)  # a stage says whether it is one of a bundle, not of how many
    if attention := asked.attention.relevant():
        from abl.nets.attention_points import attention_points_of, canonical_points

        # one spelling for the same points
        known = attention_points_of(asked.network, **takes)
        attention["points"] = canonical_points(asked.attention.points, known)
        train["attention"] = attention
        settings |= masks_identity(asked.attention, opened)
    # what cannot matter is no part of an identity, nor what the rows that are read say
    train.pop("share", None)
    if asked.head != "spp":
        train.pop("spp_levels", None)
    if asked.frozen == 0:
        train.pop("frozen_precision", None)
    if isinstance(asked.frozen, str):
        from abl.nets.boundaries import boundaries_of

        # 'stage 2' and its number are one network
        train["frozen"] = boundaries_of(asked.network, **takes).at(asked.frozen).n
    if hub:
        train["weights"] = f"sha256:{hub}"
    elif asked.weights_file is not None:
        train["weights"] = f"sha256:{sha256_of(Path(files['weights']))}"
    if isinstance(asked.weights, Pretrain):
        # the digest of the pretraining stage says it all
        del train["weights"]
    return settings


def precision_identity(train: Train) -> dict[str, Any]:
    """How the last layer computes, where that is not how the others do."""
    # version 0.1 computed it in the shorter type too, and its scores were quantised
    return {} if train.precision == "fp32" else {"last_layer": "fp32"}


def design_title(train: Train) -> str:
    """' frozen 6 gap late': what is made of the network, "" if nothing is."""
    words = [f"frozen {train.frozen}"] if train.frozen != 0 else []
    words += [train.head] if train.head != "fc" else []
    if train.attention.variant != "none":
        words += [train.attention.variant, train.attention.points]
        words += [train.attention.mask] if train.attention.is_guided else []
    words += [train.fusion] if train.fusion != "none" else []
    return "".join(f" {word}" for word in words)
