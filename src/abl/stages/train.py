"""The `train` stage: a classifier trained on one replicate, with its per-image predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from abl.data.dataset import TOGETHER
from abl.data.view_reads import everything_trains, training_reads
from abl.errors import Problem
from abl.nets.memory_format import with_chosen_format
from abl.nets.user_module import component_identity, load_module
from abl.plan.bundles import BUNDLE_VERSION, in_bundles
from abl.plan.graph import Plan, Replicate
from abl.plan.kept_dynamics import dynamics_bytes, too_many_dynamics
from abl.plan.stage import (
    Stage,
    StageResources,
    canonical_json,
)
from abl.spec.base import identity_of
from abl.spec.data import Data
from abl.spec.sweep import Sweep
from abl.spec.train import Pretrain, Train
from abl.stages.bundled_train import train_bundle
from abl.stages.bundling import bundle_size
from abl.stages.embed import embed_stage
from abl.stages.features import FrozenFronts
from abl.stages.identity import (
    design_title,
    masks_there,
    network_settings,
    precision_identity,
    seen_settings,
)
from abl.stages.inputs import Workspace, replicate_context
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import SEGMENTER
from abl.stages.one_training import open_training, write_training
from abl.stages.segment import Segmentations
from abl.stages.select import select_stage, subset_title

# settings that say what is made of a pretrained network
AFTER_PRETRAINING = (
    "head", "spp_levels", "fusion", "attention", "frozen", "frozen_precision", "dynamics",
    "bundle",
)  # fmt: skip


class Trainings:
    """Makes the train and select stages of one resolved sweep and adds them to a plan."""

    def __init__(self, sweep: Sweep, workspace: Workspace, plan: Plan):
        self._asked, self._gpus = sweep.train, sweep.resources.gpus
        chosen = with_chosen_format(sweep.train, gpus=self._gpus)
        self.sweep = sweep = sweep.model_copy(update={"train": chosen})
        self.plan = plan
        self._problems = workspace.problems
        self.opened = workspace.data(sweep.data)
        self._view = workspace.view(self.opened, sweep.image)
        # files are found where the sweep is read; workers get their full paths
        self._files: dict[str, str] = {}
        if sweep.module:
            self._files["module"] = str(workspace.file(sweep.module, "module"))
            load_module(self._files["module"])  # another sweep's may have been read since
        if sweep.train.weights_file is not None:
            self._files["weights"] = str(workspace.file(sweep.train.weights_file, "train.weights"))
            from abl.nets.design_check import weights_problems  # torch, which most do without
            from abl.nets.model import design_of

            classes = len(self.opened.dataset.classes)
            takes = design_of(sweep.train, sweep.image, classes).takes
            found, said = weights_problems(
                self._files["weights"], sweep.train.network, **takes, head=sweep.train.head
            )
            plan.notes += [each for each in said if each not in plan.notes]
            workspace.problems += [each for each in found if each not in workspace.problems]
        self._hub = ""  # hash of the hub's file, unknown while it is not here
        if sweep.train.weights == "imagenet":
            self._files["weights"] = "imagenet"
            self._hub = workspace.hub_weights(sweep.train.network)
        as_asked = sweep.model_copy(update={"train": self._asked})
        self._bundle = bundle_size(as_asked, classes=len(self.opened.dataset.classes), plan=plan)
        if self._bundle > 1:
            # stacked weights and images have an order of their own
            chosen = chosen.model_copy(update={"memory_format": "contiguous"})
            self.sweep = sweep = sweep.model_copy(update={"train": chosen})
        self._settings = network_settings(sweep, self.opened, self._files, self._hub)
        if self._bundle > 1:
            self._settings["bundled"] = BUNDLE_VERSION
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
                sweep.model_copy(update={"train": self._asked}),
                workspace,
                plan,
                self.opened,
                seen,
                self._resources(),
            )
        if sweep.train.attention.masks is not None:
            self._files["masks"] = workspace.masks(self.opened, sweep.image)
        self._fronts: FrozenFronts | None = None
        if sweep.train.has_fixed_front(sweep.image):
            self._fronts = FrozenFronts(
                sweep, workspace, self._settings, self._inputs, self._files, self._resources()
            )

    @property
    def view(self) -> str:
        """Key of the view that its stages read."""
        return self._view

    def _pretrained(self, how: Pretrain, workspace: Workspace) -> str:
        """The stage that trains this network on the source task: all of it, one epoch kept."""
        source = workspace.data(Data(phantom=how.pretrain))
        train = self._asked
        # heads, fusion and frozen layers come after it: every arm shares it
        changes = {
            **{name: Train.model_fields[name].get_default() for name in AFTER_PRETRAINING},
            "weights": "none",
            "epochs": how.epochs,
            "last_k": 1,
            "early_stop": None,
            "optimizer": train.optimizer.with_changes({"lr": how.lr}),
        }
        alone = with_chosen_format(train.with_changes(changes), gpus=self._gpus)
        settings = {
            "train": identity_of(alone),
            "image": self._settings["image"],
            "classes": len(source.dataset.classes),
            **component_identity(alone.components),
            **precision_identity(alone),
        }
        everything = everything_trains(len(source.dataset))
        return self.plan.add(
            stage_of(
                "train",
                settings,
                reads=training_reads(source.dataset.frame, everything),
                seed=how.seed,
                context={"view": workspace.view(source, self.sweep.image), **self._files},
                resources=self._resources(),
                label=f"pretrain {train.network}",
            )
        )

    def _resources(self) -> StageResources:
        asked = self.sweep.resources
        cpus = max(asked.cpus, self.sweep.train.threads)
        return StageResources(cpus, asked.gpus, asked.memory_gb, asked.pack)

    def train(
        self,
        replicate: Replicate,
        *,
        subset: Mapping[str, Any] | None = None,
        select: str | None = None,
        seed_shift: int = 0,
    ) -> str:
        """A network of a replicate: on its whole training part, or on a subset that `select` gives.

        Its stage is added to the plan; the stage's digest.

        Args:
            subset: {"kind": "true" | "false" | "matched", "n": N, "panel": size} of the
                selection, or {"kind": "inner", "n": fold, "of": folds} with
                `inner_draw`: all but an inner fold; `inner_subset`: all but an inner test set;
                or {"kind": "without", "what": ...}: see `training_positions`.
            select: Digest of the select or flag stage.
            seed_shift: Added to the replicate's seed, for controls that differ by it alone.
        """
        wanted = (replicate, canonical_json(subset), select, seed_shift)
        if wanted not in self._made:
            stage = self._train(replicate, subset, select, seed_shift)
            self._made[wanted] = self.plan.add(stage)
            split = self.opened.split(self.sweep.splits, replicate.repeat, replicate.fold)
            if subset is None and self.sweep.train.dynamics:
                self._keeps_dynamics(stage.digest, len(split.train))
            if self._fronts is not None:
                front = self._fronts.of(split, int(stage.seed or 0))
                if front is not None:
                    self.plan.fronts[stage.digest] = front
        return self._made[wanted]

    def embed(self, layer: str, replicate: Replicate | None = None, *, flip: str = "none") -> str:
        """What a layer of this network gives for every image, see `embed_stage`; its digest.

        Args:
            replicate: The network as it is fine-tuned there; None as training starts from it.
        """
        wanted = ("embed", layer, replicate, flip)
        if wanted not in self._made:
            known = self._settings["train"]
            stage = embed_stage(
                self.sweep,
                self.opened,
                self._view,
                layer,
                weights={name: known[name] for name in ("weights",) if name in known},
                inputs=self._inputs,
                files=self._files,
                resources=self._resources(),
                flip=flip,
                tuned="" if replicate is None else self.train(replicate),
            )
            self._made[wanted] = self.plan.add(stage)
        return self._made[wanted]

    def _keeps_dynamics(self, digest: str, images: int) -> None:
        classes = len(self.opened.dataset.classes)
        size = dynamics_bytes(self.sweep.train.epochs, images, classes)
        self.plan.dynamics[digest] = size
        said = too_many_dynamics(size)
        if said and not any(each.message.startswith("train.dynamics") for each in self._problems):
            self._problems.append(Problem(said))  # of the first: others keep as much or nearly

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
            train = {name: each for name, each in settings["train"].items() if name != "dynamics"}
            settings["train"] = train  # of trainings on a whole training part alone
        sweep = self.sweep
        what = "" if subset is None else f" {subset_title(subset)}"
        if seed_shift:
            what += " retrained"
        context = {"view": self._view, **replicate_context(sweep.splits, replicate), **self._files}
        inputs = self._inputs | ({} if select is None else {"select": select})
        if self._segments is not None:
            inputs[SEGMENTER] = self._segments.of(replicate)
        return stage_of(
            "train",
            settings,
            inputs=inputs,
            reads=self.opened.reads(sweep.splits, replicate.repeat, replicate.fold),
            seed=replicate.seed + seed_shift,
            context=context,
            resources=in_bundles(self._resources(), self._bundle),
            label=f"train {sweep.train.network}{design_title(sweep.train)}{what} {replicate}",
        )

    @property
    def inner_draw(self) -> dict[str, Any]:
        """What of the splits block decides inner folds and is not seen in what a training reads."""
        splits, frame = self.sweep.splits, self.opened.dataset.frame
        drawn: dict[str, Any] = (
            {} if splits.draw == 1 else {"draw": splits.draw, "seed": splits.seed}
        )
        if TOGETHER in frame:
            rows = frame[["image", TOGETHER]].sort_values("image")
            drawn["groups"] = hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()
        return drawn

    def flag(
        self, replicate: Replicate, networks: Sequence[Sequence[str]], settings: Mapping[str, Any]
    ) -> str:
        """The flags of a replicate, see `flag_stage`; its digest."""
        from abl.stages.flag import flag_stage

        stage = flag_stage(
            self.opened, self.sweep.splits, self._view, replicate, networks, settings
        )
        return self.plan.add(stage)

    def select(self, replicate: Replicate, selectors: Sequence[Sequence[str]]) -> str:
        """The selection of a replicate, see `select_stage`; its digest."""
        wanted = ("select", replicate, *(digest for each in selectors for digest in each))
        if wanted not in self._made:
            stage = select_stage(self.opened, self.sweep.splits, self._view, replicate, selectors)
            self._made[wanted] = self.plan.add(stage)
        return self._made[wanted]


@kind("train", version=1)
def train(work: Work) -> dict[str, Any]:
    """Writes predictions.parquet, history.parquet and the weights of the last k epochs.

    With train.dynamics, dynamics.npy and dynamics.parquet too: see `plan/stage.py`.
    """
    # importing torch takes seconds, which a driver with nothing to train need not pay
    from abl.train.epoch import Joint, Objective, classification
    from abl.train.fit import fit
    from abl.train.process import release_memory

    if "bundled" in work.stage.settings:  # by the same program, wherever the others are
        (made,) = train_bundle([work])
        if isinstance(made, Exception):
            raise made
        return made
    opened = open_training(work)
    settings = opened.asked.train
    attention = settings.attention
    objective: Objective = classification
    if attention.is_predicted:
        objective = Joint(attention.segmentation.loss, attention.alpha)
    result = fit(
        opened.network,
        opened.feed,
        opened.rows,
        settings=settings,
        image=opened.asked.image,
        seed=opened.asked.seed,
        device=opened.asked.device,
        objective=objective,
        oversight=opened.oversight,
    )
    facts = write_training(opened, result)
    del opened, result
    release_memory()
    return facts
