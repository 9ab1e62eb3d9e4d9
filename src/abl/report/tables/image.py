"""The table of one image: what every network of a sweep said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from abl.report.labels import one_line
from abl.report.tables.model import Field, Note, Raw, Table, TableCell, plain_table


def image_table(
    history: pd.DataFrame,
    networks: Mapping[str, str],
    classes: Sequence[str],
    *,
    name: str,
    image: str,
    decimals: int | None = None,
) -> Table:
    """One row a network and role.

    Args:
        history: As `image_history` gives it.
        networks: Digest -> label of the network.
        classes: Names of the classes, in their order.
        name: Of the sweep.
        image: Its id.
        decimals: After the point; default 3.
    """
    probabilities = [column for column in history.columns if column.startswith("p_")]
    titles = [classes[at] if at < len(classes) else str(at) for at in range(len(probabilities))]
    fields = [
        Field("network", "network", False),
        Field("role", "role", False),
        *(Field(p, f"P({title})") for p, title in zip(probabilities, titles, strict=True)),
        Field("class", "largest", False),
    ]
    digits = 3 if decimals is None else decimals
    shown: list[list[TableCell]] = []
    raw: list[list[Raw]] = []
    for row in history.to_dict("records"):
        values = [float(row[each]) for each in probabilities]
        largest = titles[max(range(len(values)), key=lambda at: (values[at], at))]
        label = networks.get(str(row["network"]), str(row["network"])[:12])
        words = [label, str(row["role"]), *(f"{value:.{digits}f}" for value in values), largest]
        shown.append([TableCell(one_line(word)) for word in words])
        raw.append([label, str(row["role"]), *values, largest])
    note = (
        "P: averaged over the epochs that a network keeps. Role train: it was trained on the image."
    )
    return plain_table(
        f"{name}-image",
        f"{one_line(name)}: {one_line(image)} in {history['network'].nunique()} networks",
        fields,
        shown,
        raw,
        notes=[Note("", note)],
    )
