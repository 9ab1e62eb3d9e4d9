"""Predictions as raters beside the readers: the score is a rating, the likelier class an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.predictions.prediction_file import PredictionTable, read_prediction_table
from abl.data.predictions.prediction_rows import class_columns
from abl.data.readers.answer_files import read_reader_answers
from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.check import largest_class
from abl.errors import InputError, Problem


def with_arms(
    files: Sequence[Path],
    arms: Sequence[tuple[str, Path]],
    classes: Sequence[str] | None,
    positive: str | None = None,
) -> ReaderAnswers:
    """The answers of readers, and those of predictions on the same cases.

    Args:
        files: Of readers' answers; truth and patients may be those of the predictions.
        arms: Name and file of each of the predictions. Of an image that is there several times, as
            of several trainings, the probabilities are averaged; rows of training and validation
            are left out.
        classes: As read_reader_answers; by default predictions are of benign and malignant.
        positive: As read_reader_answers.

    Raises:
        InputError: Everything that is wrong with the files.
    """
    if not arms:
        return read_reader_answers(files, classes=classes, positive=positive)
    names = ("benign", "malignant") if classes is None else tuple(classes)
    tables = [
        (name, read_prediction_table(path, classes=names, named_by="--classes"))
        for name, path in arms
    ]
    frames = {name: _averaged(table, names) for name, table in tables}
    labels: dict[str, int] = {}
    patients: dict[str, str] = {}
    problems = []
    for name, table in tables:
        frame = frames[name]
        for image, label in zip(frame.index, frame["label"], strict=True):
            if labels.setdefault(str(image), int(label)) != label:
                said = f"image '{image}': label {label} here, {labels[str(image)]} elsewhere"
                problems.append(Problem(said, file=table.path))
        if "patient" in frame:
            patients |= dict(
                zip(frame.index.astype(str), frame["patient"].astype(str), strict=True)
            )
    if problems:
        raise InputError(problems)
    answers = read_reader_answers(
        files, classes=classes, positive=positive, labels=labels, patients=patients or None
    )
    return _joined(answers, frames, labels)


def _averaged(table: PredictionTable, classes: Sequence[str]) -> pd.DataFrame:
    """label, p_0, p_1, ... and patient by image, of the test rows."""
    frame = table.frame
    if "split" in frame:
        frame = frame[frame["split"] == "test"]
        if not len(frame):
            raise InputError(Problem("column split has no 'test' rows", file=table.path, line=1))
    columns = class_columns(frame)
    if len(columns) != len(classes):
        said = f"{len(columns)} classes ({', '.join(columns)}), and the answers are of "
        said += f"{', '.join(classes)}: name them with --classes"
        raise InputError(Problem(said, file=table.path, line=1))
    groups = frame.groupby("image", sort=False)
    found = groups[["label", *columns]].mean()
    if (groups["label"].nunique() > 1).any():
        image = found.index[(groups["label"].nunique() > 1).to_numpy()][0]
        raise InputError(Problem(f"image '{image}' has two labels", file=table.path))
    if "patient" in frame:
        found["patient"] = groups["patient"].first()
    return found.astype({"label": int})


def _joined(
    answers: ReaderAnswers, frames: dict[str, pd.DataFrame], labels: dict[str, int]
) -> ReaderAnswers:
    known = answers.truth_of()
    parts = [answers.frame]
    problems = []
    for name, frame in frames.items():
        if name in answers.readers:
            problems.append(Problem(f"--predictions {name}: a reader has this name: give another"))
            continue
        there = frame[frame.index.isin(known.index)]
        p = there[class_columns(there)].to_numpy(dtype=np.float64)
        rating = np.nan if answers.positive is None else p[:, answers.positive]
        # beside the readers of every treatment
        parts += [
            pd.DataFrame(
                {
                    "case": there.index.astype(str),
                    "reader": name,
                    "treatment": treatment,
                    "patient": known["patient"].loc[there.index].to_numpy(),
                    "experience": "",
                    "session": answers.sessions[0],
                    "comment": "",
                    "truth": known["truth"].loc[there.index].to_numpy(),
                    "answer": largest_class(p).astype(float),
                    "rating": rating,
                    "confidence": float("nan"),
                }
            )
            for treatment in answers.treatments
        ]
    if problems:
        raise InputError(problems)
    whole = pd.concat(parts, ignore_index=True)[list(answers.frame.columns)]
    return replace(answers, frame=whole)
