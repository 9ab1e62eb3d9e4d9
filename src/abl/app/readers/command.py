"""From files of readers' answers to what `abl readers` prints and writes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.facts import facts_of, rater_frame
from abl.app.readers.results import reader_results
from abl.app.readers.text import readers_text
from abl.data.predictions.prediction_rows import write_prediction_table


@dataclass(frozen=True, eq=False)
class ReadersAnalysed:
    """What the command prints and writes.

    Attributes:
        text: To print, with its last line feed.
        frame: One row a reader and treatment.
    """

    text: str
    frame: pd.DataFrame


def readers_analysed(asked: ReadersAsked, width: int = 120) -> ReadersAnalysed:
    """Compares readers, treatments and algorithms; nothing is trained.

    Raises:
        InputError: Everything that is wrong with the options, or with the files.
    """
    asked.check()
    results = reader_results(asked)
    frame = rater_frame(results.raters, results.of_classes)
    if asked.as_json:
        text = json.dumps(facts_of(results, asked), indent=1, allow_nan=False) + "\n"
    else:
        text = readers_text(results, asked, width)
    if asked.out is not None:
        write_prediction_table(asked.out, frame)
    return ReadersAnalysed(text, frame)
