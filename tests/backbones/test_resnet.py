"""The grid of ADVENT's networks; sizes are those that its release has."""

import pytest
import torch
from mmseg.models.backbones import ResNet

from mmdavss.backbones import CeilResNet

SMALL = dict(
    depth=18, base_channels=4, stem_channels=4, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)
)


@pytest.mark.parametrize(
    ('size', 'up', 'down'),
    [
        ((512, 1024), (65, 129), (64, 128)),
        ((720, 1280), (91, 161), (90, 160)),
        ((640, 1280), (81, 161), (80, 160)),
    ],
)
def test_first_pooling_rounds_up(size, up, down):
    with torch.device('meta'):
        frames = torch.zeros(1, 3, *size)
        for net, expected in (
            (CeilResNet(**SMALL), up),
            (ResNet(**SMALL), down),
            (CeilResNet(ceil_mode=False, **SMALL), down),
        ):
            assert [tuple(stage.shape[-2:]) for stage in net(frames)[1:]] == [expected] * 3


def test_pools_what_is_there():
    """What is added at the end are the maxima of the pixels that the window still reaches."""
    net = CeilResNet(**SMALL)
    pooled = net.maxpool(torch.arange(32.0).view(1, 1, 4, 8))
    # Windows of 3 around the rows 0, 2, 4 and the columns 0, 2, 4, 6, 8.
    assert pooled[0, 0].tolist() == [
        [9, 11, 13, 15, 15],
        [25, 27, 29, 31, 31],
        [25, 27, 29, 31, 31],
    ]


def test_weights_are_those_of_mmsegs(tmp_path):
    net, other = CeilResNet(**SMALL), ResNet(**SMALL)
    assert [*net.state_dict()] == [*other.state_dict()]
    torch.save(other.state_dict(), tmp_path / 'net.pth')
    loaded = CeilResNet(
        **SMALL, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth'))
    )
    loaded.init_weights()
    assert all(
        torch.equal(value, other.state_dict()[name]) for name, value in loaded.state_dict().items()
    )


def test_unknown_option_is_refused():
    with pytest.raises(TypeError, match='ceil'):
        CeilResNet(ceil=True, **SMALL)
