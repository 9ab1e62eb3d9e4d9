"""The `features` stage: what the frozen part of a network gives for every image, kept once.

A training is the same with kept features and without, so nothing of this is part of its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abl.data.splits.splits import Split
from abl.data.view_reads import all_reads
from abl.errors import StageError
from abl.nets.user_module import component_identity
from abl.plan.graph import Front
from abl.plan.stage import Stage, StageResources
from abl.spec.base import identity_of
from abl.spec.sweep import Sweep
from abl.spec.train import Augment, Train
from abl.stages.identity import seen_settings
from abl.stages.inputs import OpenData, Workspace, whole_view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import FEATURES, ready

# settings that decide what a front computes
_OF_FRONT = ("network", "precision", "memory_format", "threads", "deterministic",
             "frozen_precision")  # fmt: skip


class FrozenFronts:
    """The fixed front of one resolved sweep's trainings: it sees the same images in every epoch.

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
        resources: StageResources,
    ):
        self._sweep, self._workspace = sweep, workspace
        self._settings, self._inputs, self._files = settings, inputs, files
        self._resources = resources
        self._made: dict[int | None, tuple[Stage, ...]] = {}

    def of(self, split: Split, seed: int) -> Front | None:
        """The front of a training on a split; None if its features cannot be kept."""
        sweep = self._sweep
        train, image = sweep.train, sweep.image
        views = train.augment.fixed_views
        is_random = train.weights == "none"
        from abl.nets.registry import FUSIONS

        joined = FUSIONS.get(train.fusion)
        if joined is not None and joined.at == "input":
            return None  # a learned layer stands in front
        if joined is not None and joined.extractors == 2 and is_random:
            return None  # the second extractor starts from weights of its own
        from abl.nets.cost import front_cost
        from abl.nets.cut import cut_point
        from abl.nets.model import design_of

        design = design_of(train, image, int(self._settings["classes"]))
        cost = front_cost(train.network, train.frozen, **design.takes)
        # all of a backbone frozen, a network goes on behind its last map, to the flattened one; a
        # head or a fusion of another kind begins at the map itself
        if cost is None or cut_point(design) != cost.point:
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
        settings |= component_identity(front.components)
        # of this modality's images alone, so that every mode that shows them shares the stage
        settings |= seen_settings(sweep.model_copy(update={"data": opened.data}), opened)
        return stage_of(
            "features",
            settings | {"train": asked, "point": point},
            inputs=dict(self._inputs),
            reads=all_reads(opened.dataset.frame),
            seed=seed,
            context={"view": self._workspace.view(opened, sweep.image), **self._files},
            resources=self._resources,
            label=f"features of {train.network} up to {point}",
        )


@kind("features", version=1)
def features(work: Work) -> dict[str, Any]:
    """Writes features.npy: fixed views x images x the features' shape."""
    from abl.nets.cut import front_of
    from abl.nets.model import design_of
    from abl.train.feature_feed import write_features
    from abl.train.feed import PixelFeed
    from abl.train.process import release_memory

    view, asked = whole_view_of(work), ready(work)
    train, image, device = asked.train, asked.image, asked.device
    found = front_of(design_of(train, image, asked.classes))
    if found is None or found[0] != work.stage.settings["point"]:
        raise StageError("the network has no frozen part that ends where the plan says")
    feed = PixelFeed(view.pixel_set(), image, train, seed=0, device=device)
    kept = write_features(work.out / FEATURES, found[1].to(device), feed, train)
    size = round(kept.nbytes / 1e6, 3)
    facts = {"shape": list(kept.shape), "megabytes": size, "device": device.type}
    del kept
    release_memory()
    return facts
