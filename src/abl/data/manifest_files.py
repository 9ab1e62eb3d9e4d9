"""The files that rows of a manifest name: found, hashed, looked at, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from abl.data.checks.image_checks import NO_FILE, FileCheck, checked_files
from abl.data.masks.columns import BETWEEN, files_named, joined_digest, mask_advice, mask_paths
from abl.data.tables.paths_there import AlikeFiles, paths_there
from abl.data.tables.rows import Rows
from abl.errors import Problem

if TYPE_CHECKING:
    from abl.data.medical.columns import MedicalRows

Files = list[tuple[str, FileCheck]]  # of a row's cell of paths


def paths_of(rows: Rows, folder: Path, name: str) -> list[str]:
    """A column of paths as the files there are called; of several masks, with ; between them."""
    if name == "image":
        return paths_there(folder, rows.text(name))
    texts = rows.given(name)
    if name != "mask" or all(text.isascii() for text in texts):
        return paths_there(folder, texts)
    return [BETWEEN.join(paths_there(folder, mask_paths(folder, text))) for text in texts]


def checked_rows(folder: Path, name: str, texts: Sequence[str], bits: int) -> list[Files]:
    """The files of each row with what is known of them."""
    named = [files_named(folder, name, text) for text in texts]
    every = [path for paths in named for path in paths]
    # masks have no grey levels
    checks = iter(checked_files(folder, every, None if name == "mask" else bits))
    return [list(zip(paths, checks, strict=False)) for paths in named]


def check_of_row(files: Files) -> FileCheck:
    """What is known of all files of a row; a kind alone where there is one."""
    if len(files) == 1:
        return files[0][1]
    return FileCheck(digest=joined_digest([check.digest for _, check in files]))


def medical_of(
    folder: Path,
    rows: Rows,
    paths: Mapping[str, list[str]],
    checks: Mapping[str, list[FileCheck]],
) -> MedicalRows | None:
    """What DICOM and NIfTI files add; None if there are none."""
    kinds = {name: [check.kind for check in of_rows] for name, of_rows in checks.items()}
    if not any(any(of_rows) for of_rows in kinds.values()):
        return None
    from abl.data.medical.columns import medical_rows  # costs what only such files are worth

    return medical_rows(folder, rows, paths, kinds)


def file_problems(rows: Rows, folder: Path, files: Mapping[str, list[Files]]) -> list[Problem]:
    """What is wrong with files; of images of which none is there, the first alone."""
    problems = []
    alike = AlikeFiles(folder)
    for name, of_rows in files.items():
        found = [(position, *each) for position, of_row in enumerate(of_rows) for each in of_row]
        absent, told = sum(check.fault == NO_FILE for _, _, check in found), len(found)
        if name == "image" and absent == told > 1:
            message = (
                f"none of its {absent:,} images is there: paths start from the manifest's folder"
            )
            advice = "data: {images: FOLDER}, or --images of `abl data check`, names another"
            problems.append(Problem(f"{message}, {folder.resolve()}; {advice}", file=rows.file))
            told = 1
        for position, file, check in found[:told]:
            if check.fault:
                hint = alike.hint(file) if check.fault == NO_FILE else ""
                hint += mask_advice(file) if name == "mask" else ""
                problems.append(rows.problem(position, f"{name} '{file}' {check.fault}{hint}"))
    return problems
