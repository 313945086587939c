"""The one cross-entropy of training: pixel weights, what the mean is over, several heads."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmdavss.video_nets import HeadScores
from mmdavss.video_nets.base import segmentor_losses

SIZE = (32, 48)


def pixel_losses(scores, labels):
    scores = F.interpolate(scores, SIZE, mode='bilinear', align_corners=True)
    return F.cross_entropy(scores, labels, ignore_index=255, reduction='none')


@pytest.fixture
def given():
    """Scores of both heads, labels of which a part is ignored, and weights."""
    scores = {name: torch.randn(2, 4, 4, 6) for name in ('decode', 'aux')}
    labels = torch.randint(4, (2, *SIZE))
    labels[:, :5] = 255
    return scores, labels, torch.rand(2, *SIZE)


@pytest.mark.parametrize('avg_non_ignore', [True, False])
def test_weights(given, per_frame, build, avg_non_ignore):
    """The heads' own losses with a factor for each pixel: 1 and 0.1 in the small network."""
    scores, labels, weights = given
    per_frame['segmentor']['decode_head']['loss_decode'].update(
        avg_non_ignore=avg_non_ignore, class_weight=[1.0, 2.0, 0.5, 3.0]
    )
    net = build(per_frame)
    losses = net.supervise({k: HeadScores(v) for k, v in scores.items()}, labels, weights)
    assert list(losses) == ['decode.loss_ce', 'aux.loss_ce']
    classes = torch.tensor([1.0, 2.0, 0.5, 3.0])[labels.clamp(max=3)]
    count = (labels != 255).sum() if avg_non_ignore else labels.numel()
    for name, factor, divisor in (('decode', classes, count), ('aux', 0.1, (labels != 255).sum())):
        expected = (pixel_losses(scores[name], labels) * weights * factor).sum() / divisor
        torch.testing.assert_close(losses[f'{name}.loss_ce'], expected)


def test_the_decode_head_alone_with_a_divisor(given, per_frame, build):
    scores, labels, weights = given
    net = build(per_frame)
    losses = net.supervise(scores['decode'], labels, weights, avg_factor=labels.numel())
    expected = (pixel_losses(scores['decode'], labels) * weights).mean()
    assert list(losses) == ['decode.loss_ce']
    torch.testing.assert_close(losses['decode.loss_ce'], expected)


def test_without_weights_as_mmseg(given, per_frame, build):
    """The accuracy too; weights of one change nothing; the net's own losses are kept."""
    scores, labels, _ = given
    net = build(per_frame)
    heads = {
        'decode': HeadScores(scores['decode'], losses=dict(loss_own=torch.tensor(2.0))),
        'aux': HeadScores(scores['aux']),
    }
    losses = net.supervise(heads, labels)
    assert set(losses) == {
        'decode.loss_ce',
        'decode.acc_seg',
        'loss_own',
        'aux.loss_ce',
        'aux.acc_seg',
    }
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in labels]
    for name, head in net.heads.items():
        for part, value in head.loss_by_feat(scores[name], samples).items():
            torch.testing.assert_close(losses[f'{name}.{part}'], value, rtol=0, atol=0)
    ones = net.supervise(heads, labels, torch.ones(2, *SIZE))
    for name, value in ones.items():
        torch.testing.assert_close(value, losses[name])


@pytest.mark.parametrize('labelled', [True, False])
def test_losses_of_a_segmentor_are_those_of_mmseg(per_frame, build, labelled):
    """And the accuracy, also where no pixel is labelled; without its waiting for the device."""
    net = build(per_frame)
    labels = torch.randint(4, (2, 1, *SIZE))
    labels[:, :, 5 if labelled else 0 :] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one)) for one in labels]
    levels = net.levels(torch.randn(2, 3, *SIZE))
    expected = net.segmentor._decode_head_forward_train(levels, samples)
    expected |= net.segmentor._auxiliary_head_forward_train(levels, samples)
    losses = segmentor_losses(net.segmentor, levels, samples)
    assert list(losses) == list(expected)
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_hardest_pixels_by_their_loss(given, per_frame, build):
    """Without a threshold mmseg's sampler asks for the losses of the pixels."""
    scores, labels, _ = given
    per_frame['segmentor']['decode_head']['sampler'] = dict(type='OHEMPixelSampler', min_kept=100)
    net = build(per_frame)
    loss = net.supervise(scores['decode'], labels)['decode.loss_ce']
    hardest = pixel_losses(scores['decode'], labels).flatten().topk(200).values
    torch.testing.assert_close(loss, hardest.sum() / (labels != 255).sum())


def test_hard_pixels_and_several_losses(given, per_frame, build):
    """Weights multiply those of a head's sampler; losses of one name are summed, as in mmseg."""
    scores, labels, weights = given
    head = per_frame['segmentor']['decode_head']
    loss = dict(type='BatchCrossEntropyLoss', loss_weight=0.25)
    head.update(
        sampler=dict(type='OHEMPixelSampler', thresh=0.3, min_kept=100), loss_decode=[loss, loss]
    )
    net = build(per_frame)
    losses = net.supervise(scores['decode'], labels, weights)
    large = F.interpolate(scores['decode'], SIZE, mode='bilinear', align_corners=True)
    hard = net.segmentor.decode_head.sampler.sample(large, labels[:, None])
    assert 0 < hard.mean() < 0.9
    expected = (pixel_losses(scores['decode'], labels) * weights * hard).sum()
    torch.testing.assert_close(losses['decode.loss_ce'], 0.5 * expected / (labels != 255).sum())


def test_a_head_with_a_loss_for_each_branch(given, per_frame, build):
    """Weights of pixels go with the loss of the branch that predicts, and with no other."""
    scores, labels, weights = given
    loss = dict(type='BatchCrossEntropyLoss')
    per_frame['segmentor'].update(
        auxiliary_head=None,
        decode_head=dict(
            type='DDRHead',
            in_channels=64,
            channels=8,
            num_classes=4,
            align_corners=True,
            loss_decode=[loss, dict(loss, loss_weight=0.4)],
        ),
    )
    net = build(per_frame)
    net.check_weights()
    losses = net.supervise(scores['decode'], labels, weights, avg_factor=labels.numel())
    expected = (pixel_losses(scores['decode'], labels) * weights).mean()
    torch.testing.assert_close(losses['decode.loss_ce'], expected)
