#!/usr/bin/env bash
# Ray 2.60.0 on Linux: as a driver connects, Ray starts a worker a CPU ahead of what will be asked for. Tune
# never uses them: it gives the actors of its trials a runtime environment of their own (one variable),
# and an actor takes only a worker that was started in its environment. So twice as many Python processes
# start as there are trials at once, half of which are ended again, unused; on few cores trials begin
# half a second later. RAY_prestart_worker_first_driver=0, which stands in no documentation, leaves them out.
# What abl does about it: it sets that before it starts a Ray of its own (runner/ray_nodes.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" "ray[tune]==2.60.0" pandas==3.1.1
cat > "$folder/trials.py" <<'EOP'
import logging
import os
import re
import time
from pathlib import Path

import ray
from ray import tune

assert ray.__version__ == "2.60.0"
found = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
                 object_store_memory=80 * 2**20, logging_level=logging.CRITICAL)
run = tune.RunConfig(storage_path=os.environ["RAY_TMPDIR"] + "/results", verbose=0)
def trial(config: dict) -> dict:
    time.sleep(5)  # so that both are at work at once
    return {"pid": os.getpid()}


trials = tune.Tuner(trial, run_config=run,
                    tune_config=tune.TuneConfig(num_samples=2)).fit()
used = {trial.metrics["pid"] for trial in trials}
logs = Path(found.address_info["session_dir"], "logs").glob("worker-*.out")
started = {int(re.search(r"-(\d+)$", log.stem)[1]) for log in logs}
ray.shutdown()
assert used <= started
print(len(started), "started,", len(used), "used")
EOP
trials() { PYTHONPATH="$folder" RAY_TMPDIR="$folder" RAY_USAGE_STATS_ENABLED=0 \
  python3 "$folder/trials.py" | tail -1; }
plain=$(trials)
without=$(RAY_prestart_worker_first_driver=0 trials)
echo "workers of two trials: $plain; with the setting: $without"
[ "$plain" = "4 started, 2 used" ]
[ "$without" = "2 started, 2 used" ]
echo "as stated"
