"""Tests of benchmarks/gpu_check.py with a second device, run by test_gpu_check.py."""

from __future__ import annotations

import pytest
import torch

from tests.second_device import second_device
from tests.tools import test_gpu_check

# Fixtures.
script, compared, shrunk = test_gpu_check.script, test_gpu_check.compared, test_gpu_check.shrunk
results_of = test_gpu_check.results_of


def test_functions_on_a_second_device(script):
    """Each equals the CPU there, and mixes no devices."""
    with second_device() as device:
        results = results_of(script, 'ops', device=device)
    assert not [own for own in results.values() if own['status'] != 'passed']
    assert len(results) > 70


def test_mixed_devices_are_found(compared):
    function = compared.Function(lambda x: x + torch.ones(4), (compared.noise(3, 4),))
    with second_device() as device, pytest.raises(RuntimeError, match='on the CPU and on'):
        compared.compare(function, device)


@pytest.mark.parametrize('name', ['i2vda', 'sepico_dist'])
def test_a_method_on_a_second_device(script, name):
    with second_device() as device:
        results = results_of(script, 'methods', f'{name}: equal', device=device)
    (result,) = results.values()
    assert result['status'] == 'passed', result
    assert result['figures']['difference'] == 0  # its numbers are the CPU's


def test_a_step_of_a_config_on_a_second_device(script, shrunk):
    """Its networks, and what checks them, are made there."""
    with second_device() as device:
        _, step = script.RealConfig('dacs/accel-r18_miniviper2minicity', device).steps()
        log = step()
    assert {value.device for value in log.values()} == {torch.device(device)}
    assert 'loss' in log
