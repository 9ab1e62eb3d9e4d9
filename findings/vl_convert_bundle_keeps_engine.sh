#!/usr/bin/env bash
# vl-convert-python 1.9.0: javascript_bundle(), which gives Vega, Vega-Lite and vega-embed as one script
# for a page that fetches nothing, starts a JavaScript engine within the process. Python's lock is held
# until it is done (other threads stand still, about a second), and some 100 MiB stay for good, though a
# second call is free. Where the script is wanted once, a process of its own gives all of that back.
# What abl does about it: report/page/closer.py (tests/report/test_closer_look.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" vl-convert-python==1.9.0
PYTHONPATH="$folder" python3 - <<'EOP'
import gc
import re
import threading
import time
from pathlib import Path

import vl_convert

assert vl_convert.__version__ == "1.9.0"


def resident_mib() -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


longest, over = 0.0, threading.Event()


def tick() -> None:
    """Sleeps for milliseconds, and notes the longest pause."""
    global longest
    while not over.is_set():
        began = time.perf_counter()
        time.sleep(0.005)
        longest = max(longest, time.perf_counter() - began)


before = resident_mib()
ticking = threading.Thread(target=tick)
ticking.start()
time.sleep(0.2)
began = time.perf_counter()
size = len(vl_convert.javascript_bundle())
took = time.perf_counter() - began
over.set()
ticking.join()
gc.collect()
time.sleep(1)
kept = resident_mib() - before
print(f"{size} characters in {took:.2f} s, another thread stood still for {longest:.2f} s, "
      f"{kept:.0f} MiB kept")
assert size > 500_000 and longest > 0.7 * took and kept > 60
began = time.perf_counter()
vl_convert.javascript_bundle()
assert time.perf_counter() - began < 0.1 * took
EOP
echo "as stated"
