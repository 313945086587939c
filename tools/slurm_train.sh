#!/usr/bin/env bash
# bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of train.py]
# Submits a batch job that is requeued, and continues where it stopped, until it is done: when the
# cluster preempts it, and at its time limit (docs/reliability.md). GPUS, GPUS_PER_NODE,
# CPUS_PER_TASK and SBATCH_ARGS change the requested resources, SRUN_ARGS the options of each step;
# GRACE is the number of seconds before the time limit at which a run is told to save.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [options of train.py]" >&2
    exit 2
fi
partition=$1 job=$2 config=$3
if [ -z "${MMDAVSS_TOOLS:-}" ]; then  # not in the job yet
    gpus=${GPUS:-4}
    per_node=${GPUS_PER_NODE:-$((gpus < 4 ? gpus : 4))}
    # Slurm runs a copy of this file: it has to be told where the others are.
    MMDAVSS_TOOLS=$(cd "$(dirname "$0")" && pwd)
    export MMDAVSS_TOOLS
    # SBATCH_ARGS is a list of words on purpose.
    # shellcheck disable=SC2086
    exec sbatch --partition="$partition" --job-name="$job" --gres=gpu:"$per_node" \
        --ntasks="$gpus" --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --requeue --open-mode=append --signal=USR1@"${GRACE:-300}" ${SBATCH_ARGS:-} "$0" "$@"
fi
shift 3
code=0
# The first process, which runs on this machine too, makes this file when it has saved and stops, see
# StopSignalHook. srun's exit code need not tell: the first process to end makes it kill the others.
MMDAVSS_STOPPED=${TMPDIR:-/tmp}/mmdavss-stopped-$SLURM_JOB_ID
export MMDAVSS_STOPPED
rm -f "$MMDAVSS_STOPPED"
# Several jobs may share a machine.
export MASTER_PORT=${MASTER_PORT:-$((20000 + SLURM_JOB_ID % 10000))}
# A job that was requeued finds checkpoints.
# shellcheck disable=SC2086
srun --kill-on-bad-exit=1 --cpus-per-task="${CPUS_PER_TASK:-5}" ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$MMDAVSS_TOOLS/train.py" "$config" --launcher slurm --resume "$@" \
    || code=$?
if [ "$code" = 75 ] || [ -e "$MMDAVSS_STOPPED" ]; then
    rm -f "$MMDAVSS_STOPPED"
    scontrol requeue "$SLURM_JOB_ID"
    exit 75
fi
exit "$code"
