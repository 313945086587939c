"""Discriminators: the published network, and the first layer of the sequence's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.modules import ImageDiscriminator, SequenceDiscriminator, SpatioTemporalDiscriminator
from mmdavss.modules.domain_game import pair

GOLDEN = Path(__file__).parents[1] / 'data/golden/advent_entropy_adversarial.npz'


def test_equals_the_published_network():
    with np.load(GOLDEN) as arrays:
        weights = {
            key[5:]: torch.from_numpy(arrays[key])
            for key in arrays.files
            if key.startswith('disc.')
        }
        maps, expected = (torch.from_numpy(arrays[key]) for key in ('disc_in', 'disc_forward'))
    net = ImageDiscriminator(maps.shape[1], channels=len(weights['0.weight']))
    net.layers.load_state_dict(weights)
    torch.testing.assert_close(net(maps.float()), expected, rtol=1e-5, atol=1e-6)


def test_sequence_of_equal_frames_is_an_image():
    """With half of the weight in each temporal tap, a still clip scores as its frame."""
    image, sequence = ImageDiscriminator(3, 4), SequenceDiscriminator(3, 4)
    first = image.layers[0]
    with torch.no_grad():
        sequence.first.weight.copy_(first.weight[:, :, None].expand(-1, -1, 2, -1, -1) / 2)
        sequence.first.bias.copy_(first.bias)
    sequence.layers.load_state_dict(
        {
            f'{int(k.split(".")[0]) - 1}.{k.split(".")[1]}': v
            for k, v in image.layers.state_dict().items()
            if not k.startswith('0.')
        }
    )
    maps = torch.randn(2, 3, 64, 96)
    scores = sequence(torch.stack([maps, maps], dim=1))
    assert scores.shape == (2, 1, 2, 3)
    torch.testing.assert_close(scores, image(maps), rtol=1e-4, atol=1e-6)


def test_published_width():
    """64, 128, 256, 512 channels."""
    for net in (ImageDiscriminator(3), SequenceDiscriminator(3)):
        widths = [m.out_channels for m in net.modules() if hasattr(m, 'out_channels')]
        assert widths == [64, 128, 256, 512, 1]


def test_sequence_sees_the_order():
    net = SequenceDiscriminator(3, 4)
    maps = torch.randn(1, 2, 3, 64, 64)
    assert not torch.allclose(net(maps), net(maps.flip(1)))


@pytest.mark.parametrize('kernel', [3, 4])
def test_the_smallest_maps(kernel):
    net, least = ImageDiscriminator(3, 4, first_kernel=kernel), 28 + kernel
    assert net(torch.randn(1, 3, least, least)).shape[-2:] == (1, 1)
    with pytest.raises(ValueError, match=f'of 64x{least - 1} are too small, {least}x{least} is'):
        net(torch.randn(1, 3, least - 1, 64))


def test_the_smallest_maps_of_sequences():
    net = SequenceDiscriminator(3, 4)
    assert net(torch.randn(1, 2, 3, 32, 32)).shape[-2:] == (1, 1)
    with pytest.raises(ValueError, match='of 31x64 are too small, 32x32 is the least'):
        net(torch.randn(1, 2, 3, 64, 31))


@pytest.mark.parametrize('count, text', [(1, '1 frame '), (3, '3 frames ')])
def test_sequences_have_two_frames(count, text):
    """The last of three would not be seen."""
    with pytest.raises(ValueError, match=f'{text}.* clip_length=2 .*ImageDiscriminator'):
        SequenceDiscriminator(3, 4)(torch.randn(1, count, 3, 64, 64))


def test_pairs_of_frames():
    """The published losses of both are in tests/methods/test_davsn.py."""
    net = SpatioTemporalDiscriminator(3, heads=('decode', 'aux'), channels=4)
    now, before = torch.randn(2, 2, 3, 64, 96)
    judged = net(dict(aux=pair((now, before))))
    assert set(judged) == {'aux'} and all(j.shape == (2, 1, 2, 3) for j in judged['aux'])
    both = torch.cat([now, before], dim=1).exp()
    expected = net.spatio_temporal['aux'](both / both.sum(1, keepdim=True))
    torch.testing.assert_close(judged['aux'][0], expected)
    assert torch.equal(judged['aux'][1], net(dict(aux=pair((now, now * 2))))['aux'][1])
    assert not torch.equal(judged['aux'][0], net(dict(aux=pair((now, now * 2))))['aux'][0])


def test_likeness():
    """1 + 1 where two are the same, 1 - 1 where one is the other's negative."""
    net = SpatioTemporalDiscriminator(3, channels=4)
    net.spatial['decode'].load_state_dict(net.spatio_temporal['decode'].state_dict())
    torch.testing.assert_close(net.likeness(), torch.tensor(2.0))
    with torch.no_grad():
        for parameter in net.spatial.parameters():
            parameter.neg_()
    assert net.likeness().abs() < 1e-6
    assert net.likeness().requires_grad
