from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tiny_sweeps import write_sweep, write_tiny_set

# machines are busy at times; and what must pass before a change lands draws the same cases always
settings.register_profile("abl", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "abl")

# text is wrapped to the terminal it is printed to; no test depends on whose terminal runs it
os.environ["COLUMNS"] = "120"
os.environ["LINES"] = "40"


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 48 images of 24 patients. Not to be written to."""
    return write_tiny_set(tmp_path_factory.mktemp("tiny") / "images")


@pytest.fixture
def tiny_folder(tmp_path: Path, tiny_images: Path) -> Path:
    """A folder of its own with the tiny set in it, for sweep files beside it."""
    import shutil

    shutil.copytree(tiny_images.parent, tmp_path / "images")
    return tmp_path


@pytest.fixture
def tiny_sweep(tiny_folder: Path) -> Path:
    """The tiny sweep file."""
    return write_sweep(tiny_folder)


@pytest.fixture(scope="module")
def two_cpu_ray() -> Iterator[None]:
    """A Ray of two CPUs that every test of a module shares; runs of abl join it."""
    import logging

    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
    )
    yield
    ray.shutdown()
