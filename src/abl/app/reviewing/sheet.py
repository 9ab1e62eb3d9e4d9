"""The table that readers of a review fill in: its columns and the words of its answers."""

from __future__ import annotations

DECISIONS = ("keep", "relabel", "drop", "unsure")
KEEP, RELABEL, DROP, UNSURE = DECISIONS
CAUSES = ("annotation unclear", "atypical histology", "image quality", "other")
# what a person fills in
ANSWERS = ("decision", "new_label", "reader", "cause", "comment")
# which data the answers are of
IDENTITY = ("image", "label", "sweep", "data")
