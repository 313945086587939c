"""tools/slurm_train.sh, with stand-ins for the programs of Slurm."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'tools' / 'slurm_train.sh'
STAND_INS = dict(
    # Like the real one it runs a copy of the script, elsewhere.
    sbatch='printf "sbatch %s\\n" "$@" >> calls\n'
    'while [ "${1#--}" != "$1" ]; do shift; done\n'
    'mkdir spool && cp "$1" spool/job && shift && SLURM_JOB_ID=17 bash spool/job "$@"',
    srun='printf "srun %s\\n" "$@" >> calls; echo "$MASTER_PORT" > port\n'
    '[ -z "${STOPS:-}" ] || touch "$MMDAVSS_STOPPED"; exit "${ENDS_WITH:-0}"',
    scontrol='printf "scontrol %s\\n" "$@" >> calls',
)


@pytest.fixture
def slurm(tmp_path):

    def run(*args: str, **environment: str) -> tuple[int, list[str]]:
        for name, text in STAND_INS.items():
            program = tmp_path / name
            program.write_text(f'#!/bin/sh\n{text}\n')
            program.chmod(0o755)
        env = dict(os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}', **environment)
        done = subprocess.run(
            ['bash', str(SCRIPT), *args], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        calls = tmp_path / 'calls'
        return done.returncode, calls.read_text().splitlines() if calls.exists() else done.stderr

    return run


def test_usage(slurm):
    code, message = slurm('partition', 'job')
    assert code == 2
    assert 'usage:' in message


def test_asks_for_its_gpus_and_for_a_warning(slurm):
    code, calls = slurm(
        'gpu',
        'stpl',
        'config.py',
        '--work-dir',
        'out',
        GPUS='2',
        GRACE='60',
        SBATCH_ARGS='--time=10 --exclusive',
        SRUN_ARGS='--mpi=none',
    )
    assert code == 0
    assert {
        f'sbatch {word}'
        for word in (
            '--partition=gpu',
            '--job-name=stpl',
            '--gres=gpu:2',
            '--ntasks=2',
            '--ntasks-per-node=2',
            '--requeue',
            '--signal=USR1@60',
            '--time=10',
            '--exclusive',
        )
    } <= set(calls)
    assert 'srun --mpi=none' in calls
    words = [
        f'srun {word}'
        for word in (
            SCRIPT.with_name('train.py'),
            'config.py',
            '--launcher',
            'slurm',
            '--resume',
            '--work-dir',
            'out',
        )
    ]
    assert calls[-len(words) :] == words


@pytest.mark.parametrize(
    ('ends_with', 'notes'),
    [
        ('75', 'yes'),
        ('137', 'yes'),  # one has ended the others
        ('75', ''),  # in a container with a /tmp of its own
    ],
)
def test_a_run_that_was_stopped_is_put_back(slurm, tmp_path, ends_with, notes):
    code, calls = slurm(
        'gpu', 'stpl', 'config.py', ENDS_WITH=ends_with, STOPS=notes, TMPDIR=str(tmp_path)
    )
    assert code == 75
    assert calls[-2:] == ['scontrol requeue', 'scontrol 17']
    assert not list(tmp_path.glob('mmdavss-stopped*'))


@pytest.mark.parametrize('ends_with', ['0', '1', '137'])
def test_a_run_that_has_ended_is_not_put_back(slurm, tmp_path, ends_with):
    # Left by a job of this number that was killed.
    (tmp_path / 'mmdavss-stopped-17').touch()
    code, calls = slurm('gpu', 'stpl', 'config.py', ENDS_WITH=ends_with, TMPDIR=str(tmp_path))
    assert code == int(ends_with)
    assert not any(call.startswith('scontrol') for call in calls)


def test_jobs_on_one_machine_have_ports_of_their_own(slurm, tmp_path):
    slurm('gpu', 'stpl', 'config.py')
    shutil.rmtree(tmp_path / 'spool')
    assert (tmp_path / 'port').read_text() == '20017\n'
    slurm('gpu', 'stpl', 'config.py', MASTER_PORT='29501')
    assert (tmp_path / 'port').read_text() == '29501\n'
