"""An Outcome as JSON and back, exactly: what the store keeps of a finished analysis.

JSON has no NaN and no infinity, so that such a float is written {"$float": "nan"}; keys that begin
with "$" get one "$" more. Frames are written column by column with their dtypes; their index is not
kept. Tuples inside `facts` come back as lists.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from abl.kept_files import json_kept
from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome

FORMAT = 1
_PLAIN = ("name", "key", "study", "title", "axes", "metrics", "primary", "curve_axis", "notes")
_FRAMES = ("replicates", "curve", "test_curve")
_NUMPY_DTYPES = frozenset({"bool", "float32", "float64", "int32", "int64"})


def outcome_to_json(outcome: Outcome) -> str:
    """The outcome as ASCII JSON; the same outcome gives the same bytes.

    Raises:
        TypeError: A value is neither a number, a string, None, nor a list or mapping of these.
    """
    document = {
        "format": FORMAT,
        **{name: _encoded(getattr(outcome, name)) for name in _PLAIN},
        "facts": _encoded(outcome.facts.flat()),
    }
    # one line an arm: readable enough, and a difference of two outcomes shows the arms that changed
    head = json.dumps(document, allow_nan=False).removesuffix("}")
    arms = (json.dumps(_arm_to_json(arm), allow_nan=False) for arm in outcome.arms)
    return head + ', "arms": [\n' + ",\n".join(arms) + "\n]}\n"


def outcome_from_json(text: str) -> Outcome:
    """The outcome that outcome_to_json wrote.

    Raises:
        ValueError: Not JSON, or not an outcome in a format that this version reads.
    """
    document = json_kept(text)
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ValueError(f"not an outcome of format {FORMAT} (found: {found!r})")
    try:
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in ((name, document[name]) for name in _PLAIN)
        }
        return Outcome(
            **plain,
            arms=tuple(_arm_from_json(arm) for arm in document["arms"]),
            facts=Facts.from_flat(_decoded(document["facts"])),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"an outcome with a part missing or malformed: {error}") from error


def _arm_to_json(arm: ArmOutcome) -> dict[str, Any]:
    comparison = None if arm.comparison is None else _encoded(vars(arm.comparison))
    return {
        "key": arm.key,
        "params": _encoded(arm.params),
        "cells": {name: _encoded(vars(cell)) for name, cell in arm.cells.items()},
        "comparison": comparison,
        **{name: _encoded(getattr(arm, name)) for name in ("best", "tied", "failed", "stages")},
        **{name: _frame_to_json(getattr(arm, name)) for name in _FRAMES},
    }


def _arm_from_json(arm: dict[str, Any]) -> ArmOutcome:
    comparison = arm["comparison"]
    return ArmOutcome(
        arm["key"],
        _decoded(arm["params"]),
        {name: Cell(**_decoded(cell)) for name, cell in arm["cells"].items()},
        **{name: _frame_from_json(arm.get(name)) for name in _FRAMES},
        stages=tuple(arm["stages"]),
        comparison=None if comparison is None else Comparison(**_decoded(comparison)),
        **{name: arm[name] for name in ("best", "tied", "failed")},
    )


def _frame_to_json(frame: pd.DataFrame | None) -> dict[str, Any] | None:
    if frame is None:
        return None
    columns = [_text(column) for column in frame.columns]
    if len(set(columns)) != len(columns):
        raise TypeError(f"a frame with two columns of one name: {columns}")
    return {
        "rows": len(frame),
        "columns": [
            {"name": name, "dtype": str(column.dtype), "values": _encoded(column.tolist())}
            for name, column in frame.items()
        ],
    }


def _frame_from_json(document: dict[str, Any] | None) -> Any:
    if document is None:
        return None
    columns = {
        column["name"]: _column(column["values"], column["dtype"]) for column in document["columns"]
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(document["rows"]))


def _column(values: list[Any], dtype: str) -> Any:
    decoded = _decoded(values)
    if dtype in _NUMPY_DTYPES:
        return np.array(decoded, dtype=dtype)  # many times faster than a Series
    return pd.Series(decoded, dtype=dtype)  # type: ignore[call-overload]


def _encoded(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "nan" if math.isnan(value) else repr(float(value))}
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        named = ((_text(key), inner) for key, inner in value.items())
        return {("$" if k.startswith("$") else "") + k: _encoded(inner) for k, inner in named}
    if isinstance(value, list | tuple):
        return [_encoded(inner) for inner in value]
    raise TypeError(f"cannot be kept as JSON: {type(value).__name__} {value!r}")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(inner) for inner in value]
    if isinstance(value, dict):
        if value.keys() == {"$float"}:
            return float(value["$float"])
        return {key.removeprefix("$"): _decoded(inner) for key, inner in value.items()}
    return value


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"names must be text: {key!r}")
    return key
