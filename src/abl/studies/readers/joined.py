"""Readers' answers joined to the images of a data set, and arms of the sweep beside the readers."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.dataset import TOGETHER, Dataset
from abl.data.image_codes import image_code
from abl.data.readers.answer_files import read_reader_answers
from abl.data.readers.reader_answers import ANSWER_KEYS, ReaderAnswers
from abl.decide.check import Floats, largest_class
from abl.decide.replicates import KEYS
from abl.errors import InputError, Problem, raise_if_any
from abl.plan.outcome import Outcome
from abl.report.labels import counted
from abl.report.pairs.arm_words import arm_title
from abl.report.prediction_frames import probabilities_of
from abl.studies.readers.common_scale import RANKED, on_one_scale
from abl.studies.readers.options import Options
from abl.studies.readers.simulated import simulated_answers


def image_rows_of(dataset: Dataset) -> pd.DataFrame:
    """image, label, patient (or what keeps patients together) of a data set, text and numbers."""
    frame = dataset.frame
    clusters = frame[TOGETHER if TOGETHER in frame else "patient"]
    return pd.DataFrame(
        {
            "image": frame["image"].astype(str),
            "label": frame["label"].astype(np.int64),
            "patient": clusters.astype(str),
        }
    ).reset_index(drop=True)


def answers_on(
    images: pd.DataFrame,
    classes: Sequence[str],
    options: Options,
    files: Sequence[Path],
    positive: str | None = None,
) -> ReaderAnswers:
    """The answers of the options, whose cases are names of images.

    An image may be called by its name, by its code (`abl readers page`), by its name without the
    folder where that is of one image alone, with other slashes, and in another Unicode form.

    Args:
        images: As image_rows_of.
        files: Of `options.answers`.
        positive: As read_reader_answers.

    Raises:
        InputError: Everything that is wrong with the files, with file and row.
    """
    if options.simulated:
        return simulated_answers(images, classes, options)
    called = _names_of(images["image"])
    labels = dict(zip(images["image"], images["label"].astype(int), strict=True))
    patients = dict(zip(images["image"], images["patient"], strict=True))
    answers = read_reader_answers(
        files,
        classes=classes,
        positive=positive,
        labels={name: labels[image] for name, image in called.items()},
        patients={name: patients[image] for name, image in called.items()},
    )
    frame = answers.frame.assign(case=answers.frame["case"].map(dict(called)))
    again = frame[frame.duplicated(list(ANSWER_KEYS))]
    raise_if_any(
        [
            Problem(
                f"reader '{row.reader}' answered image '{row.case}' twice, under two of its names",
                file=", ".join(map(str, files)),
            )
            for row in again.itertuples()
        ]
    )
    return replace(answers, frame=frame)


def _names_of(images: pd.Series) -> Mapping[str, str]:
    """What an image may be called in a file of answers -> its name."""
    found: dict[str, str] = {}
    short = Counter(_short(name) for name in images)
    for name in images:
        more = [image_code(name)]
        if short[_short(name)] == 1:
            more.append(_short(name))
        forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
        for each in (*more, *forms, name.replace("/", "\\"), f"./{name}"):
            found.setdefault(each, name)
    # a name always is that image
    return {**found, **{name: name for name in images}}


def _short(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


@dataclass(frozen=True, eq=False)
class Compared:
    """Readers and arms on the same images.

    Attributes:
        answers: Of readers, on images that were in test sets; cases are images.
        together: The same with a rater an arm, in the treatment "".
        arms: Names of the arms' raters, in the order of the table.
        probability: Of each image the mean of the arms' probabilities of the positive class; empty
            without such a class.
        ranked: Whether several networks predicted the images of an arm, so that its ratings are
            rank shares.
        notes: What was left out, and what ratings of arms are, a sentence each.
    """

    answers: ReaderAnswers
    together: ReaderAnswers
    arms: tuple[str, ...]
    probability: pd.Series
    ranked: bool
    notes: tuple[str, ...]


def first_tests(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of each arm and image the prediction of the first replicate that tests it.

    Args:
        predictions: As `Analysis.predictions`.
    """
    tests = predictions[(predictions["role"] == "test").to_numpy()]
    tests = tests.sort_values(list(KEYS), kind="stable")
    tests = tests.assign(arm=tests["arm"].astype(str), unit=tests["unit"].astype(str))
    return tests.drop_duplicates(["arm", "unit"])


def compared_on_tests(
    answers: ReaderAnswers,
    outcome: Outcome,
    predictions: pd.DataFrame,
    arms: Collection[str] | None = None,
) -> Compared:
    """Arms beside readers: of each arm and image the prediction of the first replicate that tests
    it, so that an arm answers once as a reader does.

    The answer is the likelier class. The rating is the probability, or, where several networks
    predicted the images (folds), its rank among the test images of its own network: what two
    networks mean by 0.4 need not be the same.

    Args:
        predictions: As `Analysis.predictions`.
        arms: Keys of those that are wanted; None: all.

    Raises:
        InputError: No answer is on a test image.
    """
    predictions = predictions.reset_index(drop=True)
    tests = first_tests(predictions)
    tested = set(tests["unit"])
    is_tested = answers.frame["case"].isin(tested).to_numpy()
    own = replace(answers, frame=answers.frame[is_tested].reset_index(drop=True))
    if own.frame.empty:
        raise InputError("no image with a reader's answer is in a test set")
    notes = _left_out(answers, is_tested, tested)
    if (own.frame["truth"].to_numpy() == own.frame["truth"].iloc[0]).all():
        raise InputError("all test images with a reader's answer are of one class")
    read = set(own.frame["case"])
    patients = own.truth_of()["patient"]
    names = _arm_names(outcome, own.readers)
    parts, probabilities, ranked = [own.frame], [], False
    for arm in outcome.arms:
        rows = tests[(tests["arm"] == arm.key).to_numpy() & tests["unit"].isin(read).to_numpy()]
        wanted = arms is None or arm.key in arms
        if arm.failed or rows.empty or not wanted:
            continue
        p = probabilities_of(rows)
        rating: Floats | float = np.nan
        if own.positive is not None:
            probabilities.append(pd.Series(p[:, own.positive], rows["unit"]))
            shares = on_one_scale(rows, _tests_of(predictions, arm.key), own.positive)
            rating = p[:, own.positive] if shares is None else shares
            ranked = ranked or shares is not None
        parts.append(
            pd.DataFrame(
                {
                    "case": rows["unit"].to_numpy(),
                    "reader": names[arm.key],
                    "treatment": "",
                    "patient": patients.reindex(rows["unit"]).to_numpy(),
                    "experience": "",
                    "session": "",
                    "comment": "",
                    "truth": rows["label"].to_numpy(np.float64),
                    "answer": largest_class(p).astype(np.float64),
                    "rating": rating,
                    "confidence": np.nan,
                }
            )
        )
    there = tuple(str(part["reader"].iloc[0]) for part in parts[1:])
    together = replace(own, frame=pd.concat(parts, ignore_index=True)[list(own.frame.columns)])
    mean = pd.concat(probabilities).groupby(level=0).mean() if probabilities else pd.Series()
    return Compared(own, together, there, mean, ranked, (*notes, *[RANKED] * ranked))


def _tests_of(predictions: pd.DataFrame, arm: str) -> pd.DataFrame:
    is_own = (predictions["arm"].astype(str) == arm) & (predictions["role"] == "test")
    return predictions[is_own.to_numpy()]


def _arm_names(outcome: Outcome, readers: Sequence[str]) -> dict[str, str]:
    """Key of an arm -> a name that no reader and no other arm has."""
    titles = [arm_title(outcome, arm) for arm in outcome.arms]
    taken = Counter([*titles, *readers])
    return {
        arm.key: title if taken[title] == 1 else f"#{at} {title}"
        for at, (arm, title) in enumerate(zip(outcome.arms, titles, strict=True), 1)
    }


def _left_out(answers: ReaderAnswers, is_tested: np.ndarray, tested: set[str]) -> tuple[str, ...]:
    frame, notes = answers.frame, []
    elsewhere = frame["case"][~is_tested].nunique()
    if elsewhere:
        notes.append(
            f"{counted(elsewhere, 'image')} with readers' answers in no test set: left out."
        )
    said = frame["answer"].notna() | frame["rating"].notna()
    unread = len(tested - set(frame["case"][said.to_numpy()]))
    if unread:
        notes.append(f"{counted(unread, 'test image')} without a reader's answer: left out.")
    return tuple(notes)
