"""From files of predictions to what `abl audit` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from abl.app.auditing.contradictions import Contradiction, contradicting_duplicates
from abl.app.auditing.reading import ReadRuns, read_runs
from abl.app.auditing.text import audit_text
from abl.app.auditing.warnings import warnings_of
from abl.data.predictions.prediction_rows import checked_output, write_prediction_table
from abl.data.tables.rows import class_name_problems
from abl.decide.audit.appearances import appearances_of
from abl.decide.audit.label_audit import FLAG_RULES, FlagRule, LabelAudit, audit_of
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.outputs import TABLES, Output, refuse_outputs, table_with

# columns by which a file of `--out` is known
_OWN = ("image", "error_rate", "score", "flagged", "above", "said", "seen", "wrong")


@dataclass(frozen=True)
class AuditAsked:
    """The options of the command.

    Attributes:
        files: Paths, or NAME=PATH, of read_runs.
        theta, flag: Of audit_of.
        classes: Names of labels 0, 1, ...; of two by default benign and malignant.
        images: Folder that names of images start from, or a manifest; None: no duplicates.
        out: CSV or Parquet file; nothing is written if anything is wrong.
        top: How many images are printed.
        as_json: Prints all numbers instead of the text.
        force: Whether `out` is written over a file that is none of `abl audit`; never over one that
            is read.
    """

    files: Sequence[str]
    theta: float = 0.9
    flag: str = "score"
    classes: Sequence[str] | None = None
    images: Path | None = None
    out: Path | None = None
    top: int = 20
    as_json: bool = False
    force: bool = False

    def check(self) -> None:
        """Raises InputError with every option that is wrong; the files are not read."""
        problems = []
        if not 0 <= self.theta <= 1:
            problems.append(f"--theta {self.theta}: give a share from 0 to 1")
        if self.flag not in FLAG_RULES:
            problems.append(f"--flag {self.flag}: {nearest(self.flag, FLAG_RULES)}")
        if self.classes is not None:
            problems += class_name_problems(self.classes)
        if self.images is not None and not self.images.exists():
            problems.append(f"--images {self.images}: no such file or folder")
        raise_if_any([Problem(each) for each in problems])
        if self.out is not None:
            read = [Path(each.partition("=")[2] or each) for each in self.files]
            read += [] if self.images is None else [self.images]
            written = Output("--out", self.out, TABLES, table_with(*_OWN))
            refuse_outputs([written], [*read, *map(Path, self.files)], force=self.force)
            checked_output(self.out)


@dataclass(frozen=True, eq=False)
class Audited:
    """What the command prints and writes.

    Attributes:
        text: To print, with its last line feed.
        frame: As LabelAudit.frame: one row an image.
    """

    text: str
    frame: pd.DataFrame


def audited(asked: AuditAsked, width: int = 120) -> Audited:
    """Audits the labels by out-of-fold predictions; nothing is trained.

    Raises:
        InputError: Everything that is wrong with the options, or with the files.
    """
    asked.check()
    read = read_runs(asked.files, asked.classes)
    found = appearances_of(read.rows, read.images)
    audit = audit_of(found, theta=asked.theta, flag=cast(FlagRule, asked.flag))
    names = _class_names(asked.classes, read.classes)
    pairs = (
        None if asked.images is None
        else contradicting_duplicates(asked.images, read.images, names)
    )  # fmt: skip
    warnings = warnings_of(audit, read)
    frame = audit.frame()
    if asked.as_json:
        facts = _facts(audit, read, pairs, warnings, frame, names)
        text = json.dumps(facts, indent=1) + "\n"
    else:
        said = [*warnings, *read.notes]
        text = audit_text(audit, frame, names, pairs, said, asked.top, width)
    if asked.out is not None:
        write_prediction_table(asked.out, frame)
    return Audited(text, frame)


def _class_names(classes: Sequence[str] | None, count: int) -> list[str]:
    if classes is not None and len(classes) != count:
        raise InputError(f"--classes names {len(classes)}, the files have {count}")
    return [str(at) for at in range(count)] if classes is None else list(classes)


def _facts(
    audit: LabelAudit, read: ReadRuns, pairs: list[Contradiction] | None, warnings: list[str],
    frame: pd.DataFrame, names: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    found, rates = audit.found, audit.rates
    facts: dict[str, Any] = {
        "images": len(found.images),
        "unseen": int((found.times_seen == 0).sum()),
        "networks": [
            {"network": name, "appearances": int(found.seen[:, at].sum()),
             "wrong": int(found.wrong[:, at].sum()),
             "error_rate": float(found.wrong[:, at].sum() / max(1, found.seen[:, at].sum()))}
            for at, name in enumerate(found.networks)
        ],
        "classes": list(names),
        "theta": audit.expected.theta,
        "flag": audit.flag,
        "flagged": int(audit.flagged.sum()),
        "more_often_than_theta": audit.expected.flagged,
        "expected": {
            name: asdict(getattr(audit.expected, name)) for name in ("equal", "fitted", "truly")
        },
        "spreads": asdict(rates.typical),
        "confused": audit.confused_pairs().to_dict("records"),
        "ranking": _records(frame),
        "warnings": warnings,
        "notes": list(read.notes),
    }  # fmt: skip
    if pairs is not None:
        facts["contradicting_duplicates"] = [asdict(pair) for pair in pairs]
    return facts


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: what is not known is null."""
    columns = {
        name: [None if missing else value for value, missing in
               zip(frame[name].tolist(), frame[name].isna().tolist(), strict=True)]
        for name in frame
    }  # fmt: skip
    names = [str(name) for name in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
