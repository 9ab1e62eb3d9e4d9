"""Images on which all readers say one thing and all arms the other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data.arrays import image_array
from abl.data.images import reduced
from abl.report.pictures import Picture, Pictures
from abl.spec.data import Data
from abl.stages.inputs import OpenData, Workspace
from abl.studies.readers.joined import Compared

SIDE = 200  # pixels of a picture
MOST_EACH = 8  # pictures of each kind
READERS_RIGHT, ARMS_RIGHT = "all readers right, all arms wrong", "all arms right, all readers wrong"


def divided_images(compared: Compared) -> pd.DataFrame:
    """image, label, why (who is right), treatment, readers and arms (how many answered), p (mean
    of the arms' probabilities of the positive class); the surest arms first.

    An image counts if every reader who answered it gave one class, two readers at least, and every
    arm the other.
    """
    answers = compared.together.of_first_session().frame
    answers = answers[answers["answer"].notna().to_numpy()]
    is_arm = answers["reader"].isin(compared.arms).to_numpy()
    arms = (
        answers[is_arm]
        .groupby("case")
        .agg(low=("answer", "min"), high=("answer", "max"), arms=("answer", "size"))
    )
    arms["p"] = compared.probability.reindex(arms.index).astype(np.float64)
    rows = []
    for treatment, part in answers[~is_arm].groupby("treatment", sort=True):
        readers = part.groupby("case").agg(
            truth=("truth", "first"), one=("answer", "min"), other=("answer", "max"),
            readers=("answer", "size"),
        )  # fmt: skip
        both = readers.join(arms, how="inner")
        agreed = (both["one"] == both["other"]) & (both["low"] == both["high"])
        both = both[agreed & (both["one"] != both["low"]) & (both["readers"] >= 2)]
        for image, row in both.iterrows():
            why = READERS_RIGHT if row["one"] == row["truth"] else ARMS_RIGHT
            rows.append(
                {
                    "image": str(image), "label": int(row["truth"]), "why": why,
                    "treatment": str(treatment), "readers": int(row["readers"]),
                    "arms": int(row["arms"]), "p": float(row["p"]),
                }
            )  # fmt: skip
    frame = pd.DataFrame(
        rows, columns=["image", "label", "why", "treatment", "readers", "arms", "p"]
    )
    sure = (frame["p"].astype(float) - 0.5).abs()
    order = np.lexsort([frame["image"], -sure, frame["why"] != READERS_RIGHT])
    return frame.iloc[order].reset_index(drop=True)


def divided_pictures(divided: pd.DataFrame, data: Data, workspace: Workspace) -> Pictures | None:
    """The first images of each kind, whole; None without any."""
    if divided.empty:
        return None
    opened: OpenData = workspace.data(data)
    place = {str(name): at for at, name in enumerate(opened.dataset.frame["image"])}
    array = image_array(
        opened.dataset.without_boxes(), workspace.store.cache, longest_side=data.longest_side
    )
    rows = []
    for why, part in divided.drop_duplicates(["image", "why"]).groupby("why", sort=False):
        for row in part.head(MOST_EACH).to_dict("records"):
            pixels = reduced(np.squeeze(array.image(place[row["image"]])), SIDE)
            channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
            rows.append(
                Picture(row["image"], str(why), int(row["label"]), channels, None, None, ())
            )
    return Pictures((), "", tuple(rows))
