"""What a stage sees of a data set, brought to this machine if need be."""

from __future__ import annotations

from abl.data.mask_sets import MaskSet, open_masks
from abl.data.views import View, open_view, pixel_folders
from abl.runner.execute import Work


def view_of(work: Work) -> View:
    """The view that a stage reads.

    Raises:
        StageError: It is not in an object store.
    """
    key = str(work.stage.context["view"])
    for name in pixel_folders(work.store.shared.cached(f"view-{key}")):
        work.store.shared.cached(name)
    return open_view(work.store.cache, key)


def masks_of(work: Work) -> MaskSet | None:
    """The masks that a stage reads, None if it reads none."""
    key = work.stage.context.get("masks")
    return None if key is None else open_masks(work.store.shared.cached(str(key)))
