"""Which features of frozen layers are kept: computed once for all folds, seeds and arms.

A training is the same with kept features and without, so nothing of this is part of its identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from abl.data.dataset import BOX, PAIR, ROI
from abl.data.splits import Split
from abl.data.tissue import TISSUE_VERSION
from abl.data.views import all_reads
from abl.nets.user_module import component_identity
from abl.plan.graph import Front, Plan
from abl.plan.stage import Resources, Stage
from abl.spec.base import identity_of
from abl.spec.data import Data, Image
from abl.spec.sweep import Resources as Asked
from abl.spec.sweep import Sweep
from abl.spec.train import Augment, Train
from abl.studies.workspace import OpenData, Workspace

FEATURES_VERSION = 1
# what one core sustains, and reads of a file that is in memory; see docs/benchmarks.md
CPU_FLOPS, CPU_BYTES = 25e9, 1.5e9
GPU_FLOPS, GPU_BYTES = 20e12, 3e9
# settings that decide what a front computes
_OF_FRONT = ("network", "precision", "channels_last", "threads", "deterministic",
             "frozen_precision")  # fmt: skip


# what `seen_settings` may name
SEEN = ("modality", "pairing", "partners", "cut", "longest_side", "masks")


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


def frozen_count(train: Train, settings: Mapping[str, Any], image: Image) -> int:
    """n of the boundary that `frozen` names: 'stage 2' and its number are one network."""
    from abl.nets.boundaries import boundaries_of

    places = boundaries_of(
        train.network,
        classes=int(settings["classes"]),
        channels=image.channels,
        image_size=image.size,
    )
    return places.at(train.frozen).n


class FrozenFronts:
    """The frozen front of one resolved sweep's trainings.

    Args:
        settings, inputs, files, resources: Of its train stages.
    """

    def __init__(
        self,
        sweep: Sweep,
        workspace: Workspace,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        files: Mapping[str, str],
        resources: Resources,
    ):
        self._sweep, self._workspace = sweep, workspace
        self._settings, self._inputs, self._files = settings, inputs, files
        self._resources = resources
        self._made: dict[int | None, tuple[Stage, ...]] = {}

    @property
    def are_fixed(self) -> bool:
        """Whether something is frozen that sees the same images in every epoch."""
        return self._sweep.train.has_fixed_front(self._sweep.image)

    def of(self, split: Split, seed: int) -> Front | None:
        """The front of a training on a split; None if its features cannot be kept."""
        if not self.are_fixed:
            return None
        sweep = self._sweep
        train, image = sweep.train, sweep.image
        views = train.augment.fixed_views
        is_random = train.weights == "none"
        from abl.nets.cost import front_cost
        from abl.nets.registry import FUSIONS

        joined = FUSIONS.get(train.fusion)
        if joined is not None and joined.at == "input":
            return None  # a learned layer stands in front
        if joined is not None and joined.extractors == 2 and is_random:
            return None  # the second extractor starts from weights of its own
        cost = front_cost(
            train.network,
            train.frozen,
            classes=int(self._settings["classes"]),
            channels=image.channels,
            image_size=image.size,
        )
        if cost is None:
            return None
        key = seed if is_random else None
        if key not in self._made:
            self._made[key] = tuple(
                self._stage(each, cost.point, cost.least, key) for each in self._modalities()
            )
        stages = self._made[key]
        epochs = train.epochs * (len(split.train) + len(split.validation))
        images = len(split.train) + len(split.validation) + len(split.test)
        branches = 1 if joined is None else 2
        pictures = sum(len(self._data(each).dataset) for each in self._modalities())
        return Front(
            stages,
            branches * (epochs + train.last_k * images),
            pictures * views,
            cost.flops,
            cost.numbers,
            cost.share,
            f"{train.network} up to {train.frozen if isinstance(train.frozen, str) else cost.least}"
            f" ({cost.point})",
        )

    def _modalities(self) -> list[str]:
        data = self._sweep.data
        if data.modality in ("first", "second"):
            return [data.modality]
        return ["first"] if data.pairing == "first" else ["first", "second"]

    def _data(self, modality: str) -> OpenData:
        data = self._sweep.data
        if data.modality == modality:
            return self._workspace.data(data)
        changed = {"modality": modality, "pairing": "own"}
        return self._workspace.data(data.model_copy(update=changed))

    def _stage(self, modality: str, point: str, least: int, seed: int | None) -> Stage:
        sweep, opened = self._sweep, self._data(modality)
        train = sweep.train
        views = train.augment.fixed_views
        changes: dict[str, Any] = {name: getattr(train, name) for name in _OF_FRONT}
        changes["frozen"] = least
        changes["augment"] = Augment(views=1) if views == 1 else train.augment
        front = Train.model_validate(changes)
        asked = identity_of(front)
        if isinstance(self._settings["train"].get("weights"), str):
            asked["weights"] = self._settings["train"]["weights"]
        settings = {name: self._settings[name] for name in ("image", "classes")}
        settings |= component_identity(front)
        # of this modality's images alone, so that every mode that shows them shares the stage
        settings |= seen_settings(sweep.model_copy(update={"data": opened.data}), opened)
        return Stage(
            "features",
            FEATURES_VERSION,
            settings | {"train": asked, "point": point},
            inputs=dict(self._inputs),
            reads=all_reads(opened.dataset.frame),
            seed=seed,
            context={"view": self._workspace.view(opened, sweep.image), **self._files},
            resources=self._resources,
            label=f"features of {train.network} up to {point}",
        )


def keep_features(plan: Plan, asked: Asked) -> None:
    """Adds the features stages that are worth it to a plan, as shortcuts of its trainings.

    Worth it: reading what is kept takes less time than computing it, over all trainings, and the
    disk budget holds it; those that save most a byte come first. `plan.notes` says what was kept.
    """
    by_stages: dict[tuple[str, ...], list[str]] = {}
    for digest, front in plan.fronts.items():
        key = tuple(stage.digest for stage in front.stages)
        by_stages.setdefault(key, []).append(digest)
    flops, speed = (GPU_FLOPS, GPU_BYTES) if asked.gpus else (CPU_FLOPS, CPU_BYTES)
    left = asked.features_gb * 1e9
    chosen: dict[str, Front] = {}
    offers = []
    for users in by_stages.values():
        front = plan.fronts[users[0]]
        size = front.numbers * (2 if _is_half(front) else 4)
        computing = front.flops / flops
        shown = sum(plan.fronts[digest].images_shown for digest in users)
        saved = shown * (computing - size / speed) - front.images * (computing + size / speed)
        offers.append((saved / (front.images * size), saved, front.images * size, users, front))
    stages_there: set[str] = set()
    said: dict[tuple[str, str], list[tuple[Front, float, int]]] = {}
    for _, saved, needed, users, front in sorted(offers, key=lambda each: -each[0]):
        new = needed * sum(s.digest not in stages_there for s in front.stages) / len(front.stages)
        if saved <= 0:
            why = "computing them whenever they are needed takes no longer"
        elif new > left:
            why = f"over resources.features_gb: {asked.features_gb:g}"
        else:
            left -= new
            stages_there |= {stage.digest for stage in front.stages}
            chosen |= dict.fromkeys(users, front)
            why = ""
        said.setdefault((front.name, why), []).append((front, needed, len(users)))
    plan.notes += [_said(parts, why) for (_, why), parts in sorted(said.items(), key=_by_share)]
    if chosen:
        _insert(plan, chosen)


def _is_half(front: Front) -> bool:
    return front.stages[0].settings["train"].get("frozen_precision") == "fp16"


def _by_share(each: tuple[tuple[str, str], list[tuple[Front, float, int]]]) -> float:
    return each[1][0][0].share


def _said(parts: list[tuple[Front, float, int]], why: str) -> str:
    front, users = parts[0][0], sum(users for _, _, users in parts)
    # the two branches of a fusion read what each modality's own arm reads
    distinct = {
        stage.digest: size / len(each.stages) for each, size, _ in parts for stage in each.stages
    }
    size = _bytes(sum(distinct.values()))
    sets = f"{len(distinct)} sets, {size}" if len(distinct) > 1 else size
    trainings = "1 training" if users == 1 else f"{users} trainings"
    what = f"features of {front.name}: {sets}, {100 * front.share:.0f} % of the FLOPs of"
    return f"{what} {trainings}: " + (f"not kept, {why}" if why else "kept, computed once")


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _insert(plan: Plan, chosen: Mapping[str, Front]) -> None:
    stages: dict[str, Stage] = {}
    for digest, stage in plan.stages.items():
        front = chosen.get(digest)
        if front is not None:
            for each in front.stages:
                stages.setdefault(each.digest, each)
            roles = {f"features_{at}": each.digest for at, each in enumerate(front.stages)}
            stage = replace(stage, shortcuts=roles)
        stages[digest] = stage
    plan.stages = stages
