"""Ray of one command: started before stages need it, left beside what follows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

from abl.plan.stage import StageResources
from abl.runner.ray_nodes import ray_nodes


class HeldRay:
    """Use as a context manager, in the thread that runs stages: Ray dies with the thread that
    starts it. At its end Ray has been left.
    """

    def __init__(self) -> None:
        self._left = ExitStack()  # what is being left beside what follows
        self._early = ExitStack()
        self._nodes: dict[str, StageResources] | None = None  # of one that was started early

    def __enter__(self) -> HeldRay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with self._left:
            self._early.__exit__(kind, error, at)

    def start(
        self,
        workers: int | None,
        say: Callable[[str], None],
        meanwhile: Callable[[], None],
    ) -> None:
        """As `ray_nodes`, a Ray of this machine for the next `nodes`; watched from now on."""
        early = ray_nodes(workers, None, say, until=self._left, meanwhile=meanwhile)
        self._nodes = self._early.enter_context(early)

    @contextmanager
    def nodes(
        self, workers: int | None, address: str | None, say: Callable[[str], None]
    ) -> Iterator[dict[str, StageResources]]:
        """As `ray_nodes`: of the Ray that was started early, once, then of new ones.

        `workers` and `address` are those of the early one, if there is one.
        """
        nodes, self._nodes = self._nodes, None
        if nodes is not None:
            with self._early.pop_all():
                yield nodes
            return
        with ray_nodes(workers, address, say, until=self._left) as nodes:
            yield nodes
