#!/usr/bin/env bash
# Ray 2.60.0 on Linux: a Ray that ray.init starts lives as long as the *thread* that called it. Its GCS,
# raylet and monitors ask the kernel to be killed with their parent, and to the kernel the parent is the
# thread that forked them: started beside other work, in a thread that then ends, they are killed at
# once, while the process goes on and ray.is_initialized() still says True.
# What abl does about it: Ray is started in the thread that runs the sweep, and images are read in another
# one meanwhile (runner/held_ray.py; tests/runner/test_ray_nodes.py runs one within a thread).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" ray==2.60.0
PYTHONPATH="$folder" RAY_TMPDIR="$folder" RAY_USAGE_STATS_ENABLED=0 python3 - <<'EOP'
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import ray

assert ray.__version__ == "2.60.0"


def children(parent: int) -> dict[int, tuple[str, str]]:
    """Processes of a process: id -> name, state."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid_and_name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, of = rest.split()[:2]
        if int(of) == parent:
            found[int(stat.parent.name)] = (pid_and_name.partition("(")[2], state)
    return found


def parts() -> dict[str, str]:
    """Ray's two main processes, which are children of this one, and their state."""
    return {name: state for name, state in children(os.getpid()).values() if name in MAIN}


MAIN = ("raylet", "gcs_server")
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
raylet = next(pid for pid, (name, _) in children(os.getpid()).items() if name == "raylet")
others = children(raylet)  # they would notice after a minute that they are alone
over.set()
thread.join()
time.sleep(2)
print("thread alive:", alive, "ended:", parts(), "initialized:", ray.is_initialized())
assert sorted(alive) == ["gcs_server", "raylet"] and "Z" not in alive.values()
assert set(parts().values()) == {"Z"} and ray.is_initialized()
for pid in others:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
os._exit(0)  # nothing is left to be shut down
EOP
echo "as stated"
