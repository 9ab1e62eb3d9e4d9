"""What folders say of their images: class, split, and what lies below.

The names `train`, `val` and `test` are splits, `images`, `original` and the like say nothing, and
folders that hold everything are passed through. Of what is left, the classes are the first level
with known words alone (benign, malignant, normal), else the first with 12 names at most, else the
one with the fewest: `benign/P001/1.png` and `P001/benign/1.png` are both understood.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from abl.data.annotations.mask_names import is_image_folder, natural_order
from abl.data.tables.words import role_named, same_name

# names of findings from the mildest to the worst; the last class is the positive one
RANKS: tuple[frozenset[str], ...] = tuple(map(frozenset, (
    {"normal", "healthy", "control", "controls", "none", "no finding", "no findings", "nofinding",
     "gesund", "sain", "sano"},
    {"negative", "neg", "absent", "no", "false", "0", "negativ", "negativo"},
    {"benign", "benigne", "benigno", "benigna", "bénin", "bénigne", "gutartig", "nevus", "naevus",
     "nevi", "naevi"},
    (),  # every other name
    {"positive", "pos", "present", "yes", "true", "1", "positiv", "positivo"},
    {"malignant", "maligne", "maligno", "maligna", "malin", "bösartig", "cancer", "carcinoma",
     "melanoma", "sarcoma", "tumor", "tumour", "disease", "diseased", "krebs", "karzinom"},
)))  # fmt: skip
OTHER = 3
_ADJECTIVES = {
    word: at
    for at, words in enumerate(RANKS)
    for word in words & {
        "normal", "healthy", "benign", "benigne", "benigno", "benigna", "bénin", "bénigne",
        "gutartig", "malignant", "maligne", "maligno", "maligna", "malin", "bösartig",
    }
}  # fmt: skip
SIGNS = re.compile(r"[ _.-]+")
WITHOUT = re.compile(r"(no|non|not|without) |notumou?r$|uninfected$")  # `no tumor`, `non-cancer`
KNOWN = frozenset[str]().union(*RANKS)
FEW = 12  # names of a level that is readily taken for that of classes


@dataclass(frozen=True)
class FolderLayout:
    """What the folders of images say.

    Attributes:
        class_of: Image -> class, of the images that lie in the folder of one.
        split_of: Image -> train, validation or test, of those in a folder of that name.
        below: Image -> its further folders, / between them; "" if there are none.
        spelled: Class -> the other spellings of its folders (`Benign` of `benign`).
        stray: Images in no folder of a class.
    """

    class_of: dict[str, str]
    split_of: dict[str, str]
    below: dict[str, str]
    spelled: dict[str, tuple[str, ...]]
    stray: tuple[str, ...]


def class_order(names: Collection[str]) -> tuple[str, ...]:
    """Classes from the mildest to the worst, as far as their names tell, then by name."""
    if _are_numbers(names):
        return tuple(sorted(names, key=natural_order))
    return tuple(sorted(names, key=lambda name: (_rank(name), natural_order(name))))


def names_tell_order(names: Collection[str]) -> bool:
    """Whether the names say which class is the worst: else it is the last of the alphabet."""
    ranks = sorted(map(_rank, names))
    return _are_numbers(names) or ranks[-1:] != ranks[-2:-1]


def _are_numbers(names: Collection[str]) -> bool:
    return all(name.strip().isdecimal() for name in names)


def _rank(name: str) -> int:
    word = SIGNS.sub(" ", same_name(name))
    if WITHOUT.match(word):
        return 0
    whole = next((at for at, words in enumerate(RANKS) if word in words), None)
    # `malignant cases`, `lung_benign`: the adjective, for `benign tumor` is benign
    return _ADJECTIVES.get(_first_adjective(word), OTHER) if whole is None else whole


def _first_adjective(word: str) -> str:
    return next((part for part in word.split() if part in _ADJECTIVES), "")


def folder_layout(images: Sequence[str], *, classes: Collection[str] = ()) -> FolderLayout:
    """Reads the folders of images.

    Args:
        images: Their paths, / between folders.
        classes: Names of classes, if they are known: then the level that has most of them counts.
    """
    split_of: dict[str, str] = {}
    folders: dict[str, tuple[str, ...]] = {}
    wanted = {same_name(name) for name in classes}
    read: dict[str, tuple[tuple[str, ...], str]] = {}
    for image in images:
        folder = image.rpartition("/")[0]
        if folder not in read:
            read[folder] = _read_folder(folder, wanted)
        folders[image], role = read[folder]
        if role:
            split_of[image] = role
    if len(set(split_of.values())) < 2 and len(split_of) == len(images):
        split_of = {}  # a folder `train` around everything divides nothing
    level = _class_level(list(folders.values()), wanted)
    names: dict[str, Counter[str]] = {}
    named: dict[str, str] = {}
    for image, parts in folders.items():
        if level is not None and len(parts) > level:
            key = same_name(parts[level])
            if not wanted or key in wanted:
                names.setdefault(key, Counter())[parts[level].strip()] += 1
                named[image] = key
    asked = {same_name(name): name for name in classes}
    shown = {key: asked.get(key) or found.most_common(1)[0][0] for key, found in names.items()}
    return FolderLayout(
        {image: shown[key] for image, key in named.items()},
        split_of,
        {
            image: "/".join((*parts[:level], *parts[level + 1 :]))
            for image, parts in folders.items()
            if level is not None and image in named
        },
        {
            shown[key]: others
            for key, found in names.items()
            if (others := tuple(sorted(set(found) - {shown[key]})))
        },
        tuple(image for image in images if image not in named),
    )


def _read_folder(folder: str, wanted: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The parts that may name classes, and the split that one of the others names, "" if none."""
    kept, split = [], ""
    for name in filter(None, folder.split("/")):
        word, role = same_name(name), role_named(name)
        if role is not None and word not in wanted and not split:
            split = role
        elif word in wanted or not is_image_folder(name):
            kept.append(name)
    return tuple(kept), split


def _class_level(folders: Sequence[tuple[str, ...]], wanted: Collection[str]) -> int | None:
    """The level of folders that names the classes; None if there are no folders."""
    counts: Mapping[tuple[str, ...], int] = Counter(folders)
    depth = max(map(len, counts), default=0)
    total = sum(counts.values())
    levels: dict[int, set[str]] = {}
    for level in range(depth):
        reached = sum(count for parts, count in counts.items() if len(parts) > level)
        names = {same_name(parts[level]) for parts in counts if len(parts) > level}
        # a level that few images reach, or that divides nothing, is none of classes
        if wanted or (len(names) > 1 and 2 * reached > total):
            levels[level] = names
    if wanted:
        hits = {level: len(names & set(wanted)) for level, names in levels.items()}
        best = max(hits, key=lambda level: (hits[level], -level), default=None)
        return best if best is not None and hits[best] else None
    if levels:
        known = [level for level, names in levels.items() if names <= KNOWN]
        few = [level for level, names in levels.items() if len(names) <= FEW]
        fewest = min(levels, key=lambda level: (len(levels[level]), level))
        return (known or few or [fewest])[0]
    # one folder alone, or one within another: the innermost that all images share
    return _shared_depth(counts) if depth else None


def _shared_depth(counts: Mapping[tuple[str, ...], int]) -> int | None:
    first = next(iter(counts))
    shared = len(first)
    for parts in counts:
        same = 0
        for one, other in zip(first, parts, strict=False):
            if same_name(one) != same_name(other):
                break
            same += 1
        shared = min(shared, same)
    return shared - 1 if shared else None
