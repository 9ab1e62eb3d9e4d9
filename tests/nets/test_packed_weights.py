"""Files of weights that unpack to more than weights do; small ones, with limits lowered."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from abl.errors import InputError
from abl.nets import packed_weights
from abl.nets.weights import read_state, weights_fingerprint


def said(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_state(path)
    (problem,) = caught.value.problems
    assert str(path) in str(problem)
    return str(problem)


def compressed(path: Path, numbers: int) -> Path:
    """A state dict of zeros in an archive that is compressed, as torch.save never does."""
    torch.save({"a.weight": torch.zeros(numbers)}, path.with_suffix(".plain"))
    with (
        zipfile.ZipFile(path.with_suffix(".plain")) as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in plain.infolist():
            packed.writestr(member.filename, plain.read(member))
    return path


def test_what_is_compressed_is_read_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compressed(tmp_path / "w.pt", 500_000)
    assert path.stat().st_size < 10_000
    assert read_state(path)["a.weight"].shape == (500_000,)
    monkeypatch.setattr(packed_weights, "PACKED_MB", 1)
    assert "unpacks from 1 MB to 3 MB, as no weights do: write it with torch.save" in said(path)
    monkeypatch.setenv("ABL_MAX_WEIGHTS_MB", "1")
    assert "unpacks to 3 MB; at most 1 MB are read: set ABL_MAX_WEIGHTS_MB higher" in said(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_large_file_is_not_even_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(bytes(1_100_000))
    monkeypatch.setenv("ABL_MAX_WEIGHTS_MB", "1")
    assert "has 2 MB; at most 1 MB are read" in said(path)
    with pytest.raises(InputError, match="at most 1 MB are read"):
        weights_fingerprint(path)


@pytest.mark.parametrize("new", [True, False])
def test_what_makes_bytes_of_a_number_is_refused(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "w.pt"
    content = {"a.weight": torch.ones(2), "more": bytearray(3)}
    torch.save(content, path, _use_new_zipfile_serialization=new)
    assert "holds byte arrays, which no state dict does" in said(path)


def test_tensors_without_all_of_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.pt"
    sparse = torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (9, 9))
    for tensor in (sparse, torch.empty(3, device="meta")):
        torch.save({"a.weight": tensor}, path)
        assert "a.weight is a tensor without all of its values" in said(path)
    monkeypatch.setenv("ABL_MAX_WEIGHTS_MB", "1")
    torch.save({"a.weight": torch.ones(1).expand(1000, 1000)}, path)
    assert "unfolds to 4 MB; at most 1 MB are read" in said(path)
