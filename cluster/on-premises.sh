#!/usr/bin/env bash
# A Ray cluster on machines of your own, with token authentication.
#
#   cluster/on-premises.sh head [OPTIONS OF ray start]            on the first machine
#   cluster/on-premises.sh add HOST HEAD_ADDRESS [OPTIONS]        there: adds another one by ssh
#   cluster/on-premises.sh worker HEAD_ADDRESS [OPTIONS]          or by hand, on the other one
#   cluster/on-premises.sh stop                                   on each: ends what was started
#
# HEAD_ADDRESS is HOST:PORT as `head` prints it. abl has to be installed at the same path on all
# machines, in the same version. State lies in $ABL_CLUSTER (default ~/.abl-cluster): the token
# (mode 600), the process that was started, its log.
set -euo pipefail

state="${ABL_CLUSTER:-$HOME/.abl-cluster}"
token="${RAY_AUTH_TOKEN_PATH:-$state/token}"
# Ray takes a token from RAY_AUTH_TOKEN before the file, so one left over there would win
unset RAY_AUTH_TOKEN
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$token" RAY_USAGE_STATS_ENABLED=0

fail() {
    echo "on-premises.sh: $*" >&2
    exit 2
}

# A process id is used again after its process; with the start time (in ticks since boot) it is not.
started_at() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

ours_runs() {
    [ -f "$state/node" ] || return 1
    { read -r pid && read -r since; } <"$state/node"
    [ -n "$since" ] && [ "$(started_at "$pid")" = "$since" ]
}

# Starts one node and waits until it is up. `ray start --block` ends its own node when it is told to
# end, whereas `ray stop` ends every Ray on the machine, other people's sweeps too.
start_node() {
    ! ours_runs || fail "a node runs here already; cluster/on-premises.sh stop ends it"
    [ -s "$token" ] || fail "no token in $token: copy the head's file there (mode 600)"
    : >"$state/node.log" # it is looked into before Ray has written
    setsid ray start --block --disable-usage-stats "$@" >"$state/node.log" 2>&1 </dev/null &
    pid=$!
    printf '%s\n%s\n' "$pid" "$(started_at "$pid")" >"$state/node"
    for _ in $(seq 120); do
        grep -q "Ray runtime started" "$state/node.log" && return
        ours_runs || break
        sleep 1
    done
    tail -n 20 "$state/node.log" >&2
    stop_node
    fail "Ray did not start; the log is $state/node.log"
}

stop_node() {
    if ours_runs; then
        kill -TERM "$pid" 2>/dev/null || true
        for _ in $(seq 60); do
            ours_runs || break
            sleep 1
        done
    fi
    # setsid made a process group of the node. What is left of it hangs, or was left alone by a
    # `ray start` that was killed; no new process gets the number while the group is there.
    if [ -f "$state/node" ] && { ours_runs || [ ! -e "/proc/$pid" ]; }; then
        kill -KILL -- "-$pid" 2>/dev/null || true
    fi
    rm -f "$state/node"
}

mkdir -p "$state"
command="${1:-}"
shift || true
case "$command" in
head)
    # the first head makes the token, later ones keep it: workers need not be told again
    [ -s "$token" ] ||
        (umask 077 && python -c 'import secrets; print(secrets.token_hex(32))' >"$token")
    # no dashboard: nothing of abl needs it, and it is one more thing that listens
    start_node --head --include-dashboard=false "$@"
    address="$(sed -n "s/.*--address='\([^']*\)'.*/\1/p" "$state/node.log" | head -n 1)"
    echo "head: $address"
    echo "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token"
    echo "abl sweep FILE --address $address"
    ;;
worker)
    address="${1:?HEAD_ADDRESS is missing}"
    shift
    start_node --address="$address" "$@"
    echo "worker of $address"
    ;;
add)
    host="${1:?HOST is missing}"
    address="${2:?HEAD_ADDRESS is missing}"
    shift 2
    [ -s "$token" ] || fail "no token in $token: start the head first"
    # through stdin: what stands on a command line can be read by everybody on both machines
    ssh "$host" 'umask 077; mkdir -p "${ABL_CLUSTER:-$HOME/.abl-cluster}"
        cat >"${ABL_CLUSTER:-$HOME/.abl-cluster}/token"' <"$token"
    # a shell by ssh has not activated the virtual environment
    bin="$(dirname "$(command -v ray)")"
    # shellcheck disable=SC2029  # the words are meant to be quoted here and read there
    ssh "$host" "PATH=$(printf %q "$bin"):\$PATH bash -s worker $(printf '%q ' "$address" "$@")" <"$0"
    ;;
stop)
    stop_node
    ;;
*)
    fail "head, worker HEAD_ADDRESS, add HOST HEAD_ADDRESS or stop"
    ;;
esac
