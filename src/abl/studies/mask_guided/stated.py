"""Tables of Liu et al., Front. Med. 2026, for `--published`."""

from __future__ import annotations

from collections.abc import Mapping

from abl.report.tables.stated_tables import EXTERNAL_ROW, StatedTables

_PROPOSED = {"variant": "parallel", "placement": "all", "mask": "predicted"}
_NETWORKS = {
    "inception": "inception_v3",
    "vgg": "vgg16",
    "resnext": "resnext50_32x4d",
    "vit": "vit_b_16",
    "swin": "swin_t",
}
_LABELS = {
    "base": {"variant": "none"},
    "channel-only": {**_PROPOSED, "variant": "channel"},
    "spatial-only": {**_PROPOSED, "variant": "spatial"},
    "serial": {**_PROPOSED, "variant": "serial"},
    "proposed": _PROPOSED,
    "eb": {**_PROPOSED, "placement": "blocks"},
    **{f"-l{at}": {**_PROPOSED, "placement": f"-L{at}"} for at in range(5)},
    **{name: {"variant": "none", "network": each} for name, each in _NETWORKS.items()},
}


def _tested(row: Mapping[str, str]) -> tuple[float, float]:
    """Benign and malignant images of the validation set, and of the third hospital's."""
    return (52.0, 102.0) if row.get("arm", "").endswith(EXTERNAL_ROW) else (296.0, 225.0)


STATED = StatedTables(labels=_LABELS, label_columns=("arm",), tested={"mask_guided.csv": _tested})
