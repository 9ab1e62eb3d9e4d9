"""Column `group`: images that stay on one side of every split, though they are no one patient.

A group is what is known to hang together: near-duplicates, a device, a video. Where a patient has
images of several groups, or a group of several patients, all of them are kept together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.data.dataset import GROUP, TOGETHER

NO_GROUP = frozenset(("", "-", "na", "n/a", "nan", "none", "null"))
PREFIX = f"{GROUP} "  # of a name, so that no patient's is one


def components(members: Iterable[tuple[int, int]] | np.ndarray, count: int) -> np.ndarray:
    """int64 (count,): connected component of each of `count` nodes, by pairs of nodes."""
    import scipy  # by few sets

    edges = np.asarray(list(members) if not isinstance(members, np.ndarray) else members)
    a, b = edges.reshape(-1, 2).T.astype(np.int64)
    graph = scipy.sparse.coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    return scipy.sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)


def united(units: Sequence[str] | np.ndarray, groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """Names (N,) of what is kept together: units joined by groups and groups joined by units.

    A unit without a group keeps its name; what has a group is called by the first of its groups.

    Args:
        units: (N,) patient, nodule or image of each row.
        groups: (N,) group of each row, "" where it has none.
    """
    units, groups = np.asarray(units, object).astype(str), np.asarray(groups, object).astype(str)
    of_unit, unit = np.unique(units, return_inverse=True)
    of_group, group = np.unique(groups, return_inverse=True)
    given = groups != ""
    edges = np.stack([unit[given], len(of_unit) + group[given]], axis=1)
    component = components(edges, len(of_unit) + len(of_group))
    names: dict[int, str] = {}
    for at, name in enumerate(of_group):  # in the order of names
        if name:
            names.setdefault(int(component[len(of_unit) + at]), f"{PREFIX}{name}")
    return np.array(
        [names.get(int(component[at]), name) for at, name in zip(unit, units, strict=True)], object
    )


def with_groups(frame: pd.DataFrame, groups: list[str]) -> tuple[pd.DataFrame, str]:
    """The frame with its groups ("" where there is none) and what they keep together, and a
    sentence on them.

    Nothing is added where no row has a group.

    Args:
        frame: image, patient.
        groups: (N,) as the manifest writes them.
    """
    named = ["" if text.strip().lower() in NO_GROUP else text.strip() for text in groups]
    if not any(named):
        return frame.assign(**{GROUP: named}), ""
    together = united(frame["patient"].to_numpy(), named)
    given = pd.Series(named)
    has = (given != "").to_numpy()
    said = (
        f"{given[has].nunique()} groups of {int(has.sum())} images (column {GROUP}) are kept on "
        "one side of every split; they are not patients"
    )
    patients = frame["patient"].to_numpy()
    several = pd.DataFrame({"patient": patients[has], "group": given[has].to_numpy()})
    torn = int((several.groupby("patient")["group"].nunique() > 1).sum())
    if torn:
        who = "1 patient lies" if torn == 1 else f"{torn} patients lie"
        said += f". {who} in several groups, which are kept together"
    columns: dict[str, Any] = {GROUP: named, TOGETHER: together}
    return frame.assign(**columns), said + "."


def kept_together(frame: pd.DataFrame, by: str = "patient") -> np.ndarray:
    """Names (N,) of what splits never cut: a column of the frame, joined by groups if there are."""
    if TOGETHER not in frame:
        return frame[by].astype(str).to_numpy(object)
    if by == "patient":
        return frame[TOGETHER].astype(str).to_numpy(object)
    return united(frame[by].astype(str).to_numpy(), frame[GROUP].to_numpy())
