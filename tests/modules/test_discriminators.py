"""Discriminators: the published network, and the first layer of the sequence's."""
from pathlib import Path

import numpy as np
import torch

from mmdavss.modules import ImageDiscriminator, SequenceDiscriminator

GOLDEN = Path(__file__).parents[1] / 'data/golden/advent_entropy_adversarial.npz'


def test_equals_the_published_network():
    with np.load(GOLDEN) as arrays:
        weights = {key[5:]: torch.from_numpy(arrays[key]) for key in arrays.files
                   if key.startswith('disc.')}
        maps, expected = (torch.from_numpy(arrays[key]) for key in ('disc_in', 'disc_forward'))
    net = ImageDiscriminator(maps.shape[1], channels=4)
    net.layers.load_state_dict(weights)
    torch.testing.assert_close(net(maps.float()), expected, rtol=1e-5, atol=1e-6)


def test_sequence_of_equal_frames_is_an_image():
    """With half of the weight in each temporal tap, a still clip scores as its frame."""
    image, sequence = ImageDiscriminator(3, 4), SequenceDiscriminator(3, 4)
    first = image.layers[0]
    with torch.no_grad():
        sequence.first.weight.copy_(first.weight[:, :, None].expand(-1, -1, 2, -1, -1) / 2)
        sequence.first.bias.copy_(first.bias)
    sequence.layers.load_state_dict({f'{int(k.split(".")[0]) - 1}.{k.split(".")[1]}': v
                                     for k, v in image.layers.state_dict().items()
                                     if not k.startswith('0.')})
    maps = torch.randn(2, 3, 64, 96)
    scores = sequence(torch.stack([maps, maps], dim=1))
    assert scores.shape == (2, 1, 2, 3)
    torch.testing.assert_close(scores, image(maps), rtol=1e-4, atol=1e-6)


def test_sequence_sees_the_order():
    net = SequenceDiscriminator(3, 4)
    maps = torch.randn(1, 2, 3, 64, 64)
    assert not torch.allclose(net(maps), net(maps.flip(1)))
