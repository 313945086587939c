"""The launch scripts, with two gloo processes on the CPU."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).parents[2] / 'tools'


def run(script: str, *args: object, **environment: str) -> subprocess.CompletedProcess:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    env = dict(os.environ, PYTHON=sys.executable, PORT=str(port), OMP_NUM_THREADS='1',
               CUDA_VISIBLE_DEVICES='', **environment)
    return subprocess.run(['bash', str(TOOLS / script), *map(str, args)], env=env,
                          capture_output=True, text=True)


def test_two_processes_train_and_test(toy_config, tmp_path):
    path = str(Path(toy_config).parent)
    done = run('dist_train.sh', toy_config, 2, '--work-dir', tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    # Rank 0 sees x = 0, 2 and rank 1 sees 1, 3: the mean gradients are 0.5 and 2.5.
    checkpoint = tmp_path / 'iter_2.pth'
    assert torch.load(checkpoint, weights_only=False)['state_dict']['weight'].item() == -3

    out = tmp_path / 'test'
    done = run('dist_test.sh', toy_config, checkpoint, 2, '--work-dir', out, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    result = json.loads(next(out.glob('*/*.json')).read_text())
    assert result['mIoU'] == -3
    # Each of the 16 samples is counted once.
    assert result['count'] == 16


@pytest.mark.parametrize(
    ('script', 'args'),
    [('dist_train.sh', ['config.py']), ('dist_test.sh', ['config.py', 'checkpoint.pth'])])
def test_usage(script, args):
    done = run(script, *args)
    assert done.returncode == 2
    assert 'usage:' in done.stderr
