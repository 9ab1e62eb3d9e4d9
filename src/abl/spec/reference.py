"""What a sweep file may hold, from its models: the JSON Schema and the reference page."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from abl.spec.attention import Attention, Segmentation
from abl.spec.base import Part
from abl.spec.data import Crop, Data, Image, Phantom
from abl.spec.external import External
from abl.spec.labels import Labels
from abl.spec.search import Constraint, Dimension, Objective, Prune, Search, StopEarly
from abl.spec.splits import Replicates, Splits
from abl.spec.sweep import Axis, Resources, Sweep
from abl.spec.table_style import TableStyle
from abl.spec.train import Augment, EarlyStop, Optimizer, Pretrain, Schedule, Train

SCHEMA_TITLE = "abl sweep"
PAGE_TITLE = "# The sweep file\n"
HEAD = (
    PAGE_TITLE
    + """
Written from the models by `abl schema --markdown`; a test keeps it so. Every key has a default
unless it says *required*. Unknown keys are errors, and all errors of a file are reported at once,
with their lines.

The first line of a sweep file may name the JSON Schema, so that editors complete and check it:

    # yaml-language-server: $schema=sweep.schema.json

Numbers such as `1e-4` are numbers; `010`, which may mean 8, 10 or a name, is refused. `yes`, `no`,
`true` and `false` are truth values where one is wanted and words where a name is wanted, as in
`rule: [original, true]`.
"""
)

BLOCKS: tuple[tuple[str, type[Part]], ...] = (
    ("", Sweep),
    ("axes.<name>", Axis),
    ("data", Data),
    ("data.phantom", Phantom),
    ("external (each)", External),
    ("image", Image),
    ("image.crop", Crop),
    ("splits", Splits),
    ("replicates", Replicates),
    ("train", Train),
    ("train.weights", Pretrain),
    ("train.optimizer", Optimizer),
    ("train.schedule", Schedule),
    ("train.augment", Augment),
    ("train.early_stop", EarlyStop),
    ("train.attention", Attention),
    ("train.attention.segmentation", Segmentation),
    ("search", Search),
    ("search.space.<name>", Dimension),
    ("search.objectives (each)", Objective),
    ("search.constraints (each)", Constraint),
    ("search.prune", Prune),
    ("search.stop_early", StopEarly),
    ("resources", Resources),
    ("table", TableStyle),
    ("labels", Labels),
)


def sweep_reference(
    options: Mapping[str, type[Part]], axes: Mapping[str, Mapping[str, str]]
) -> str:
    """The page, as Markdown.

    Args:
        options: Study -> model of its `options:` block.
        axes: Study -> axis -> description.
    """
    parts = [HEAD]
    for name, model in BLOCKS:
        parts.append(_block(f"`{name}`" if name else "Top level", model))
    for study, model in sorted(options.items()):
        parts.append(_block(f"`options` of study `{study}`", model))
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                parts.append(_block(f"`options.{name}` of study `{study}`", inner))
        rows = "\n".join(f"| `{axis}` | {text} |" for axis, text in axes[study].items())
        parts.append(f"## Axes of study `{study}`\n\n| axis | what |\n| --- | --- |\n{rows}\n")
    return "\n".join(parts)


def _block(title: str, model: type[BaseModel]) -> str:
    first = (model.__doc__ or "").strip().splitlines()[0]
    lines = [f"## {title}", "", first, ""]
    lines += ["| key | value | default | what |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        text = (field.description or "").replace("|", "\\|")
        kind = (_named(field) or _kind(field.annotation)).replace("|", "\\|")
        lines.append(f"| `{field.alias or name}` | {kind} | {_default(field)} | {text} |")
    return "\n".join(lines) + "\n"


def _named(field: FieldInfo) -> str:
    """The names that a field takes, of one whose schema lists them."""
    extra = field.json_schema_extra
    if not callable(extra):
        return ""
    schema: dict[str, Any] = {}
    extra(schema)
    return ", ".join(f"`{each}`" for each in schema.get("enum", ()))


def _kind(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        return _kind(typing.get_args(annotation)[0])
    arguments = [each for each in typing.get_args(annotation) if each is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin in (tuple, list):
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"{_kind(arguments[0])}: {_kind(arguments[1])}"
    if arguments:
        return " or ".join(_kind(each) for each in arguments)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "yes or no"}
    return names.get(getattr(annotation, "__name__", ""), "value")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ("", (), {}):
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    return f"`{value}`"


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
    schema["title"] = SCHEMA_TITLE
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
