#!/usr/bin/env bash
# PyTorch 2.14.1: fused optimizers on a CPU (torch.optim.Adam and SGD with fused=True) pair the
# numbers of a weight, its gradient and its moments by their place in memory, not by their index, and
# do not look whether the three are laid alike. A network that is trained channels_last and resumed
# from moments that a contiguous file gives back (safetensors, NumPy, `.contiguous()`) goes on with
# the moments of other weights: no error, no warning, another result. Without fused=True the same
# state gives the same step to the bit.
# What abl does about it: moments are laid as the weights lie when a checkpoint is read
# (train/checkpoint.py, tests/train/test_fit.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" torch==2.14.1 numpy==2.4.6
PYTHONPATH="$folder" python3 - <<'EOP'
import torch

assert torch.__version__.partition("+")[0] == "2.14.1"
LAST = torch.channels_last


def resumed(kind, fused, contiguous, **settings):
    """A weight after two steps, the second by an optimizer that was given the first one's state."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=LAST))
    gradients = [torch.randn(4, 3, 3, 3).to(memory_format=LAST) for _ in range(2)]
    first = kind([weight], lr=0.1, fused=fused, **settings)
    weight.grad = gradients[0]
    first.step()
    state = first.state_dict()
    for moments in state["state"].values():
        for name, value in moments.items():
            if torch.is_tensor(value) and value.ndim == 4 and contiguous:
                moments[name] = value.contiguous()  # equal values, laid otherwise
    second = kind([weight], lr=0.1, fused=fused, **settings)
    second.load_state_dict(state)
    weight.grad = gradients[1]
    second.step()
    return weight.detach()


for kind, settings in ((torch.optim.Adam, {}), (torch.optim.SGD, {"momentum": 0.9})):
    for fused in (False, True):
        as_laid, other = (resumed(kind, fused, layout, **settings) for layout in (False, True))
        apart = float((as_laid - other).abs().max())
        print(f"{kind.__name__}, fused={fused}: apart by at most {apart:.3f}")
        assert (apart == 0.0) != fused
        assert not fused or apart > 0.01
EOP
