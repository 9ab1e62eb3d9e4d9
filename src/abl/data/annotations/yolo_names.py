"""Names of the classes of a YOLO set: data.yaml, or a list with a name a line."""

from __future__ import annotations

from pathlib import PurePosixPath

import yaml

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading

LISTS = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt", "labels.txt")
KEY_POINTS = "kpt_shape"


def yaml_files(folder: AnnotatedFolder) -> list[str]:
    """The YAML files of a folder."""
    return folder.ending(".yaml", ".yml")


def names_classes(folder: AnnotatedFolder, name: str) -> bool:
    """Whether a YAML file names classes."""
    try:
        return bool(_named(folder.text(name))[0])
    except ValueError:
        return False


def yolo_class_names(reading: Reading) -> dict[int, str]:
    """Number -> name of each class, {} if nothing names them; files that disagree are problems."""
    found: dict[str, dict[int, str]] = {}
    for name in yaml_files(reading.folder):
        try:
            named, has_key_points = _named(reading.text(name) or "")
        except ValueError as error:
            if PurePosixPath(name).stem.lower().startswith("data"):  # others may be anything
                reading.problem(str(error), name)
            continue
        if has_key_points:
            reading.problem(f"holds key points ({KEY_POINTS}); boxes and outlines are read", name)
        if named:
            found[name] = named
    for name in reading.folder.ending(".txt", ".names", ".labels"):
        if PurePosixPath(name).name.lower() in LISTS:
            lines = (reading.text(name) or "").splitlines()
            if named := {at: line.strip() for at, line in enumerate(lines) if line.strip()}:
                found[name] = named
    distinct = list(found.items())
    for name, named in distinct[1:]:
        if named != distinct[0][1]:
            reading.problem(f"names other classes than {distinct[0][0]}; keep one of them", name)
    return distinct[0][1] if distinct else {}


def _named(text: str) -> tuple[dict[int, str], bool]:
    """Number -> name of each class, and whether there are key points.

    Names are taken as they are written: a class `no` is no boolean.

    Raises:
        ValueError: It is not YAML, in words.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ValueError("is not YAML") from None
    entries = {}
    if isinstance(root, yaml.MappingNode):
        entries = {key.value: value for key, value in root.value if _is_scalar(key)}
    names = entries.get("names")
    pairs: list[tuple[str, yaml.Node]] = []
    if isinstance(names, yaml.SequenceNode):
        pairs = [(str(at), value) for at, value in enumerate(names.value)]
    elif isinstance(names, yaml.MappingNode):
        pairs = [(key.value, value) for key, value in names.value if _is_scalar(key)]
    named = {
        int(key): " ".join(value.value.split())
        for key, value in pairs
        if key.isdecimal() and len(key) < 10 and _is_scalar(value) and value.value.strip()
    }
    return named, KEY_POINTS in entries


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)
