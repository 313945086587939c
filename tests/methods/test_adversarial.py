"""The student's passes of both domains are backpropagated one after the other."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope

from mmdavss.testing import build_method, build_optimisers, train
from mmdavss.testing.methods import Training, training_batch
from mmdavss.testing.numerics import double_precision
from tests.methods.groups import in_one_group
from tests.methods.table import CASES

PLAYING = {
    name: case for name, case in CASES.items() if 'discriminator' in case.model and case.student
}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.mark.parametrize('counts', [1, 2])
@pytest.mark.parametrize('name', PLAYING)
def test_the_step_is_that_of_the_sum(name, counts):
    """Weights, momentum and statistics after three iterations, the last a step of its own."""
    case = PLAYING[name]
    results = []
    for whole in (False, True):
        with double_precision():
            model = build_method(case)
            if whole:
                in_one_group(model)
            batches = [training_batch(case, step) for step in range(3)]
            results.append(train(case, model, batches, momentum=0.9, accumulative_counts=counts))
    (logs, state), (other_logs, other) = results
    torch.testing.assert_close(logs, other_logs, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(state, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('name', PLAYING)
def test_the_source_is_backpropagated_before_the_target_is_seen(name):
    case = PLAYING[name]
    model = build_method(case)
    wrapper = build_optimisers(model)
    events = []
    backward, forward = wrapper['student'].backward, model.student.forward

    def noted_backward(loss, **kwargs):
        events.append('backward')
        return backward(loss, **kwargs)

    def noted_forward(*args, **kwargs):
        events.append('forward')
        return forward(*args, **kwargs)

    wrapper['student'].backward = noted_backward
    model.student.forward = noted_forward
    Training(case, model, wrapper)(training_batch(case))
    assert events.count('backward') == 2
    assert events[0] == 'forward'
    assert 'forward' in events[events.index('backward') :]
