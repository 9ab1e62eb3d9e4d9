"""Which rows of a split column are scored, where it names two parts instead of three."""

from __future__ import annotations

from collections.abc import Mapping

from abl.errors import InputError
from abl.spec.splits import Splits


def scored_roles(role_of: Mapping[str, str], splits: Splits) -> dict[str, str]:
    """Group -> role, where `scored: validation` makes the validation rows the test set.

    Args:
        role_of: As the column has it.

    Raises:
        InputError: The column does not name what is to be scored, or names what is to be empty.
    """
    named = set(role_of.values())
    column = f"splits: column '{splits.column}' names"
    if splits.scored == "validation":
        if "validation" not in named:
            raise InputError(f"{column} no validation rows to score: leave scored: validation out")
        if "test" in named:
            raise InputError(f"{column} test rows, which are scored: leave scored: validation out")
        return {name: "test" if role == "validation" else role for name, role in role_of.items()}
    if "test" not in named and "validation" in named:
        raise InputError(
            f"{column} train and validation rows and none of test: name some, or write scored: "
            "validation with published: [scored_on_validation], if a publication did so"
        )
    if not splits.validation and "validation" in named:
        raise InputError(
            f"{column} validation rows, and validation: 0 wants none: leave validation: 0 out, or "
            "name these rows train"
        )
    return dict(role_of)


def shown_role(role: str, splits: Splits) -> str:
    """A role as messages name it: what is scored is what the column calls validation."""
    if splits.scored == "validation" and role == "test":
        return "validation (which is scored)"
    return f"{role} (drawn)" if splits.scored == "validation" and role == "validation" else role
