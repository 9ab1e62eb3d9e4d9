"""The JSON Schema of sweep files, so that editors complete and check them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from abl.spec.base import Part
from abl.spec.sweep import Sweep


def sweep_schema(
    options: Mapping[str, type[Part]], axes: Mapping[str, str], metrics: Mapping[str, str]
) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a sweep file.

    Args:
        options: Study -> model of its `options:` block.
        axes: Axis of a study -> description.
        metrics: Metric -> description.
    """
    schema = Sweep.model_json_schema(by_alias=True, mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "abl sweep"
    properties = schema["properties"]
    properties["study"]["enum"] = sorted(options)
    known = [{"const": name, "description": text} for name, text in sorted(metrics.items())]
    metric = {"anyOf": [*known, {"type": "string", "pattern": "^(ppv|npv|sen)@"}]}
    properties["metrics"]["items"] = metric
    for name in ("primary", "select_by"):
        kept = {k: v for k, v in properties[name].items() if k in ("default", "description")}
        properties[name] = kept | metric
    properties["axes"] |= {
        "properties": {
            name: {"description": text, "$ref": "#/$defs/Axis"} for name, text in axes.items()
        },
        "additionalProperties": {"$ref": "#/$defs/Axis"},
    }
    # an axis may be written as a plain list or a single value
    grid = schema["$defs"]["Axis"]
    schema["$defs"]["Axis"] = {
        "anyOf": [grid, {"type": "array"}, {"type": ["string", "number", "boolean"]}]
    }
    # so may choices of a search and its objectives
    for name, short in (("Dimension", "array"), ("Objective", "string")):
        schema["$defs"][name] = {"anyOf": [schema["$defs"][name], {"type": short}]}
    schema["allOf"] = [
        {
            "if": {"properties": {"study": {"const": name}}},
            "then": {"properties": {"options": _inlined(model, schema["$defs"])}},
        }
        for name, model in sorted(options.items())
    ]
    return _with_words(schema)


def _with_words(schema: Any) -> Any:
    # what a YAML 1.2 editor takes for text is read as true or false where that is wanted
    if isinstance(schema, list):
        return [_with_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "boolean":
        kept = {name: part for name, part in schema.items() if name != "type"}
        return {**kept, "enum": [True, False, "yes", "no", "on", "off"]}
    return {name: _with_words(part) for name, part in schema.items()}


def schema_text(schema: Mapping[str, Any]) -> str:
    """A schema as it is written to a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _inlined(model: type[Part], definitions: dict[str, Any]) -> dict[str, Any]:
    inner = model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    for name, part in inner.pop("$defs", {}).items():
        if definitions.setdefault(name, part) != part:
            raise ValueError(f"two models of sweep files are called {name}")
    return inner
