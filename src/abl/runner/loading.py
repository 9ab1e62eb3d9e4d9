"""Modules are loaded before they are used, beside what this process waits for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module


def load_beside(names: Sequence[str], thread: str) -> threading.Thread:
    """Loads modules in a thread of this name, which it gives; ends at one that cannot be loaded.

    Where that one is used, whoever needs it says why.
    """

    def load() -> None:
        with suppress(Exception):
            for name in names:
                import_module(name)

    loading = threading.Thread(target=load, name=thread, daemon=True)
    loading.start()
    return loading
