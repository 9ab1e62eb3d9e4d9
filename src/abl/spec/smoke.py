"""`--smoke`: any sweep, shrunk to a check that it runs. Its numbers mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abl.spec.sweep import Sweep

EPOCHS = 2
PATIENTS = 60
POINTS = 4


def smoked(sweep: Sweep, options: Mapping[str, Any]) -> Sweep:
    """The same arms with few epochs, patients, repeats, points and one seed, under another name.

    Args:
        options: What the study needs to run at all on so little.
    """
    values = sweep.model_dump(by_alias=True)
    values["name"] = f"{sweep.name[:73]}-smoke"
    train = values["train"]
    train["epochs"] = min(train["epochs"], EPOCHS)
    train["last_k"] = min(train["last_k"], train["epochs"])
    if isinstance(train["weights"], dict):
        train["weights"]["epochs"] = min(train["weights"]["epochs"], EPOCHS)
        source = train["weights"]["pretrain"]
        source["patients"] = min(source["patients"], PATIENTS)
    train["schedule"]["warmup"] = min(train["schedule"]["warmup"], train["epochs"] - 1)
    values["replicates"] = {"repeats": 1, "seeds": [sweep.replicates.seeds[0]]}
    values["splits"]["folds"] = min(values["splits"]["folds"], 2)
    phantom = values["data"]["phantom"]
    if phantom is not None:
        phantom["patients"] = min(phantom["patients"], PATIENTS)
    for block in values["external"]:
        if block["phantom"] is not None:
            block["phantom"]["patients"] = min(block["phantom"]["patients"], PATIENTS)
    if isinstance(values["options"].get("epochs"), int):
        values["options"]["epochs"] = min(values["options"]["epochs"], EPOCHS)
    values["options"] |= options
    if values["search"] is not None:
        values["search"]["trials"] = min(values["search"]["trials"], POINTS)
        values["search"]["generation"] = min(values["search"]["generation"], 2)
    values["resamples"] = min(values["resamples"], 1000)
    return Sweep.model_validate(values)
