#!/usr/bin/env bash
# bash tools/dist_train.sh CONFIG N [options of train.py]: N processes, one per GPU (CPUs: gloo).
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT (29500), which is open to everyone
# who can reach the first one: use a trusted network. One machine listens only on 127.0.0.1.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG N [options of train.py]" >&2
    exit 2
fi
config=$1 processes=$2
shift 2
source "$(dirname "$0")/dist_launch.sh"
launch "$processes" train.py "$config" --launcher pytorch "$@"
