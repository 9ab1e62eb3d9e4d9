#!/usr/bin/env bash
# Ray 2.60.0 on Linux: a Ray that ray.init starts lives as long as the *thread* that called it. Its GCS,
# raylet and monitors ask the kernel to be killed with their parent, and to the kernel the parent is the
# thread that forked them: started beside other work, in a thread that then ends, they are killed at
# once, while the process goes on and ray.is_initialized() still says True.
# What abl does about it: Ray is started in the thread that runs the sweep, never ahead of it in a helper
# (runner/ray_nodes.py; tests/runner/test_ray_nodes.py runs one within a thread).
set -euo pipefail
folder=$(mktemp -d)
# Ray's agents notice only after a minute that they are alone
trap 'end_agents; rm -rf "$folder"' EXIT
end_agents() {
  for process in $(grep -lsa "PYTHONPATH=$folder" /proc/[0-9]*/environ); do
    process=${process#/proc/}
    kill "${process%/environ}" 2>/dev/null || true
  done
}
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" ray==2.60.0
PYTHONPATH="$folder" RAY_TMPDIR="$folder" RAY_USAGE_STATS_ENABLED=0 python3 - <<'EOP'
import os
import threading
import time
from pathlib import Path

import ray

assert ray.__version__ == "2.60.0"


def parts() -> dict[str, str]:
    """Ray's two main processes that are children of this one, and their state."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid_and_name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        name = pid_and_name.partition("(")[2]
        if int(parent) == os.getpid() and name in ("raylet", "gcs_server"):
            found[name] = state
    return found


started, over = threading.Event(), threading.Event()


def start() -> None:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False,
             object_store_memory=80 * 2**20, logging_level=50)
    started.set()
    over.wait()


thread = threading.Thread(target=start)
thread.start()
started.wait(120)
assert ray.get(ray.remote(lambda: 1).remote()) == 1
alive = parts()
over.set()
thread.join()
time.sleep(2)
print("thread alive:", alive, "ended:", parts(), "initialized:", ray.is_initialized())
assert sorted(alive) == ["gcs_server", "raylet"] and "Z" not in alive.values()
assert set(parts().values()) == {"Z"} and ray.is_initialized()
os._exit(0)  # nothing is left to be shut down
EOP
echo "as stated"
