"""The network of a stage, built as its settings and its place say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abl.errors import StageError
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.execute import Work
from abl.spec.train import Train


def train_settings(stage: Stage, store: Store) -> Train:
    """The train block, with the weights where they lie: the identity holds what they are."""
    return Train.model_validate(stage.settings["train"] | _weights_place(stage, store))


def ready_to_build(work: Work, train: Train) -> None:
    """Loads the user's module, and checks that hub weights are those the plan had in mind."""
    from abl.nets.user_module import load_module
    from abl.nets.weights import check_hub_file

    stage = work.stage
    if "module" in stage.context:
        load_module(work.store.shared.path_of(stage.context["module"]))
    given = str(stage.settings["train"].get("weights", ""))
    if train.weights == "imagenet" and given.startswith("sha256:"):
        check_hub_file(train.network, given.removeprefix("sha256:"))


def device_of(stage: Stage) -> str:
    """cuda if the stage asks for a GPU and there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() and stage.resources.gpus else "cpu"


def last_weights(store: Store, digest: str, what: str) -> Path:
    """The file of the last epoch that a training has kept.

    Args:
        what: The weights, for the message.

    Raises:
        StageError: They are not in the store, or damaged.
    """
    done = store.done(digest)
    names = [] if done is None else sorted(n for n in done.files if n.endswith(".safetensors"))
    if not names:
        raise StageError(f"{what} are not in the store")
    return store.file(digest, names[-1])


def _weights_place(stage: Stage, store: Store) -> Mapping[str, Any]:
    if "weights" in stage.inputs:
        path = last_weights(store, stage.inputs["weights"], "the pretrained weights")
        return {"weights": str(path)}
    place = stage.context.get("weights")
    if place is None or place == "imagenet":
        return {} if place is None else {"weights": place}
    return {"weights": str(store.shared.path_of(str(place)))}
