"""A link in the place of a folder of the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from abl.data.cache_folders import folder_once
from abl.errors import InputError


@pytest.mark.parametrize("target", ["view", "nowhere", "empty/file"])
def test_a_link_that_leads_to_no_folder_is_named(tmp_path: Path, target: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "view").symlink_to(cache / target)

    def write(folder: Path) -> None:
        raise AssertionError("it could not be put in its place")

    with pytest.raises(InputError, match=r"cache/view: a link that leads to no whole folder"):
        folder_once(cache, "view", write)
    assert [path.name for path in cache.iterdir()] == ["view"]


def test_a_link_to_a_whole_folder_is_used(tmp_path: Path) -> None:
    there = folder_once(tmp_path / "elsewhere", "view", lambda folder: (folder / "x").touch())
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "view").symlink_to(there)
    found = folder_once(tmp_path / "cache", "view", lambda folder: (folder / "y").touch())
    assert [path.name for path in found.iterdir() if path.name in "xy"] == ["x"]
