"""What stages read: data sets opened while planning, and found again where a stage runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abl.data.checks.alike_notes import merged_notes
from abl.data.checks.content_report import content_words
from abl.data.dataset import Dataset
from abl.data.duplicates.kept_apart import KeptApart
from abl.data.duplicates.near_duplicates import (
    PAIR_COLUMNS,
    contradicting,
    duplicate_problems,
    duplicates_across,
)
from abl.data.load import load_dataset
from abl.data.manifest import CLASSES_SETTING
from abl.data.masks.mask_sets import (
    SHOWS,
    MaskSet,
    masks_digest,
    masks_key,
    open_masks,
    prepare_masks,
)
from abl.data.masks.masks_read import MaskReadings, masks_read
from abl.data.masks.notes import mask_notes, vanished_note
from abl.data.splits.splits import Split, split_of
from abl.data.tissue.tissue_report import cut_nodules_note
from abl.data.view_reads import all_reads, everything_trains, training_reads
from abl.data.views import View, open_view, pixel_folders, prepare_view, view_key
from abl.errors import (
    InputError,
    Problem,
    StageError,
    as_given,
    raise_if_any,
    told_as_given,
)
from abl.plan.graph import Replicate
from abl.record.store import Store
from abl.spec.data import Data, Image
from abl.spec.splits import SharedSplits, Splits
from abl.stages.kind import Work


@dataclass
class OpenData:
    """A data set of the sweep with its splits.

    Attributes:
        cache: Folder of this node that remembers how masks are read; None remembers nothing.
    """

    dataset: Dataset
    data: Data
    cache: Path | None = None
    splits: dict[tuple[Splits, int, int], Split] = field(default_factory=dict)
    _reads: dict[tuple[Splits, int, int], str] = field(default_factory=dict)

    @cached_property
    def masks(self) -> MaskReadings:
        """How the masks of the data set are read, for arms that use them.

        Raises:
            InputError: Masks that cannot be read or are not clear, each with its row.
        """
        return masks_read(self.dataset, self.cache)

    @cached_property
    def masks_digest(self) -> str:
        """What is known of the nodules' places. Raises InputError as `masks`."""
        return masks_digest(self.dataset, self.masks.marks)

    @property
    def mask_notes(self) -> list[str]:
        """What is to be said of the masks, if they were read."""
        return mask_notes(self.dataset, self.masks) if "masks" in vars(self) else []

    def split(self, splits: Splits, repeat: int, fold: int) -> Split:
        """The split of a replicate."""
        key = (splits, repeat, fold)
        if key not in self.splits:
            self.splits[key] = split_of(self.dataset.frame, splits, repeat, fold)
        return self.splits[key]

    def reads(self, splits: Splits, repeat: int, fold: int) -> str:
        """Fingerprint of what a training reads: images, and the labels it may see."""
        key = (splits, repeat, fold)
        if key not in self._reads:
            self._reads[key] = training_reads(self.dataset.frame, self.split(splits, repeat, fold))
        return self._reads[key]


class Workspace:
    """Store, data roots, and what was opened so far.

    Args:
        store: Where finished stages lie.
        base: Folder of the sweep file.
        roots: Folders given by `--data`.
        given: The folder of the sweep file as the user wrote it, for messages; default: base.
    """

    def __init__(
        self, store: Store, base: Path, roots: Sequence[Path] = (), given: Path | None = None
    ):
        self.store = store
        self.base = base
        self.given = base if given is None else given
        self.roots = tuple(roots)
        self._open: dict[str, OpenData] = {}
        self._views: dict[str, tuple[OpenData, Image]] = {}
        self._keys: dict[tuple[str, Image], str] = {}
        self._masks: dict[str, tuple[OpenData, Image]] = {}
        # whether hub weights that are not here are fetched while planning
        self.fetch = False
        self.problems: list[Problem] = []
        self.absent: dict[str, None] = {}
        self._hub: dict[str, str] = {}
        self._apart: dict[tuple[str, str], KeptApart] = {}

    def data(self, data: Data, named_by: str = CLASSES_SETTING) -> OpenData:
        """The data set of a data block, read once; `named_by` as load_manifest."""
        key = data.model_dump_json()
        if key not in self._open:
            with told_as_given(self.base, self.given):
                dataset = load_dataset(data, base=self.base, roots=self.roots, named_by=named_by)
            named = as_given(dataset.file, self.base, self.given) if dataset.file else ""
            dataset = replace(dataset, file=named)
            self._open[key] = OpenData(dataset, data, self.store.cache)
        return self._open[key]

    def keep_apart(self, name: str, external: OpenData, internal: OpenData) -> None:
        """From now on `prepare` looks for near-duplicates between these, as across splits."""
        key = (external.data.model_dump_json(), internal.data.model_dump_json())
        side = external.data.longest_side
        pair = KeptApart(name, external.dataset, internal.dataset, internal.data, side)
        self._apart[key] = pair

    def opened(self) -> list[OpenData]:
        """Every data set that was opened, in order."""
        return list(self._open.values())

    def file(self, name: str, what: str) -> Path:
        """A file that a sweep names: below the sweep's folder or a folder given by --data.

        Raises:
            InputError: No such file there.
        """
        for folder in (self.base, *self.roots):
            path = (folder / name).resolve()
            # os.path says no to a name that is too long, where pathlib raises
            if os.path.isfile(path) and path.is_relative_to(folder.resolve()):  # noqa: PTH113
                return path
        searched = ", ".join(str(folder) for folder in (self.base, *self.roots))
        raise InputError(f"{what}: no file '{name}' below {searched}; add a folder with --data")

    def hub_weights(self, network: str) -> str:
        """SHA-256 of a network's ImageNet weights, "" if they are not on this machine.

        Those that cannot be had are collected in `problems`, those not fetched yet in `absent`.
        """
        if network not in self._hub:
            from abl.nets.weights import hub_fingerprint

            try:
                self._hub[network] = hub_fingerprint(network, fetch=self.fetch) or ""
            except InputError as error:
                self._hub[network] = ""
                self.problems += error.problems
            else:
                if not self._hub[network]:
                    self.absent[network] = None
        return self._hub[network]

    def fetch_weights(self) -> bool:
        """From now on fetches hub weights; True if a plan was made that lacks some."""
        self.fetch = True
        again = bool(self.absent)
        for network in self.absent:
            del self._hub[network]
        self.absent.clear()
        return again

    def view(self, opened: OpenData, image: Image) -> str:
        """Key of the view that stages of this image block read; it is made by `prepare`."""
        known = (opened.data.model_dump_json(), image)
        if known not in self._keys:
            key = view_key(opened.dataset, opened.data.longest_side, image)
            self._keys[known] = key
            self._views[key] = (opened, image)
        return self._keys[known]

    def masks(self, opened: OpenData, image: Image) -> str:
        """Key of the masks of a view, for stages that read them; they are made by `prepare`."""
        side = opened.data.longest_side
        key = masks_key(opened.dataset, opened.masks_digest, side, image)
        self._masks[key] = (opened, image)
        return key

    def behind(self, view: str) -> OpenData:
        """The data set of a view that stages were planned with."""
        return self._views[view][0]

    @property
    def prepared(self) -> frozenset[str]:
        """Keys of the views and masks that stages were planned with."""
        return frozenset(self._views) | frozenset(self._masks)

    @property
    def is_decoded(self) -> bool:
        """Whether a view lies here for all that stages were planned with; whole or damaged."""
        return all((self.store.cache / f"view-{key}").is_dir() for key in self._views)

    def prepare(self, say: Callable[[str], None]) -> list[str]:
        """`looked_through`, and what stages read is there for workers on every machine."""
        notes = self.looked_through(say)
        views = [f"view-{key}" for key in self._views]
        pixels = {name for view in views for name in pixel_folders(self.store.cache / view)}
        # a view names its pixels, so that it comes after them
        self.store.shared.publish([*sorted(pixels), *views, *self._masks])
        return notes

    def looked_through(self, say: Callable[[str], None]) -> list[str]:
        """Decodes what the stages will read, once; returns what is to be said of the images.

        Raises:
            InputError: Images that cannot be read, or near-duplicates on two sides of a split.
        """
        found: dict[Problem, None] = {}
        notes: dict[str, None] = {}
        for key, (opened, image) in self._views.items():
            view = prepare_view(
                opened.dataset,
                key,
                longest_side=opened.data.longest_side,
                image=image,
                cache=self.store.cache,
                say=say,
            )
            if image.crop.to == "tissue":
                side = opened.data.longest_side
                local = image.crop.threshold == "local"
                note = cut_nodules_note(opened.dataset, self.store.cache, side, local=local)
                notes |= dict.fromkeys([note] if note else [])
            odd = content_words(view.content, opened.dataset.classes)
            notes |= dict.fromkeys(
                f"{opened.dataset.name}: {said}{'' if said.endswith('?') else '.'}" for said in odd
            )
            if opened.data.duplicates == "ignore" or not opened.splits:
                continue
            leaks = [duplicates_across(split, view.pairs) for split in opened.splits.values()]
            pairs = pd.concat(leaks).drop_duplicates(PAIR_COLUMNS)
            if opened.data.duplicates == "refuse":
                found |= dict.fromkeys(duplicate_problems(opened.dataset, pairs))
            elif len(pairs):
                which = f"near-duplicate images of {opened.dataset.name}"
                count = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
                across = "lies" if len(pairs) == 1 else "lie"
                note = f"{count} of {which} {across} across a split."
                if wrong := contradicting(opened.dataset, pairs):
                    note += f" The labels of {wrong} of them contradict."
                notes[note] = None
        for each in self._apart.values():
            problems, note = each.looked_through(self.store.cache)
            found |= dict.fromkeys(problems)
            notes |= dict.fromkeys([note] if note else [])
        raise_if_any(list(found))
        for key, (opened, image) in self._masks.items():
            side, cache = opened.data.longest_side, self.store.cache
            folder = prepare_masks(
                opened.dataset, opened.masks, key, longest_side=side, image=image, cache=cache
            )
            if (folder / SHOWS).exists():  # an earlier version kept no such file
                shows = np.load(folder / SHOWS)
                note = vanished_note(opened.dataset, opened.masks, shows, image.size)
                notes |= dict.fromkeys([note] if note else [])
        return merged_notes(
            list(notes), {opened.dataset.name for opened, _ in self._views.values()}
        )


def view_of(work: Work, name: str = "view") -> View:
    """The view that a stage reads.

    Args:
        name: Of its key in the stage's context.

    Raises:
        StageError: It is not in an object store.
    """
    key = str(work.stage.context[name])
    for name in pixel_folders(work.store.shared.cached(f"view-{key}")):
        work.store.shared.cached(name)
    return open_view(work.store.cache, key)


def whole_view_of(work: Work) -> View:
    """The view of a stage that reads every image. Raises StageError as split_of_stage."""
    view = view_of(work)
    _check_reads(work, all_reads(view.frame))
    return view


def _check_reads(work: Work, found: str) -> None:
    if found != work.stage.reads:
        raise StageError("the images here are not those of the plan: clear the store's cache")


def masks_of(work: Work) -> MaskSet | None:
    """The masks that a stage reads, None if it reads none."""
    key = work.stage.context.get("masks")
    return None if key is None else open_masks(work.store.shared.cached(str(key)))


def split_of_stage(
    work: Work, view: View, reads: Callable[[pd.DataFrame, Split], str] = training_reads
) -> Split:
    """The replicate's split, checked to be the one the plan had in mind.

    Args:
        reads: Fingerprint of what the stage reads.

    Raises:
        StageError: The images are others.
    """
    context = work.stage.context
    if "splits" in context:
        splits = SharedSplits.model_validate(context["splits"])
        split = split_of(view.frame, splits, int(context["repeat"]), int(context["fold"]))
    else:
        split = everything_trains(len(view.frame))
    _check_reads(work, reads(view.frame, split))
    return split


def replicate_context(splits: Splits, replicate: Replicate) -> dict[str, Any]:
    """What the context of a stage says of its split, for split_of_stage."""
    asked = splits.model_dump(mode="json")
    return {"splits": asked, "repeat": replicate.repeat, "fold": replicate.fold}
