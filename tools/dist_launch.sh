# Sourced by dist_train.sh and dist_test.sh: replaces the shell by N processes. launch N SCRIPT
# [options of the script]
launch() {
    local processes=$1 script=$2 tools
    tools=$(dirname "$0")
    shift 2
    local launcher
    if [ "${NNODES:-1}" = 1 ]; then
        # The processes cannot be reached from outside this machine.
        launcher=("$tools/torchrun_local.py" ${PORT:+--port "$PORT"})
    else
        launcher=(-m torch.distributed.run --nnodes="$NNODES" --node_rank="${NODE_RANK:-0}"
            --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}")
    fi
    exec "${PYTHON:-python}" "${launcher[@]}" --nproc_per_node="$processes" \
        "$tools/$script" "$@"
}
