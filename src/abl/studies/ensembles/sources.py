"""A network of the panel as an arm uses it: its layer, and whether it is fine-tuned first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abl.plan.graph import Arm
from abl.spec.sweep import Sweep
from abl.studies.ensembles.options import Member, Options

PANEL = "panel"  # layer, fine_tuned: as the panel says
YES = ("true", "yes")


@dataclass(frozen=True)
class Source:
    """A network's layer as an arm uses it.

    Attributes:
        name: In the panel.
        sweep: The arm's, with this network to train.
        layer: As `nets.layers.Layer` names it.
        tuned: Whether it is fine-tuned first.
    """

    name: str
    sweep: Sweep
    layer: str
    tuned: bool

    @property
    def order(self) -> tuple[str, str, bool]:
        """In which features are concatenated: letters of a panel change nothing."""
        return self.sweep.train.network, self.layer, self.tuned


def member_sweep(sweep: Sweep, member: Member) -> Sweep:
    """The sweep in which a member of the panel is the network that is trained."""
    changes: dict[str, Any] = {"network": member.network}
    if member.weights is not None:
        changes["weights"] = member.weights
    return sweep.model_copy(update={"train": sweep.train.with_changes(changes)})


def source_of(name: str, arm: Arm, sweep: Sweep, options: Options) -> Source:
    """A member of the panel as an arm uses it.

    Raises:
        InputError: Its network has no such layer.
    """
    member, tuned = options.panel[name], str(arm.params.get("fine_tuned", PANEL))
    return Source(
        name,
        member_sweep(sweep, member),
        layer_in(name, arm, sweep, options),
        member.fine_tuned if tuned == PANEL else tuned in YES,
    )


def layer_in(name: str, arm: Arm, sweep: Sweep, options: Options) -> str:
    """The layer that an arm takes of a member of the panel. Raises InputError as source_of."""
    from abl.nets.layers import layer_of  # torch, which takes seconds

    member, asked = options.panel[name], str(arm.params.get("layer", PANEL))
    found = layer_of(
        member.network,
        member.layer if asked == PANEL else asked,
        classes=len(sweep.data.classes),
        channels=sweep.image.channels,
        image_size=sweep.image.size,
    )
    return found.name
