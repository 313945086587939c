"""UnifiedVideoDA's discriminator of two frames against the published step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.modules import VideoDiscriminator

GOLDEN = Path(__file__).parents[1] / 'data/golden/unifiedvda_video_discriminator.npz'


@pytest.fixture
def data():
    with np.load(GOLDEN) as arrays:
        return {name: torch.tensor(arrays[name]) for name in arrays.files}


@pytest.fixture
def discriminator(data):
    channels, scores = data['disc.conv1.weight'].shape[:2]
    made = MODELS.build(
        dict(
            type='VideoDiscriminator',
            in_channels=scores // 2,  # of each of two frames
            channels=channels,
            adversarial_weight=float(data['lambda_adv']),
            scale=float(data['adv_scale']),
        )
    )
    convolutions = (layer for layer in made.network.layers if hasattr(layer, 'weight'))
    for name, layer in zip(published_names(), convolutions, strict=True):
        layer.load_state_dict({part: data[f'disc.{name}.{part}'] for part in ('weight', 'bias')})
    return made


def published_names():
    return [*(f'conv{number}' for number in range(1, 5)), 'classifier']


def frames(data, domain):
    return tuple(
        data[f'{domain}_{when}_logits'].requires_grad_() for when in ('current', 'previous')
    )


def same(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * theirs.abs().max().item())


def test_published_loss_of_the_student(data, discriminator):
    """Both frames of the target get a gradient, the discriminator gets none."""
    target = frames(data, 'trg')
    loss = discriminator.student_loss(target, tuple(data['image_size'].tolist()))
    assert loss.item() == pytest.approx(data['loss_generator'].item(), rel=1e-5)
    loss.backward()
    for when, scores in zip(('current', 'previous'), target, strict=True):
        same(scores.grad, data[f'grad_trg_{when}'])
    assert all(parameter.grad is None for parameter in discriminator.parameters())


def test_published_losses_of_the_discriminator(data, discriminator):
    source, target = frames(data, 'src'), frames(data, 'trg')
    losses = discriminator.discriminator_losses(source, target, tuple(data['image_size'].tolist()))
    for domain in ('source', 'target'):
        expected = data[f'loss_disc_{domain}'].item()
        assert losses[f'loss_{domain}'].item() == pytest.approx(expected, rel=1e-5)
    sum(losses.values()).backward()
    convolutions = (layer for layer in discriminator.network.layers if hasattr(layer, 'weight'))
    for name, layer in zip(published_names(), convolutions, strict=True):
        for part in ('weight', 'bias'):
            same(getattr(layer, part).grad, data[f'grad_disc.{name}.{part}'])
    assert all(scores.grad is None for scores in (*source, *target))


def test_scores_as_they_are():
    """Without a resolution, as published for networks of one scale."""
    torch.manual_seed(0)
    made = VideoDiscriminator(3, channels=4, resolution=None)
    scores = torch.randn(2, 3, 32, 64), torch.randn(2, 3, 32, 64)
    judged = made.network(torch.cat(scores, dim=1).softmax(1))
    loss = made.student_loss(scores, (8, 8))
    torch.testing.assert_close(loss, 1e-4 * judged.square().mean())


@pytest.mark.parametrize(
    'options',
    [
        dict(channels=0),
        dict(resolution=0.0),
        dict(resolution=float('nan')),
        dict(adversarial_weight=-1.0),
        dict(scale=-1.0),
    ],
    ids=lambda options: str(*options.items()),
)
def test_values_outside_their_range(options):
    with pytest.raises(ValueError, match=f'^VideoDiscriminator: {next(iter(options))}='):
        VideoDiscriminator(4, **options)


def test_a_resolution_that_leaves_nothing():
    net = VideoDiscriminator(4, channels=4, resolution=0.01)
    maps = torch.rand(1, 4, 8, 12)
    with pytest.raises(ValueError, match='resolution=0.01 leaves nothing of images of 96x64'):
        net.student_loss((maps, maps), (64, 96))
