"""Day and night probabilities, against the published mixing."""

from pathlib import Path

import numpy as np
import torch

from mmdavss.modules import day_guided
from mmdavss.testing.numerics import Waits

GOLDEN = Path(__file__).parents[1] / 'data/golden/sepico_dark_prob_mix.npz'


def test_equals_the_published_mix():
    with np.load(GOLDEN) as arrays:
        night, day, mixed = (
            torch.from_numpy(arrays[key]) for key in ('night_prob', 'day_prob', 'mixed')
        )
        ranges, ratio = arrays['shift_insensitive_ranges'], float(arrays['day_ratio'])
    static = [k for first, end in ranges for k in range(first, end)]
    for classes in (static, torch.tensor(static)):
        got = day_guided(night, day, classes, ratio)
        torch.testing.assert_close(got, mixed, rtol=0, atol=1e-6)


def test_without_options_as_released():
    """Classes 0 to 4 and 8 to 10 of 19, four parts of the day where it is sure."""
    night, day = torch.rand(2, 1, 19, 16, 20)
    expected = day_guided(night, day, [*range(5), *range(8, 11)], 0.8, 0.4)
    assert torch.equal(day_guided(night, day), expected)


def test_by_hand():
    """Class 0 stands still and is sure at day, then unsure; class 1 moves."""
    night = torch.tensor([[0.2, 0.2], [0.8, 0.8]])[None, :, None]
    day = torch.tensor([[0.9, 0.3], [0.1, 0.7]])[None, :, None]
    mixed = day_guided(night, day, static=[0])
    torch.testing.assert_close(mixed[0, 0, 0], torch.tensor([0.76, 0.22]))
    assert torch.equal(mixed[:, 1], night[:, 1])


def test_classes_on_the_device_are_not_copied():
    found = []
    for static in ([0], torch.tensor([0], device='meta')):
        night, day = torch.rand(2, 1, 2, 3, 4, device='meta')
        with Waits() as waits:
            day_guided(night, day, static)
        found.append(bool(waits.found))
    assert found == [True, False]
