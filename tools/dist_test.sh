#!/usr/bin/env bash
# bash tools/dist_test.sh CONFIG CHECKPOINT N [further checkpoints] [options of test.py]: N
# processes, one per GPU (CPUs: gloo). Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT
# (29500), which is open to everyone who can reach the first one. One machine listens only on
# 127.0.0.1.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT N [further checkpoints] [options of test.py]" >&2
    exit 2
fi
config=$1 checkpoint=$2 processes=$3
shift 3
further=()
while [ $# -gt 0 ] && [[ $1 != -* ]]; do
    further+=("$1")
    shift
done
source "$(dirname "$0")/dist_launch.sh"
launch "$processes" test.py "$config" "$checkpoint" ${further[@]+"${further[@]}"} \
    --launcher pytorch "$@"
