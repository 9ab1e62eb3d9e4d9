"""A sweep file with a search as others see it: without it, or with the axis that it adds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from abl.spec.read import SweepFile
from abl.spec.sweep import Axis, ContrastBlock
from abl.studies.arms import FIXED_SETTINGS, SETTINGS_AXIS, TUNED_SETTINGS


def plain_file(file: SweepFile) -> SweepFile:
    """The file without its search and what it says of tuned and fixed settings."""
    sweep = file.sweep
    base = {name: v for name, v in (sweep.base or {}).items() if name != SETTINGS_AXIS}
    contrasts = tuple(each for each in sweep.contrasts if not _of_settings(each))
    changed = {"search": None, "base": base or None, "contrasts": contrasts}
    return replace(file, sweep=sweep.model_copy(update=changed))


def analysed_file(file: SweepFile) -> SweepFile:
    """The file as the table is made of it: with the axis of the settings, tuned against fixed."""
    sweep = file.sweep
    axis = Axis(values=(FIXED_SETTINGS, TUNED_SETTINGS))
    changed: dict[str, Any] = {"axes": {**sweep.axes, SETTINGS_AXIS: axis}}
    named = any(_of_settings(each) for each in sweep.contrasts)
    if sweep.base is None:
        changed["base"] = {SETTINGS_AXIS: FIXED_SETTINGS}
    elif SETTINGS_AXIS not in sweep.base and not named:
        tuned = ContrastBlock(
            arm={SETTINGS_AXIS: TUNED_SETTINGS}, base={SETTINGS_AXIS: FIXED_SETTINGS}
        )
        changed["contrasts"] = (*sweep.contrasts, tuned)
    return replace(file, sweep=sweep.model_copy(update=changed))


def _of_settings(contrast: ContrastBlock) -> bool:
    return SETTINGS_AXIS in contrast.arm or SETTINGS_AXIS in contrast.base
