"""`abl data check`: everything that is wrong with a data set, or what it holds."""

from __future__ import annotations

import tempfile
from pathlib import Path

from abl.data.arrays import image_array
from abl.data.duplicates import near_duplicate_pairs
from abl.data.files import check_images
from abl.data.manifest import load_manifest
from abl.errors import raise_if_any


def check_report(manifest: Path, classes: tuple[str, ...]) -> str:
    """What a manifest holds, in lines.

    Raises:
        InputError: With every problem of the manifest and its images.
    """
    dataset = load_manifest(manifest, classes=classes)
    raise_if_any(check_images(dataset))
    frame = dataset.frame
    counts = frame["label"].value_counts()
    lines = [f"{manifest}: {len(frame)} images of {frame['patient'].nunique()} patients"]
    lines += [f"  {name}: {counts.get(label, 0)} images" for label, name in enumerate(classes)]
    both = int((frame.groupby("patient")["label"].nunique() > 1).sum())
    if both:
        lines.append(f"  {both} patients have images of several classes")
    with tempfile.TemporaryDirectory(prefix="abl-check-") as folder:
        pairs = near_duplicate_pairs(image_array(dataset, Path(folder), longest_side=1024))
    patient, image = frame["patient"].to_numpy(), frame["image"].to_numpy()
    across = pairs[patient[pairs["position_a"]] != patient[pairs["position_b"]]]
    lines.append(f"  near-duplicates: {len(pairs)} pairs, {len(across)} between patients")
    lines += [
        f"    {image[row.position_a]} and {image[row.position_b]} (distance {row.distance})"
        for row in across.head(20).itertuples()
    ]
    lines += [f"  {note}" for note in dataset.notes]
    return "\n".join(lines) + "\n"
