"""One thread, where several would add up in another order."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threadpoolctl


def one_thread() -> Any:
    """A context in which numpy and scikit-learn use one thread."""
    return _pools("sklearn" in sys.modules).limit(limits=1)


@lru_cache(maxsize=2)
def _pools(_with_sklearn: bool) -> threadpoolctl.ThreadpoolController:
    """The pools of the libraries that are loaded; looking for them takes milliseconds."""
    import threadpoolctl  # by what computes with them, not by who plans it

    return threadpoolctl.ThreadpoolController()
