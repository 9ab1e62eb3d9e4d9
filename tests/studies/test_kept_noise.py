"""What confident learning finds is found once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abl.studies.two_step.label_noise import confident_learning_issues


def test_issues_are_kept_by_what_they_were_found_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filtering = pytest.importorskip("cleanlab.filter")
    labels = np.arange(40) % 2
    sure = np.where(labels == 1, 0.9, 0.1)
    sure[[3, 8]] = 1 - sure[[3, 8]]
    p = np.stack([1 - sure, sure], axis=1)
    found = confident_learning_issues(labels, p, tmp_path)
    assert found is not None
    assert np.flatnonzero(found).tolist() == [3, 8]

    def refused(*given: object, **named: object) -> None:
        raise AssertionError("looked for again")

    monkeypatch.setattr(filtering, "find_label_issues", refused)
    again = confident_learning_issues(labels, p, tmp_path)
    np.testing.assert_array_equal(again, found)
    with pytest.raises(AssertionError, match="looked for again"):
        confident_learning_issues(labels, 1 - p, tmp_path)
