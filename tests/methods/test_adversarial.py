"""The student's passes of both domains are backpropagated one after the other."""

import copy

import pytest
import torch
from mmengine.model import MMSeparateDistributedDataParallel
from mmengine.registry import init_default_scope
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from mmdavss import methods
from mmdavss.methods import AdversarialAdapter
from mmdavss.testing import build_method, build_optimisers, train
from mmdavss.testing.methods import Training, training_batch
from mmdavss.testing.numerics import double_precision
from tests.methods.groups import in_one_group
from tests.methods.table import CASES

PLAYING = {
    name: case
    for name, case in CASES.items()
    if 'discriminator' in case.model
    and case.student
    and issubclass(getattr(methods, case.model['type']), AdversarialAdapter)
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
    """And RDA's plain frames before the attacked ones."""
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
    attacked = isinstance(model, methods.RDA)
    groups = 2 + attacked + ('masked' in case.model)
    assert events.count('backward') == groups
    assert events[0] == 'forward'
    assert 'forward' in events[events.index('backward') :]
    assert not attacked or events == ['forward', 'backward'] * groups


def test_gradients_are_reduced_once_for_each_step(process_group):
    """After the last group of the last accumulated iteration, all of them."""
    case = PLAYING['davsn']
    model = build_method(case)
    plain = copy.deepcopy(model)
    trainer = MMSeparateDistributedDataParallel(model)
    events: list[str] = []

    def reduced(state, bucket):  # torch wants the annotations themselves, not their names
        if bucket.is_last():
            events.append('reduced')
        return allreduce_hook(None, bucket)

    model.student.register_comm_hook(None, reduced)
    wrapper = build_optimisers(model, accumulative_counts=2)
    backward = wrapper['student'].backward

    def noted(loss, **kwargs):
        events.append('backward')
        backward(loss, **kwargs)

    wrapper['student'].backward = noted
    batches = [training_batch(case, step) for step in range(4)]
    run = Training(case, model, wrapper, trainer)
    for data in batches:
        run(data)
    assert events == 2 * [*4 * ['backward'], 'reduced']
    _, expected = train(case, plain, batches, accumulative_counts=2)
    torch.testing.assert_close(dict(model.state_dict()), expected, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------- discriminators that do not fit

HEADS = ('ImageDiscriminator', 'HeadDiscriminators', 'SequenceDiscriminator')
PAIRS = 'SpatioTemporalDiscriminator'


@pytest.mark.parametrize(
    ('name', 'options', 'words'),
    [
        ('adaptsegnet', dict(view='pair'), "view='pair' is not one of .*of a frame"),
        ('vat', dict(view='joint'), "view='joint' is not one of .*of a clip"),
        ('i2vda', dict(view='pair'), "view='pair' is not one of .*of a clip"),
        ('adaptsegnet', dict(sum_frames=True), 'sum_frames has no effect'),
        ('davsn', dict(sum_frames=True), 'sum_frames has no effect'),
        ('adaptsegnet', dict(likeness_weight=0.1), 'likeness_weight is not for HeadDiscr'),
        ('vat', dict(likeness_weight=0.1), 'likeness_weight is not for Sequence'),
        ('vat', dict(adversarial_weight=-1.0), 'adversarial_weight=-1.0 must be 0 or more'),
        ('davsn', dict(discriminator_weight=-1.0), 'discriminator_weight=-1.0 must be'),
        ('vat', dict(auxiliary_adversarial_weight=0.1), 'SequenceDiscriminator judges one head'),
        ('adaptsegnet', dict(discriminator=HEADS[0]), 'ImageDiscriminator judges one head'),
        ('adaptsegnet', dict(discriminator=PAIRS), 'does not take the scores of a frame'),
        ('davsn', dict(discriminator=HEADS[1]), 'does not take the scores of a pair'),
        ('vat', dict(discriminator=HEADS[1]), 'does not take the scores of a clip'),
        ('i2vda', dict(discriminator=PAIRS), 'does not take the scores of a clip'),
    ],
    ids=str,
)
def test_what_does_not_fit_what_is_shown(name, options, words):
    """Each ended in a traceback within the first step, or changed nothing."""
    kind = options.get('discriminator')
    if kind is not None:
        options = dict(discriminator=dict(type=kind, channels=4))
    with pytest.raises(ValueError, match=f'^{type(build_method(CASES[name])).__name__}: .*{words}'):
        build_method(CASES[name], **options)


@pytest.mark.parametrize(
    ('name', 'kind'),
    [('adaptsegnet', HEADS[0]), ('adaptsegnet', HEADS[1]), ('davsn', PAIRS)],
)
def test_the_decode_head_alone(name, kind):
    """Though the student has an auxiliary one: it is not shown."""
    case = CASES[name]
    model = build_method(
        case, auxiliary_adversarial_weight=None, discriminator=dict(type=kind, channels=4)
    )
    (log,), _ = train(case, model, [training_batch(case)])
    assert log['loss_adversarial'] > 0 and 'source.aux.loss_ce' in log
