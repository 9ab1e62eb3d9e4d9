from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    # threads that wait for each other take most of the time of networks this small
    torch.set_num_threads(1)
