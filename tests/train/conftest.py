from __future__ import annotations

import pytest
import torch
from hypothesis import settings

# a loaded machine takes longer over the first example than any deadline
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(autouse=True)
def _one_thread():
    # threads that wait for each other take most of the time of networks this small
    torch.set_num_threads(1)
