"""A device that is not there is told in one line."""

from __future__ import annotations

import argparse

import pytest
import torch

from mmdavss.launch.model import load_model
from mmdavss.utils.device import device_option, usable_device
from mmdavss.utils.errors import UserError


@pytest.fixture(params=[0, 2])
def gpus(request, monkeypatch):
    """A machine with none or two of them."""
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: bool(request.param))
    monkeypatch.setattr(torch.accelerator, 'current_accelerator', lambda: torch.device('cuda'))
    monkeypatch.setattr(torch.accelerator, 'device_count', lambda: request.param)
    return request.param


def test_words(gpus):
    for word in ('cpu', *(['cuda', 'cuda:1', torch.device('cuda', 0)] if gpus else [])):
        assert usable_device(word) == torch.device(word)
    there = 'it has cpu, cuda:0, cuda:1$' if gpus else 'it has cpu$'
    for word in ('gpu', '', 'cuda:9', 'cuda:x', 'mps', 'meta', *([] if gpus else ['cuda'])):
        with pytest.raises(UserError, match=f'^--device {word}: this machine .*{there}'):
            usable_device(word)
        with pytest.raises(argparse.ArgumentTypeError, match=f'^{word}: this machine'):
            device_option(word)


def test_before_anything_is_read():
    with pytest.raises(UserError, match='--device gpu'):
        load_model('gone.py', 'gone.pth', 'gpu')


@pytest.mark.sampled
@pytest.mark.parametrize(
    'args',
    [
        ['test.py', 'TOY', 'x.pth'],
        ['generate_pseudo_labels.py', 'TOY', 'x.pth'],
        ['precompute_flow.py', '.', 'out'],
        ['analysis/tsne.py', 'TOY', 'x.pth'],
        ['analysis/temporal_consistency.py', 'TOY', 'x.pth'],
    ],
)
def test_tools(args, monkeypatch, capsys):
    import runpy

    monkeypatch.setattr('sys.argv', [*args, '--device', 'gpu'])
    with pytest.raises(SystemExit, match='2'):
        runpy.run_path(f'tools/{args[0]}', run_name='__main__')
    message = capsys.readouterr().err.splitlines()[-1]
    assert 'argument --device: gpu: this machine' in message and 'cpu' in message
