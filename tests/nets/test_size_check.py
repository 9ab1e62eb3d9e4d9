"""Whether a network takes an image size is asked without leaving a trace."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from abl.nets.build import check_image_size


class Drawing(nn.Linear):
    """Draws random numbers when it predicts, too."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(torch.rand(len(images), self.in_features))


def test_weights_that_are_drawn_afterwards_are_those_without_the_question() -> None:
    network = Drawing(3, 2)
    torch.manual_seed(5)
    without = torch.rand(4)
    torch.manual_seed(5)
    check_image_size(network, "drawing", channels=1, image_size=8, classes=2)
    assert torch.equal(torch.rand(4), without)
    assert network.training
