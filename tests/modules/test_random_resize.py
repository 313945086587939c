"""Random sizes and crops of clips."""

import pytest
import torch

from mmdavss.modules import RandomResizedCrop, random_rescale
from mmdavss.modules.random_resize import check_rescale


@pytest.mark.parametrize('align_corners', [False, True])
def test_rescaling(align_corners):
    """Sides of 32 and 48 by 0.8 to 1.19, to multiples of 8: 24, 32 or 40, and 40, 48 or 56."""
    clip = torch.rand(2, 2, 3, 32, 48)
    sizes = set()
    for _ in range(200):
        out = random_rescale(clip, (0.8, 1.2), align_corners)
        sizes.add(tuple(out.shape[-2:]))
        if align_corners:  # corners stay corners
            torch.testing.assert_close(out[..., 0, 0], clip[..., 0, 0])
            torch.testing.assert_close(out[..., -1, -1], clip[..., -1, -1])
    assert sizes == {(24, 40), (32, 40), (32, 48), (32, 56), (40, 56)}
    factors = set()
    square = torch.zeros(1, 1, 1, 8 * 100, 8)
    for _ in range(2000):
        factors.add(random_rescale(square, (0.8, 1.2), align_corners).shape[-2] // 8)
    assert (min(factors), max(factors)) == (80, 119)
    assert random_rescale(clip, None, align_corners) is clip


@pytest.mark.parametrize('factors', [(1.2, 0.8), (0.0, 1.0), (1.0, 1.005)])
def test_ranges_that_cannot_be(factors):
    with pytest.raises(ValueError, match='TPS: rescale=.* must be a range above 0, in hundredths'):
        check_rescale('TPS', factors)


def test_boxes_of_crops():
    """Areas and shapes are uniform in their ranges where nothing is cut off."""
    crop = RandomResizedCrop((8, 8), scale=(0.2, 0.5), ratio=(0.5, 2.0))
    boxes = torch.tensor(crop.draw(torch.empty(4000, 400, 400, device='meta'))).double()
    top, left, height, width = boxes.unbind(1)
    assert (top >= 0).all() and (top + height <= 400).all()
    assert (left >= 0).all() and (left + width <= 400).all()
    areas, shapes = height * width / 400**2, (width / height).log2()
    for values, low, high in ((areas, 0.2, 0.5), (shapes, -1, 1)):
        assert low - 0.01 < values.min() < low + 0.02 and high - 0.02 < values.max() < high + 0.01
        # The mean of so many has a standard deviation of 0.0046 of the range.
        assert abs(values.mean().item() - (low + high) / 2) < 0.023 * (high - low)


def test_crops_of_all_of_the_image():
    """A crop that exceeds the image is cut to it: frames are resized, labels the nearest."""
    crop = RandomResizedCrop((8, 12), scale=(1.0, 1.0), ratio=(1.0, 1.0))
    boxes = [(0, 0, 4, 6)] * 2
    labels = torch.arange(48).view(2, 4, 6)
    assert torch.equal(
        crop.labels(labels, boxes), labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    )
    flow = crop.flow(torch.ones(2, 1, 2, 4, 6), boxes)
    torch.testing.assert_close(flow, torch.full((2, 1, 2, 8, 12), 2.0))
    (top, left, height, width), _ = crop.draw(labels)
    assert (top, left, height) == (0, 0, 4) and width == 5  # the root of 24


def test_nearest_labels_are_those_of_torch():
    labels = torch.arange(7 * 11).view(1, 7, 11)
    for size in ((3, 4), (13, 20), (7, 11)):
        crop = RandomResizedCrop(size)
        expected = torch.nn.functional.interpolate(
            labels[None].double(), size, mode='nearest-exact'
        )
        assert torch.equal(crop.labels(labels, [(0, 0, 7, 11)]), expected[0].long())


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(scale=(0.0, 1.0)), 'scale'),
        (dict(scale=(0.5, 1.1)), 'up to 1'),
        (dict(ratio=(2, 1)), 'ratio'),
    ],
)
def test_options_of_crops_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=f'RandomResizedCrop: .*{message}'):
        RandomResizedCrop((8, 8), **options)
