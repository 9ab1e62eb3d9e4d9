"""docs/sweep-file.md, written from the models, so that it cannot differ from what is read."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from abl.spec.attention import Attention, Segmentation
from abl.spec.base import Part
from abl.spec.data import Crop, Data, Image, Phantom, Replicates, Splits
from abl.spec.external import External
from abl.spec.search import Constraint, Dimension, Objective, Prune, Search, StopEarly
from abl.spec.sweep import Axis, Resources, Sweep, TableStyle
from abl.spec.train import Augment, EarlyStop, Optimizer, Pretrain, Schedule, Train

HEAD = """# The sweep file

Written from the models by `abl schema --markdown`; a test keeps it so. Every key has a default
unless it says *required*. Unknown keys are errors, and all errors of a file are reported at once,
with their lines.

The first line of a sweep file may name the JSON Schema, so that editors complete and check it:

    # yaml-language-server: $schema=sweep.schema.json

Numbers such as `1e-4` are numbers; `010`, which may mean 8, 10 or a name, is refused. `yes`, `no`,
`true` and `false` are truth values where one is wanted and words where a name is wanted, as in
`rule: [original, true]`.
"""

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
        rows = "\n".join(f"| `{axis}` | {text} |" for axis, text in axes[study].items())
        parts.append(f"## Axes of study `{study}`\n\n| axis | what |\n| --- | --- |\n{rows}\n")
    return "\n".join(parts)


def _block(title: str, model: type[BaseModel]) -> str:
    first = (model.__doc__ or "").strip().splitlines()[0]
    lines = [
        f"## {title}",
        "",
        first,
        "",
        "| key | value | default | what |",
        "| --- | --- | --- | --- |",
    ]
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
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if origin is list:
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
        return "`[" + ", ".join(str(each) for each in value) + "]`"
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    return f"`{value}`"
