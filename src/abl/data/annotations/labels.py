"""The class and the patient of an image: from its regions, its folder, or what its file says."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from abl.data.annotations.regions import AnnotatedImage, Region
from abl.data.tables.words import same_name
from abl.errors import InputError, Problem, nearest

CATEGORY, FOLDER, IMAGE = "category", "folder", "image"
NO_CLASSES = re.compile(
    r"(images?|imgs?|jpegimages|data(set)?|train(ing)?|val(id(ation)?)?|test(ing)?|pictures?)\d*",
    re.IGNORECASE,
)
PATIENTS = re.compile(r"(patient|subject|case)([ _-]?(id|number|no))?", re.IGNORECASE)
TIRADS = "tirads"
USUAL = {"benign", "malignant", "normal"}  # names that are classes beyond doubt
LEAVE = "leave"  # what `--mixed` does with an image of two classes


@dataclass(frozen=True)
class Labelling:
    """How images get their classes.

    Attributes:
        by: category (of regions), folder, image (what is said of the whole image), or the name of
            a column or of an attribute of regions.
        classes: Value -> class; empty: values are the classes.
        empty: Class of images without a region, where regions have the classes; "" for none.
        mixed: Class that an image with regions of several is of, leave, or "" to refuse it.
    """

    by: str
    classes: Mapping[str, str]
    empty: str = ""
    mixed: str = ""

    def regions(self, image: AnnotatedImage) -> list[Region]:
        """The regions that count: with classes given for categories, those that have one."""
        if not (self.classes and self.of_regions):
            return list(image.regions)
        return [each for each in image.regions if self._value(each) in self.classes]

    @property
    def of_regions(self) -> bool:
        """Whether regions have the classes, rather than images."""
        return self.by == CATEGORY or self.by.startswith("region:")

    def values(self, image: AnnotatedImage) -> list[str]:
        """The distinct classes of an image, in the order of their regions; [] if it has none."""
        named = (self.classes.get(value, "") for value in self.said(image))
        return list(dict.fromkeys(filter(None, named))) if self.classes else self.said(image)

    def said(self, image: AnnotatedImage) -> list[str]:
        """The distinct values of an image that stand for its classes, without the empty one."""
        if self.of_regions:
            values = [self._value(each) for each in image.regions]
        else:
            values = [_said(image, self.by)]
        return list(dict.fromkeys(filter(None, values)))

    def _value(self, region: Region) -> str:
        if self.by == CATEGORY:
            return region.category
        return region.attributes.get(self.by.removeprefix("region:"), "")


def _said(image: AnnotatedImage, by: str) -> str:
    if by == FOLDER:
        return folder_word(image.image)
    return image.label if by == IMAGE else image.columns.get(by, "")


def folder_word(image: str) -> str:
    """The innermost folder of an image that may be a class: not `images`, not `train`."""
    parts = reversed(PurePosixPath(image).parent.parts)
    return next((part.strip() for part in parts if not NO_CLASSES.fullmatch(part)), "")


def labelling_of(
    images: Sequence[AnnotatedImage],
    *,
    by: str | None,
    classes: Mapping[str, str],
    empty: str = "",
    mixed: str = "",
) -> Labelling:
    """How these images get their classes: as asked, or the one way that tells two or more.

    Raises:
        InputError: No such source of classes, none or several that tell classes apart, or values
            that are numbers without a name.
    """
    candidates = _candidates(images)
    if by is not None:
        found = by if by in candidates else f"region:{by}"
        if found not in candidates:
            names = [name.removeprefix("region:") for name in candidates]
            raise InputError(f"--label {by}: {nearest(by, names)}")
    else:
        found = _only_one(candidates, images, classes, empty)
    chosen = Labelling(found, classes, empty, mixed)
    values = {value for image in images for value in chosen.values(image)}
    if unknown := [value for value in classes if value not in candidates[found]]:
        source = found.removeprefix("region:")
        raise InputError(
            [
                Problem(
                    f"--class {classes[value]}={value}: no {source} is '{value}'; "
                    f"{nearest(value, candidates[found])}"
                )
                for value in unknown
            ]
        )
    alike: dict[str, list[str]] = {}
    for value in sorted(values):
        alike.setdefault(same_name(value), []).append(value)
    if twins := [each for each in alike.values() if len(each) > 1]:
        raise InputError(
            [
                Problem(
                    f"classes {' and '.join(map(repr, each))} differ in their letters' form alone; "
                    f"join them: --class {each[-1]}={','.join(each)}, and name the others likewise"
                )
                for each in twins
            ]
        )
    if not classes:
        _refuse_numbers(found, values)
    return chosen


def _refuse_numbers(by: str, values: set[str]) -> None:
    """Raises InputError for classes that are bare numbers: a 0 would be taken for benign.

    Of regions one number is enough, as their other categories have names; what is said of images
    may be a scale such as 3, 4a, 4b.
    """
    numbers = sorted(value for value in values if value.isdecimal())
    if numbers and len(numbers) == len(values):
        few = " ".join(f"--class NAME={value}" for value in numbers[:3])
        raise InputError(f"classes are numbers without a name; name them: {few}")
    if numbers and by == CATEGORY:
        others = sorted(values - set(numbers))
        shown = [f"NAME={each}" for each in numbers[:3]] + [f"{o}={o}" for o in others[:8]]
        all_named = " ".join("--class " + shlex.quote(each) for each in shown)
        raise InputError(
            f"class {', '.join(numbers[:3])} is a number without a name; name it beside the "
            f"others: {all_named}"
        )


def _candidates(images: Iterable[AnnotatedImage]) -> dict[str, set[str]]:
    """Source of classes -> its distinct values, those of attributes as region:NAME."""
    found: dict[str, set[str]] = {CATEGORY: set(), FOLDER: set(), IMAGE: set()}
    for image in images:
        found[FOLDER].add(folder_word(image.image))
        found[IMAGE].add(image.label)
        for name, value in image.columns.items():
            found.setdefault(name, set()).add(value)
        for region in image.regions:
            found[CATEGORY].add(region.category)
            for name, value in region.attributes.items():
                found.setdefault(f"region:{name}", set()).add(value)
    return {name: values - {""} for name, values in found.items() if values - {""}}


def _only_one(
    candidates: Mapping[str, set[str]],
    images: Sequence[AnnotatedImage],
    classes: Mapping[str, str],
    empty: str,
) -> str:
    if classes:  # they say which values are meant
        hits = {name: len(values & set(classes)) for name, values in candidates.items()}
        best = [name for name, count in hits.items() if count == max(hits.values()) and count]
        if best:
            return best[0]
    telling = [
        name
        for name in (CATEGORY, IMAGE, FOLDER, TIRADS)
        if len(candidates.get(name, ())) + (name == CATEGORY and bool(empty)) > 1
    ]
    answers = {
        tuple(tuple(Labelling(name, {}).values(image)) for image in images): name
        for name in reversed(telling)
    }
    usual = [name for name in telling if {each.lower() for each in candidates[name]} <= USUAL]
    if len(answers) == 1 or len(usual) == 1:
        return (usual or telling)[0]
    there = "; ".join(
        f"--label {name.removeprefix('region:')} ({_few(sorted(values))})"
        for name, values in candidates.items()
    )
    why = "several things may be the class" if telling else "nothing tells classes apart"
    advice = f"say which: {there}" if there else "put each class into a folder of its name"
    raise InputError(Problem(f"{why}; {advice}"))


def _few(values: Sequence[str]) -> str:
    return ", ".join(values[:4]) + (f", ... ({len(values)})" if len(values) > 4 else "")


def patient_source(
    images: Sequence[AnnotatedImage], asked: str | None
) -> Callable[[AnnotatedImage], str] | None:
    """What gives the patient of an image, None if nothing is known of patients.

    Args:
        asked: A column, `folder`, or a regular expression of which the first group in the path of
            an image is the patient; None: what the format says, or a column of that name.

    Raises:
        InputError: Neither a column nor an expression with a group.
    """
    names = Counter(name for image in images for name in image.columns)
    if asked is None:
        if any(image.patient for image in images):
            return lambda image: image.patient
        found = next((name for name in names if PATIENTS.fullmatch(name)), None)
        return None if found is None else lambda image: image.columns.get(found, "")
    if asked == FOLDER:
        return lambda image: folder_word(image.image)
    if asked in names:
        return lambda image: image.columns.get(asked, "")
    if "(" not in asked:
        said = nearest(asked, [FOLDER, *names])
        raise InputError(f"--patient {asked}: {said} (or an expression with a group)")
    expression = expression_with_group("--patient", asked)

    def matched(image: AnnotatedImage) -> str:
        match = expression.search(image.image)
        return (match[1] or "") if match else ""

    return matched


def expression_with_group(option: str, pattern: str) -> re.Pattern[str]:
    """A regular expression whose group in the path of an image is its patient.

    Raises:
        InputError: It is none, or has no group; named by the option that gave it.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{option} {pattern}: is no regular expression: {error}") from None
    if not expression.groups:
        raise InputError(f"{option} {pattern}: has no group ( ) that is the patient")
    return expression
