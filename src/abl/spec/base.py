"""What every part of a sweep file has in common: strict, frozen, with a short identity."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

# A field that says which kind of thing a block is. It is part of the identity even at its default.
DISCRIMINATORS = frozenset({"kind", "name"})


class Part(BaseModel):
    """A block of a sweep file: unknown keys are errors, values do not change after reading."""

    # what `identity_of` leaves out where that is not the default of today
    IDENTITY_DEFAULTS: ClassVar[Mapping[str, Any]] = {}
    # setting -> another of the block and the value without which it decides nothing
    DECIDES_WITH: ClassVar[Mapping[str, tuple[str, Any]]] = {}

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _truth_as_it_was_typed(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic would read `epochs: true` as 1, and not know the word of `mask: true`
        if not isinstance(value, bool):
            return value
        kinds = _kinds_of(cls.model_fields[info.field_name or ""].annotation)
        word = str(value).lower()
        if bool not in kinds and (kinds == {str} or word in kinds):
            return word
        if bool not in kinds and kinds & {int, float}:
            raise ValueError(f"a number is wanted, not {word}")
        return value

    def as_first_spelled(self, identity: dict[str, Any]) -> dict[str, Any]:
        """The identity with the names of the version that knew a setting first.

        What was computed before a setting got another name then stays valid.
        """
        return identity

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """The block with some of its settings changed, checked as if they stood in the file."""
        return self.model_validate({**self.model_dump(), **changes})


def _kinds_of(annotation: Any) -> set[Any]:
    """The types that a setting may have, and the words among its values."""
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_kinds_of, get_args(annotation)))
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if hasattr(annotation, "__metadata__"):  # Annotated
        return _kinds_of(annotation.__origin__)
    return {annotation}


def identity_of(part: Part) -> dict[str, Any]:
    """The settings that decide a result: defaults and what nothing reads left out,
    discriminators always kept.

    A field added later with a default that keeps the old behaviour therefore changes no digest.
    """
    identity: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        if field.exclude:  # another spelling of a setting that is there too
            continue
        other, needed = part.DECIDES_WITH.get(name, ("", None))
        if other and getattr(part, other) != needed:
            continue
        value = getattr(part, name)
        default = identity_default(type(part), name)
        if isinstance(value, Part):
            inner = identity_of(value)
            if inner or value != default:
                identity[name] = inner
        elif name in DISCRIMINATORS or value != default:
            identity[name] = part.model_dump(mode="json", include={name})[name]
    return part.as_first_spelled(identity)


def identity_default(block: type[Part], name: str) -> Any:
    """The value of a field that an identity leaves out: its default, or that of the first version.

    A field whose default changes keeps the old one here, so that old digests hold.
    """
    default = block.model_fields[name].get_default(call_default_factory=True)
    return block.IDENTITY_DEFAULTS.get(name, default)
