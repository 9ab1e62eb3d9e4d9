"""One meaning each: no two public functions or classes of the package have one name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import abl

PACKAGE = Path(abl.__file__).parent

# name -> why it may stand in several modules
ALLOWED = {
    "Options": "what a study's `options:` may hold: each study has its own",
    "compare": "the verb of the command, and what it does",
    "table": "the verb of the command, and the function of the API",
}


def public_names() -> dict[str, list[str]]:
    """Public functions and classes at the top of a module -> the modules that define them."""
    found = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(PACKAGE).as_posix())
    return found


def test_no_two_public_functions_or_classes_have_one_name() -> None:
    twice = {name: files for name, files in public_names().items() if len(files) > 1}
    assert {name: files for name, files in twice.items() if name not in ALLOWED} == {}
    assert sorted(ALLOWED.keys() - twice.keys()) == []  # none that no longer needs its exception
