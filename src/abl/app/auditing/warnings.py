"""What a person should know before trusting an audit."""

from __future__ import annotations

from abl.app.auditing.reading import ReadRuns
from abl.decide.audit.label_audit import LabelAudit

IN_SAMPLE = 0.005  # error rate from which a network is suspected to have seen the images
FEW = 3  # appearances of an image in the median


def warnings_of(audit: LabelAudit, read: ReadRuns) -> list[str]:
    """A sentence each."""
    found = audit.found
    said = []
    if len(found.networks) == 1:
        said.append(
            "One network alone: what it finds hard and what is wrongly labelled look the same. "
            "Give predictions of several."
        )
    unseen = int((found.times_seen == 0).sum())
    if unseen:
        which = "image was" if unseen == 1 else "images were"
        said.append(
            f"{unseen:,} {which} in no test set: nothing is known of them, and none is flagged."
        )
    for at, name in enumerate(found.networks):
        appearances = int(found.seen[:, at].sum())
        share = found.wrong[:, at].sum() / max(1, appearances)
        if share < IN_SAMPLE and appearances >= 100:
            said.append(
                f"{name} is right in {100 * (1 - share):.1f} % of {appearances:,} rows: were these "
                "images among those it was trained on? Then it repeats the labels."
            )
        chance = 1 - 1 / read.classes
        if share > chance:
            said.append(
                f"{name} is wrong in {100 * share:.0f} % of its rows, more often than chance: are "
                "its classes in the order of the labels?"
            )
    patients = "patient" in read.images
    if not patients:
        said.append("No column patient: images are taken as independent.")
    return said
