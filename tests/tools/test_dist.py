"""The launch scripts, with two gloo processes on the CPU."""

from __future__ import annotations

import json
import os
import runpy
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
    env = dict(
        os.environ,
        PYTHON=sys.executable,
        PORT=str(port),
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
        **environment,
    )
    return subprocess.run(
        ['bash', str(TOOLS / script), *map(str, args)], env=env, capture_output=True, text=True
    )


def test_two_processes_train_and_test(toy_config, tmp_path):
    path = str(Path(toy_config).parent)
    done = run('dist_train.sh', toy_config, 2, '--work-dir', tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert 'ended by Python' not in done.stderr
    # Rank 0 sees x = 0, 2 and rank 1 sees 1, 3: the mean gradients are 0.5 and 2.5.
    checkpoint = tmp_path / 'iter_2.pth'
    assert torch.load(checkpoint, weights_only=False)['state_dict']['weight'].item() == -3

    out = tmp_path / 'test'
    done = run('dist_test.sh', toy_config, checkpoint, 2, '--work-dir', out, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert 'ended by Python' not in done.stderr
    result = json.loads(next(out.glob('*/*.json')).read_text())
    assert result['mIoU'] == -3
    # Each of the 16 samples is counted once.
    assert result['count'] == 16


@pytest.mark.parametrize(
    ('script', 'args'),
    [('dist_train.sh', ['config.py']), ('dist_test.sh', ['config.py', 'checkpoint.pth'])],
)
def test_usage(script, args):
    done = run(script, *args)
    assert done.returncode == 2
    assert 'usage:' in done.stderr


def test_one_machine_is_not_reached_from_others():
    """127.0.0.2 stands for its other addresses: what listens on all of them listens there too."""
    tool = runpy.run_path(str(TOOLS / 'torchrun_local.py'))
    handler = tool['LoopbackRendezvous'](socket.create_server(('127.0.0.1', 0)), 'none')
    found = handler.next_rendezvous()
    place = found.bootstrap_store_info
    assert place.master_addr == '127.0.0.1'
    client = torch.distributed.TCPStore(place.master_addr, place.master_port, is_master=False)
    client.set('key', 'value')
    assert client.get('key') == b'value'
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.2', place.master_port), timeout=5)


@pytest.mark.parametrize('port', [[], ['abc'], ['70000'], ['-1']])
def test_a_port_that_is_none(port, run_tool):
    with pytest.raises(SystemExit, match='error: --port .*: must be a number from 0 to 65535'):
        run_tool('torchrun_local.py', '--port', *port)


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
@pytest.mark.parametrize(
    ('environment', 'words'),
    [
        ({}, ['torchrun_local.py']),
        (dict(PORT='1234'), ['torchrun_local.py', '--port', '1234']),
        (
            dict(NNODES='2', MASTER_ADDR='10.0.0.1'),
            [
                '-m',
                'torch.distributed.run',
                '--nnodes=2',
                '--node_rank=0',
                '--master_addr=10.0.0.1',
                '--master_port=29500',
            ],
        ),
    ],
)
def test_what_is_started(script, environment, words):
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ('PORT', 'NNODES', 'NODE_RANK', 'MASTER_ADDR')
    }
    done = subprocess.run(
        ['bash', str(TOOLS / script), 'a.py', *(['b.pth'] if 'test' in script else []), '2', '--x'],
        env=dict(env, PYTHON='echo', **environment),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [word.removeprefix(f'{TOOLS}/') for word in done.stdout.split()]
    assert found == [
        *words,
        '--nproc_per_node=2',
        script.split('_')[1].replace('.sh', '.py'),
        'a.py',
        *(['b.pth'] if 'test' in script else []),
        '--launcher',
        'pytorch',
        '--x',
    ]


def test_further_checkpoints_stand_beside_the_first():
    """Their mean is scored: they come before the options, of which argparse has only one list."""
    done = subprocess.run(
        ['bash', str(TOOLS / 'dist_test.sh'), 'a.py', 'b.pth', '2', 'c.pth', 'd.pth', '--x', 'y'],
        env=dict(os.environ, PYTHON='echo'),
        capture_output=True,
        text=True,
        check=True,
    )
    words = 'a.py b.pth c.pth d.pth --launcher pytorch --x y'
    assert done.stdout.rstrip().endswith(words)
