#!/usr/bin/env bash
#SBATCH --job-name=abl
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=12:00:00
#SBATCH --signal=B:INT@120
#SBATCH --output=abl-%j.log
#
# A Ray cluster inside one Slurm job, and a sweep on it:
#
#   sbatch cluster/slurm.sh FILE [OPTIONS OF abl sweep]
#
# The folder it is submitted from has to be shared by all nodes, with the sweep's data and mlruns/
# below it, and the virtual environment that is active then too: Slurm hands the environment on.
# Two minutes before the time is up the sweep is interrupted; the same command again goes on.
set -euo pipefail
set -m # children get process groups of their own, in which an interrupt is not ignored

[ $# -ge 1 ] || {
    echo "usage: sbatch cluster/slurm.sh FILE [OPTIONS OF abl sweep]" >&2
    exit 2
}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${nodes[0]}" # this script runs there
cpus="${SLURM_CPUS_PER_TASK:-1}"
# two jobs on one node must not meet, neither at a port nor in a folder
port=$((20000 + SLURM_JOB_ID % 10000))
scratch="/tmp/abl-ray-$SLURM_JOB_ID"
token="$PWD/.ray-token-$SLURM_JOB_ID"
# newer Slurm does not hand --cpus-per-task on by itself; nothing here reads what srun is told
step=(srun --input=none --cpus-per-task="$cpus")
running=()
sweep=

# shellcheck disable=SC2317  # called by the trap
finish() {
    status=$?
    trap - EXIT INT TERM
    for each in "${running[@]}"; do kill -TERM "$each" 2>/dev/null || true; done
    for each in "${running[@]}"; do wait "$each" 2>/dev/null || true; done
    rm -f "$token"
    # after a failure Ray's logs stay on the nodes
    [ "$status" -ne 0 ] ||
        "${step[@]}" --nodes="${#nodes[@]}" --ntasks="${#nodes[@]}" rm -rf "$scratch" || true
}
# shellcheck disable=SC2317  # called by the trap
stop_sweep() {
    [ -z "$sweep" ] || kill -INT -- "-$sweep" 2>/dev/null || true
}
trap finish EXIT
trap stop_sweep INT TERM

# Everybody on these nodes could use the cluster without it. One token a job, which ends with it.
# A file and not a variable's value: the environment of a job is shown by Slurm's own tools.
(umask 077 && python -c 'import secrets; print(secrets.token_hex(32))' >"$token")
unset RAY_AUTH_TOKEN # Ray would take it before the file
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$token" RAY_USAGE_STATS_ENABLED=0

# shellcheck disable=SC2016  # each node answers for itself
address_of='$(hostname --ip-address | cut -d" " -f1)'
ray_options="--block --disable-usage-stats --temp-dir=$scratch --node-ip-address=$address_of"
ray_options+=" --num-cpus=$cpus --num-gpus=\${SLURM_GPUS_ON_NODE:-0} ${RAY_START_OPTIONS:-}"

host="$("${step[@]}" --nodes=1 --ntasks=1 --nodelist="$head" bash -c "echo $address_of")"
"${step[@]}" --nodes=1 --ntasks=1 --nodelist="$head" \
    bash -c "exec ray start --head --port=$port --include-dashboard=false $ray_options" &
running+=($!)
if [ "${#nodes[@]}" -gt 1 ]; then
    workers="$(IFS=, && echo "${nodes[*]:1}")"
    # a worker tries for a minute to reach a head that is still starting
    others=$((${#nodes[@]} - 1))
    "${step[@]}" --nodes=$others --ntasks=$others --nodelist="$workers" \
        bash -c "exec ray start --address=$host:$port $ray_options" &
    running+=($!)
fi

# abl plans with the nodes that are there when it starts
python - "$host:$port" "${#nodes[@]}" <<'EOF'
import sys
import time

import ray

address, wanted = sys.argv[1], int(sys.argv[2])
deadline = time.monotonic() + 300
while True:
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        break
    except (ConnectionError, RuntimeError, ValueError):
        if time.monotonic() > deadline:
            sys.exit(f"slurm.sh: no Ray head at {address} within 5 minutes")
        time.sleep(2)
while (there := sum(node["Alive"] for node in ray.nodes())) < wanted:
    if time.monotonic() > deadline:
        sys.exit(f"slurm.sh: {there} of {wanted} nodes came within 5 minutes")
    time.sleep(1)
EOF

abl sweep "$@" --address "$host:$port" &
sweep=$!
status=0
# a trapped signal ends `wait` early, with the sweep still saving what it has
while kill -0 "$sweep" 2>/dev/null; do
    status=0
    wait "$sweep" || status=$?
done
exit "$status"
