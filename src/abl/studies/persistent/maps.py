"""Where networks look in flagged images and in as many that they get right: Grad-CAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import open_masks
from abl.data.views import open_view
from abl.decide.audit.map_shares import matched_correct, share_difference
from abl.decide.check import Bools
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.report.labels import counted, one_line
from abl.report.named import headed
from abl.report.numbers import Scale
from abl.report.pictures import Pictures
from abl.report.tables.model import Column, Table, item, table_from, text_column
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.persistent.judged import ArmRows, PlainArms
from abl.studies.persistent.options import PLAIN
from abl.studies.shared.activations import ACTIVATIONS, INSIDE, add_activation, pictured
from abl.studies.shared.single_network import ROLE

MAPS = "maps"  # name of the table, of its frame and of the figure
MOST_MAPPED = 20_000  # test images of a network whose maps are made
MOST_ROWS, MOST_COLUMNS = 3, 8  # of the figure: images of each kind, networks
SHARE = Scale(100.0, 1, "%")
_NAN = float("nan")


def add_maps(plan: Plan, workspace: Workspace, sweeps: Sequence[Sweep]) -> list[str]:
    """Adds the stages that map the plain arms' networks, and says how many.

    Of each arm the first replicates, until MOST_MAPPED test images are mapped, one at least.
    """
    cut, without = 0, []
    for at, cells in enumerate(plan.cells_by_arm()):
        if str(plan.arms[at].params.get("excluded", PLAIN)) != PLAIN:
            continue
        opened, images = workspace.data(sweeps[at].data), 0
        for number, cell in enumerate(cells):
            key = cell.replicate
            images += len(opened.split(sweeps[at].splits, key.repeat, key.fold).test)
            if number and images > MOST_MAPPED:
                cut += len(cells) - number
                break
            add_activation(plan, workspace, sweeps[at], cell, cell.uses[ROLE], predicted=True)
            if not plan.beside_of(ACTIVATIONS, cell.uses[ROLE]):
                without.append(sweeps[at].train.network)
                break
    made = len(plan.beside.get(ACTIVATIONS, {}))
    said = [f"options.maps: {counted(made, 'training')} mapped on all test images"] if made else []
    if cut:
        said.append(f"options.maps: {counted(cut, 'training')} more would be over {MOST_MAPPED:,} "
                    "test images of a network: not mapped")  # fmt: skip
    if without:
        names = ", ".join(dict.fromkeys(without))
        said.append(f"options.maps: none of {names}: maps need boxes or masks, square images of "
                    "one modality and a last feature map")  # fmt: skip
    return said


def compared_images(images: pd.DataFrame) -> pd.DataFrame:
    """Flagged images, and of each class as many that networks get right: image, patient, flagged;
    in the order of `images`.
    """
    flagged = images["flagged"].to_numpy(bool)
    labels, share = images["label"].to_numpy(np.int64), images["share"].to_numpy(np.float64)
    kept: Bools = flagged | matched_correct(labels, flagged, share)
    return images.loc[kept, ["image", "patient", "flagged"]].reset_index(drop=True)


def map_rows(rows: ArmRows, plain: PlainArms, images: pd.DataFrame) -> pd.DataFrame:
    """One row a network with maps: network, and the fields of ShareDifference; empty without."""
    compared, made = compared_images(images), []
    for at, network in plain.networks.items():
        frames = [each.frame for each in rows.maps(at)]
        if not frames or compared.empty:
            continue
        every = pd.concat(frames)
        every = every[(every["source"] != "none") & (every["area"] > 0)]
        mean = every.groupby("image")[[INSIDE, "area"]].mean().reindex(compared["image"])
        found = share_difference(
            mean[INSIDE].to_numpy(np.float64),
            mean["area"].to_numpy(np.float64),
            compared["flagged"].to_numpy(bool),
            compared["patient"].to_numpy(str),
        )
        made.append({"network": network, **asdict(found)})
    return pd.DataFrame(made)


def map_pictures(rows: ArmRows, plain: PlainArms, images: pd.DataFrame) -> Pictures | None:
    """Flagged images with the maps of each network, and as many that networks get right.

    Networks that see other pixels than the first are left out. None without maps.
    """
    mapped = {at: maps for at in plain.networks if (maps := rows.maps(at))}
    if not mapped:
        return None
    first = rows.sweep(next(iter(mapped)))
    opened, workspace = plain.opened, rows.workspace
    key = workspace.view(opened, first.image)
    alike = [at for at in mapped if workspace.view(opened, rows.sweep(at).image) == key]
    columns = alike[:MOST_COLUMNS]
    view = open_view(workspace.store.cache, key)
    masks = open_masks(workspace.store.cache / workspace.masks(opened, first.image))
    place = {str(name): at for at, name in enumerate(view.frame["image"])}
    compared = compared_images(images)
    seen = {name for at in columns for each in mapped[at] for name in each.images}
    compared = compared[compared["image"].isin(seen)]
    labels = images.set_index("image")["label"]
    made = []
    for why, part in (("flagged", True), ("right", False)):
        for name in compared.loc[compared["flagged"] == part, "image"][:MOST_ROWS]:
            tiles = tuple(
                next((t for each in mapped[arm] if (t := each.of(name))), None) for arm in columns
            )
            made.append(pictured(view, masks, place[name], why, int(labels[name]), tiles))
    if not made:
        return None
    cut = f"{len(columns)} of {len(mapped)} networks" if len(columns) < len(mapped) else ""
    return Pictures(tuple(plain.networks[at] for at in columns), "", tuple(made), cut)


def maps_table(outcome: Outcome, rows: pd.DataFrame) -> Table | None:
    """A row a network: share of the heat inside the nodule; None without rows."""
    if rows.empty:
        return None
    columns: list[Column] = [
        *([text_column("data")] if "data" in rows else []),
        text_column("network", write=one_line),
        _share("flagged", "flagged"),
        _share("others", "right"),
        _difference("difference", "low", "high", "difference [95 %], points"),
        _difference("adjusted", "adjusted_low", "adjusted_high", "at equal nodule areas"),
        text_column("why", "", value=item("why")),
    ]
    notes = [
        "Share of the class activation map (Grad-CAM, of the most probable class) that "
        "lies inside the nodule, mean over an image's test appearances, in %; in brackets that of "
        "a flat map, which is the nodule's area. Right: of each class as many images as are "
        "flagged, of those never misclassified.",
        "Intervals allow for images of one patient being alike. Maps decide nothing.",
    ]
    title = headed(outcome, "where networks look")
    return table_from(
        f"{outcome.name}-maps", title, columns, rows.to_dict("records"),
        axis_count=2 if "data" in rows else 1, notes=notes,
    )  # fmt: skip


def _share(name: str, label: str) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        mean, area = SHARE.number(float(row[name])), SHARE.number(float(row[f"area_{name}"]))
        return f"{mean} ({area}), n {row[f'images_{name}']}"

    raw = {key: item(key, _NAN) for key in (name, f"area_{name}", f"images_{name}")}
    return Column(f"{label}, % (flat map)", True, cell, raw)


def _difference(name: str, low: str, high: str, label: str) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        value, interval = float(row[name]), SHARE.interval(float(row[low]), float(row[high]))
        return f"{SHARE.difference(value)} {interval}"

    return Column(label, True, cell, {key: item(key, _NAN) for key in (name, low, high)})
