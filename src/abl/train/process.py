"""The state of a process that results depend on, set at the start of every stage."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import random
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import cache

import numpy as np
import torch

from abl.errors import StageError

# cuBLAS reads it when CUDA starts; without it its matrix products are not deterministic
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

# parameters of glibc's mallopt(3)
_TRIM_THRESHOLD, _MMAP_MAX, _MOST = -1, -4, 2**31 - 1


class Stream(IntEnum):
    """What random numbers are drawn for: each has a generator of its own."""

    INITIALISE = 0
    BALANCE = 1
    ORDER = 2
    AUGMENT = 3
    NETWORK = 4  # dropout, stochastic depth: the global generator during an epoch
    VIEWS = 5  # fixed views of images, the same for every training
    CHOOSE_VIEW = 6


def derived_seed(*words: int) -> int:
    """A 64-bit seed from non-negative integers (numpy's SeedSequence): same words, same seed."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def seed_everything(seed: int) -> None:
    """Sets the global generators of Python, numpy and torch (CPU and CUDA)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def reset_process(seed: int, *, threads: int = 1, deterministic: bool = True) -> None:
    """Makes what follows independent of what the process ran before.

    Sets random states, CPU threads, deterministic algorithms, whether gradients are recorded, and
    the precision modes that PyTorch lets a process change (its own defaults: TF32 in convolutions,
    not in matrix products).
    """
    torch.set_num_threads(threads)
    torch.set_grad_enabled(True)  # of this thread, which may have run somebody's own network
    # use_deterministic_algorithms does the same, and loads PyTorch's compiler first: a second and
    # 150 MiB, of which what only predicts has no use
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # nothing here reads uninitialised memory, and filling it costs time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = False
    seed_everything(derived_seed(seed, Stream.INITIALISE))


@contextmanager
def determinism_told(deterministic: bool) -> Iterator[None]:
    """Says what to do where an operation has no deterministic form. Raises StageError."""
    try:
        yield
    except RuntimeError as error:
        if "deterministic" in str(error) and deterministic:
            raise StageError(
                f"{str(error).splitlines()[0]} Set train: {{deterministic: false}} for this "
                "network on this device."
            ) from error
        raise


def keep_freed_memory() -> None:
    """Makes a process keep the memory that a step frees for the next one, until release_memory.

    glibc gives large blocks and the end of its heap back to the kernel, which clears every page of
    them before the next step has them again: of a step of MobileNetV2 that was two fifths of the
    time. What is computed does not change. Does nothing with another C library.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(_TRIM_THRESHOLD, _MOST)
        libc.mallopt(_MMAP_MAX, 0)


def release_memory() -> None:
    """Frees what a finished stage no longer refers to: to the kernel, and on the CUDA device.

    On a CPU nothing is collected, as reference counts do: a collection walks every object that
    torch and its kin have imported, 0.2 s and more a stage, longer than a small training.
    """
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)
