"""VAT: what each player sees and learns."""
import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from torch import nn

PREPROCESSOR = dict(type='DomainDataPreprocessor', mean=[120.] * 3, std=[60.] * 3)


@pytest.fixture
def vat(per_frame):

    def make(discriminator='SequenceDiscriminator', **kwargs):
        torch.manual_seed(0)
        # ResNets start with zeroed residual branches, the discriminators need no such care.
        return MODELS.build(dict(
            dict(type='VAT', student=copy.deepcopy(per_frame), data_preprocessor=PREPROCESSOR,
                 tube_loss=dict(type='TubeDiceLoss'),
                 discriminator=discriminator and dict(type=discriminator, channels=4)),
            **kwargs)).train()

    return make


@pytest.fixture
def clips(batch):

    def make():
        data = batch('source', 'target')
        generator = torch.Generator().manual_seed(1)
        for sample in data['data_samples']['source']:
            labels = torch.randint(4, (2, 32, 48), generator=generator)
            labels[:, 0] = 255
            sample.gt_clip_seg = PixelData(data=labels)
        return data

    return make


def optimisers(model, lr=1e-2):
    return OptimWrapperDict(**{
        name: OptimWrapper(torch.optim.SGD(
            [p for p in module.parameters() if p.requires_grad], lr=lr))
        for name, module in model.named_children()
        if name in ('student', 'discriminator') and module is not None})


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def changed(module, before):
    return any(not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))


@pytest.mark.parametrize('discriminator', ['SequenceDiscriminator', 'ImageDiscriminator', None])
def test_trains_both_players(vat, clips, discriminator):
    model = vat(discriminator)
    student = weights(model.student)
    adversary = [] if discriminator is None else weights(model.discriminator)
    log = model.train_step(clips(), optimisers(model))
    assert changed(model.student, student)
    assert discriminator is None or changed(model.discriminator, adversary)
    assert all(torch.isfinite(value).all() for value in log.values())
    assert ('loss_adversarial' in log) == (discriminator is not None)


@pytest.mark.parametrize('player', ['student', 'discriminator'])
def test_gradients_stay_with_their_player(vat, clips, player):
    """With a rate of 0 for one player, the other's step leaves no gradient in it."""
    model = vat()
    grads = {}
    wrappers = optimisers(model)
    for name, wrapper in wrappers.items():
        update = wrapper.update_params

        def record(loss, update=update, name=name):
            for module in (model.student, model.discriminator):
                module.zero_grad()
            loss.backward(retain_graph=True)
            grads[name] = {other: sum(p.grad.abs().sum().item() for p in m.parameters()
                                      if p.grad is not None)
                           for other, m in (('student', model.student),
                                            ('discriminator', model.discriminator))}
            for module in (model.student, model.discriminator):
                module.zero_grad()

        wrapper.update_params = record
    model.train_step(clips(), wrappers)
    other = 'discriminator' if player == 'student' else 'student'
    assert grads[player][player] > 0 and grads[player][other] == 0


def test_losses_by_hand(vat, clips):
    model = vat(adversarial_weight=0.5)
    data = model.data_preprocessor(clips(), True)
    source, target = (data['inputs'][name] for name in ('source', 'target'))
    labels = torch.stack([s.gt_clip_seg.data for s in data['data_samples']['source']])

    def scores(clip):
        return nn.functional.interpolate(
            model.student(clip.frames.flatten(0, 1)[:, None]), (32, 48), mode='bilinear',
            align_corners=True).unflatten(0, (2, 2))

    copied = copy.deepcopy(model)
    log = copied.train_step(clips(), optimisers(copied, lr=0.))
    s, t = scores(source), scores(target)
    expected = sum(nn.functional.cross_entropy(s[:, k], labels[:, k], ignore_index=255)
                   for k in range(2))
    torch.testing.assert_close(log['loss_ce'], expected, rtol=1e-4, atol=1e-5)
    judge_s, judge_t = (torch.sigmoid(model.discriminator(x.softmax(2))) for x in (s, t))
    torch.testing.assert_close(log['loss_adversarial'], -0.5 * judge_t.log().mean(),
                               rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(log['discriminator.loss_source'], -0.5 * judge_s.log().mean(),
                               rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(log['discriminator.loss_target'],
                               -0.5 * (1 - judge_t).log().mean(), rtol=1e-4, atol=1e-5)


def test_messages(vat, clips, batch, accel):
    model = vat()
    with pytest.raises(KeyError, match='label_clips=True'):
        model.train_step(batch('source', 'target'), optimisers(model))
    with pytest.raises(TypeError, match='OptimWrapperDict'):
        model.train_step(clips(), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.)))
    with pytest.raises(ValueError, match='use PerFrame'):
        vat(student=accel)
