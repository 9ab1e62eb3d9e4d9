"""One meaning each: no two public functions or classes of the package have one name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import abl

PACKAGE = Path(abl.__file__).parent

# name -> why it may stand in several modules
ALLOWED = {
    # of rooms that are being moved
    "OneSearch": "a search at work, and its figures",
    "Picture": "in the page of the report, and of a figure",
    "Searched": "a study on the disk, and an arm that is tuned",
    "Shown": "an arm in a figure, and what a training was shown",
    "View": "of a data set, and of a run's progress",
    "base_of": "the base in a figure, and in the plan",
    "best_so_far": "in a figure, and in what stops a search",
    "folds_of": "of a split, and of files of predictions",
    "front_of": "of a search of decisions, and of a network",
    "mapped": "over processes, and activation maps",
    "probability_columns": "of a file, and of a frame that is kept",
    "render": "a table, and a phantom's image",
    "search_problems": "of settings, and of thresholds",
    "share_of": "of a class, of a GPU, and of images that are sent on",
    "shown_arms": "in a figure, and in pictures of masks",
    "text_of": "a column, and decisions as text",
    "view_key": "of a data set's view, and of MLflow's table",
    "write_predictions": "of a person's file, and of a stage",
    # meant
    "Options": "what a study's `options:` may hold: each study has its own",
    "Segmentation": "the block of the sweep file, and the loss that it asks for",
    "Objective": "the block of the sweep file, its figure, and the loss of a training",
    "Resources": "the block of the sweep file, and what a stage asks for",
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
