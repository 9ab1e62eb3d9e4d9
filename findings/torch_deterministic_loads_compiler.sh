#!/usr/bin/env bash
# PyTorch 2.14.1: torch.use_deterministic_algorithms(True) loads PyTorch's compiler (torch._inductor,
# torch._dynamo, SymPy: over 800 modules, over 100 MiB) to leave a note for it, in a program that
# compiles nothing. torch.set_deterministic_debug_mode("error") turns the same switch and loads
# nothing. A program that only predicts is half as large again for that line; one that trains pays it
# in any case, as the first optimizer that is made loads the compiler too.
# What abl does about it: train/process.py turns the second one (tests/train/test_process.py), and its
# optimizers are PyTorch's without the wrapper that loads it (train/epoch.py, tests/train/test_optimizers.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" torch==2.14.1 numpy==2.4.6
for line in 'torch.use_deterministic_algorithms(True)' 'torch.set_deterministic_debug_mode("error")' \
  'torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)'; do
  PYTHONPATH="$folder" python3 - "$line" <<'EOP'
import resource
import sys

import torch

line = sys.argv[1]
assert torch.__version__.partition("+")[0] == "2.14.1"
assert "torch._dynamo" not in sys.modules
modules, peak = len(sys.modules), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
exec(line)
loaded = len(sys.modules) - modules
mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
print(f"{line}: {loaded} modules, {mib:.0f} MiB, deterministic: "
      f"{torch.are_deterministic_algorithms_enabled()}")
if "debug_mode" in line:
    assert loaded == 0 and "torch._dynamo" not in sys.modules
    assert torch.are_deterministic_algorithms_enabled()
else:
    assert loaded > 800 and mib > 80 and {"torch._dynamo", "sympy"} <= set(sys.modules)
    assert torch.are_deterministic_algorithms_enabled() == ("use_deterministic" in line)
EOP
done
echo "as stated"
