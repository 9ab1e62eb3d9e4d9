"""Train and select stages: what every study that trains classifiers shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abl.data.splits import fold_count
from abl.data.views import everything_trains, training_reads
from abl.errors import Problem
from abl.nets.user_module import component_identity, load_module
from abl.plan.graph import Plan, Replicate
from abl.plan.stage import Resources, Stage
from abl.spec.base import identity_of
from abl.spec.data import Data
from abl.spec.regular_file import sha256_of
from abl.spec.sweep import Sweep
from abl.spec.train import Pretrain, Train
from abl.studies.fronts import FrozenFronts, frozen_count, seen_settings
from abl.studies.segmenting import Segmentations, attention_identity, masks_identity, masks_there
from abl.studies.workspace import Workspace

TRAIN_VERSION = 1
# settings that say what is made of a pretrained network
AFTER_PRETRAINING = (
    "head", "spp_levels", "fusion", "attention", "frozen", "frozen_precision",
)  # fmt: skip
SELECT_VERSION = 1


def replicates_of(sweep: Sweep) -> list[Replicate]:
    """Every (repeat, fold, seed) of a sweep, in order."""
    folds = fold_count(sweep.splits)
    return [
        Replicate(repeat, fold, seed)
        for repeat in range(sweep.replicates.repeats)
        for fold in range(folds)
        for seed in sweep.replicates.seeds
    ]


class Trainings:
    """Makes the train and select stages of one resolved sweep and adds them to a plan."""

    def __init__(self, sweep: Sweep, workspace: Workspace, plan: Plan):
        self.sweep = sweep
        self.plan = plan
        self.opened = workspace.data(sweep.data)
        self._view = workspace.view(self.opened, sweep.image)
        # files are found where the sweep is read; workers get their full paths
        self._files: dict[str, str] = {}
        if sweep.module:
            self._files["module"] = str(workspace.file(sweep.module, "module"))
            load_module(self._files["module"])  # another sweep's may have been read since
        if sweep.train.weights_file is not None:
            self._files["weights"] = str(workspace.file(sweep.train.weights_file, "train.weights"))
            workspace.problems += [
                each for each in self._weights_problems() if each not in workspace.problems
            ]
        self._hub = ""  # hash of the hub's file, unknown while it is not here
        if sweep.train.weights == "imagenet":
            self._files["weights"] = "imagenet"
            self._hub = workspace.hub_weights(sweep.train.network)
        self._settings = self._shared_settings()
        self._splits = sweep.splits.model_dump(mode="json")
        # the arms of a sweep ask for the same networks again and again
        self._made: dict[tuple[object, ...], str] = {}
        self._inputs: dict[str, str] = {}
        if isinstance(sweep.train.weights, Pretrain):
            self._inputs["weights"] = self._pretrained(sweep.train.weights, workspace)
        masks_there(sweep.train.attention, self.opened)
        self._segments: Segmentations | None = None
        if sweep.train.attention.is_predicted:
            seen = seen_settings(sweep, self.opened)
            self._segments = Segmentations(
                sweep, workspace, plan, self.opened, seen, self._resources()
            )
        if sweep.train.attention.masks is not None:
            self._files["masks"] = workspace.masks(self.opened, sweep.image)
        self._fronts = FrozenFronts(
            sweep, workspace, self._settings, self._inputs, self._files, self._resources()
        )

    def _weights_problems(self) -> list[Problem]:
        from abl.nets.design_check import weights_problems  # torch, which most plans do without

        return weights_problems(
            self._files["weights"],
            self.sweep.train.network,
            classes=len(self.opened.dataset.classes),
            channels=self.sweep.image.channels,
            image_size=self.sweep.image.size,
        )

    def _shared_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "train": identity_of(self.sweep.train),
            "image": identity_of(self.sweep.image),
            "classes": len(self.opened.dataset.classes),
        }
        settings |= seen_settings(self.sweep, self.opened)
        settings |= component_identity(self.sweep.train)
        settings["train"].pop("attention", None)
        if attention := attention_identity(self.sweep.train, settings["classes"], self.sweep):
            settings["train"]["attention"] = attention
            settings |= masks_identity(self.sweep.train.attention, self.opened)
        # what cannot matter is no part of an identity
        if self.sweep.train.head != "spp":
            settings["train"].pop("spp_levels", None)
        if self.sweep.train.frozen == 0:
            settings["train"].pop("frozen_precision", None)
        if isinstance(self.sweep.train.frozen, str):
            settings["train"]["frozen"] = frozen_count(self.sweep.train, settings, self.sweep.image)
        if self._hub:
            settings["train"]["weights"] = f"sha256:{self._hub}"
        elif self.sweep.train.weights_file is not None:
            settings["train"]["weights"] = f"sha256:{sha256_of(Path(self._files['weights']))}"
        if isinstance(self.sweep.train.weights, Pretrain):
            # the digest of the pretraining stage says it all
            del settings["train"]["weights"]
        return settings

    def _pretrained(self, how: Pretrain, workspace: Workspace) -> str:
        """The stage that trains this network on the source task: all of it, one epoch kept."""
        source = workspace.data(Data(phantom=how.pretrain))
        train = self.sweep.train
        # heads, fusion and frozen layers come after it: every arm shares it
        changes = {
            **{name: Train.model_fields[name].get_default() for name in AFTER_PRETRAINING},
            "weights": "none",
            "epochs": how.epochs,
            "last_k": 1,
            "early_stop": None,
            "optimizer": train.optimizer.model_dump() | {"lr": how.lr},
        }
        alone = Train.model_validate(train.model_dump() | changes)
        settings = {
            "train": identity_of(alone),
            "image": self._settings["image"],
            "classes": len(source.dataset.classes),
            **component_identity(alone),
        }
        everything = everything_trains(len(source.dataset))
        return self.plan.add(
            Stage(
                "train",
                TRAIN_VERSION,
                settings,
                reads=training_reads(source.dataset.frame, everything),
                seed=how.seed,
                context={"view": workspace.view(source, self.sweep.image), **self._files},
                resources=self._resources(),
                label=f"pretrain {train.network}",
            )
        )

    def _resources(self) -> Resources:
        asked = self.sweep.resources
        cpus = max(asked.cpus, self.sweep.train.threads)
        return Resources(cpus, asked.gpus, asked.memory_gb, asked.pack)

    def train(
        self,
        replicate: Replicate,
        *,
        subset: Mapping[str, Any] | None = None,
        select: str | None = None,
        seed_shift: int = 0,
    ) -> str:
        """A network of a replicate: on its whole training part, or on a subset that `select` gives.

        Args:
            subset: {"kind": "true" | "false" | "matched", "n": N, "panel": size} of the
                selection, or {"kind": "inner", "n": fold, "of": folds}: all but an inner fold.
            select: Digest of the select stage.
            seed_shift: Added to the replicate's seed, for controls that differ by it alone.

        Returns:
            The stage's digest.
        """
        wanted = (replicate, *(subset or {}).items(), select, seed_shift)
        if wanted not in self._made:
            stage = self._train(replicate, subset, select, seed_shift)
            self._made[wanted] = self.plan.add(stage)
            if self._fronts.are_fixed:
                split = self.opened.split(self.sweep.splits, replicate.repeat, replicate.fold)
                front = self._fronts.of(split, int(stage.seed or 0))
                if front is not None:
                    self.plan.fronts[stage.digest] = front
        return self._made[wanted]

    def _train(
        self,
        replicate: Replicate,
        subset: Mapping[str, Any] | None,
        select: str | None,
        seed_shift: int,
    ) -> Stage:
        settings = dict(self._settings)
        if subset is not None:
            settings["subset"] = dict(subset)
        sweep = self.sweep
        what = "" if subset is None else f" {subset_title(subset)}"
        if seed_shift:
            what += " retrained"
        context: dict[str, Any] = {
            "view": self._view,
            "splits": self._splits,
            "repeat": replicate.repeat,
            "fold": replicate.fold,
        }
        context.update(self._files)
        inputs = self._inputs | ({} if select is None else {"select": select})
        if self._segments is not None:
            inputs["segmenter"] = self._segments.of(replicate)
        return Stage(
            "train",
            TRAIN_VERSION,
            settings,
            inputs=inputs,
            reads=self.opened.reads(sweep.splits, replicate.repeat, replicate.fold),
            seed=replicate.seed + seed_shift,
            context=context,
            resources=self._resources(),
            label=f"train {sweep.train.network}{design_title(sweep.train)}{what} {replicate}",
        )

    def select(self, replicate: Replicate, selectors: Sequence[Sequence[str]]) -> str:
        """How many selectors classify each training image correctly; returns the digest.

        Args:
            selectors: Digests of each selector's networks: one, which judges every image, or one
                an inner fold, which judges the images of that fold.
        """
        folds = len(selectors[0])
        wanted = ("select", replicate, *(digest for each in selectors for digest in each))
        if wanted in self._made:
            return self._made[wanted]
        sweep = self.sweep
        inputs = {f"selector_{at}": each[0] for at, each in enumerate(selectors)}
        context: dict[str, Any] = {"view": self._view}
        how = ""
        if folds > 1:
            inputs = {
                f"selector_{at}_{fold}": digest
                for at, each in enumerate(selectors)
                for fold, digest in enumerate(each)
            }
            context |= {
                "splits": self._splits,
                "repeat": replicate.repeat,
                "fold": replicate.fold,
            }
            how = f", {folds} inner folds,"
        self._made[wanted] = self.plan.add(
            Stage(
                "select",
                SELECT_VERSION,
                {"folds": folds} if folds > 1 else {},
                inputs=inputs,
                reads=self.opened.reads(sweep.splits, replicate.repeat, replicate.fold),
                context=context,
                label=f"select by {len(selectors)} networks{how} {replicate}",
                local=True,
            )
        )
        return self._made[wanted]


def design_title(train: Train) -> str:
    """' frozen 6 gap late': what is made of the network, "" if nothing is."""
    words = []
    if train.frozen != 0:
        words.append(f"frozen {train.frozen}")
    words += [train.head] if train.head != "fc" else []
    if train.attention.variant != "none":
        words += [train.attention.variant, train.attention.points]
        words += [train.attention.mask] if train.attention.is_guided else []
    words += [train.fusion] if train.fusion != "none" else []
    return "".join(f" {word}" for word in words)


def subset_title(subset: Mapping[str, Any]) -> str:
    """True-3, False-1, Matched-3, or inner-0/5."""
    if subset["kind"] == "inner":
        return f"inner-{subset['n']}/{subset['of']}"
    return f"{str(subset['kind']).capitalize()}-{subset['n']}"
