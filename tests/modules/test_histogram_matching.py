"""Histogram matching: by hand, and level by level."""
import torch

from mmdavss.modules import match_histograms


def images(*channels):
    return torch.tensor(channels)[None, :, None] / 255


def test_by_hand():
    """Half of the pixels are 10, a quarter 20, a quarter 30; the reference has 5, 7 and 9."""
    out = match_histograms(images([10, 10, 20, 30]), images([9, 5, 5, 9, 5, 5, 7, 7]))
    assert (out * 255).round().flatten().tolist() == [5, 5, 7, 9]
    # A level that spans several of the reference becomes the highest.
    out = match_histograms(images([10, 10, 10, 30]), images([1, 2, 3, 4]))
    assert (out * 255).round().flatten().tolist() == [3, 3, 3, 4]


def test_level_by_level():
    torch.manual_seed(0)
    a, b = (torch.randint(256, (2, 3, *size)) for size in ((7, 9), (5, 4)))
    out = (match_histograms(a / 255, b / 255) * 255).round().long()
    for n in range(2):
        for c in range(3):
            reference = b[n, c].flatten().sort().values
            for x, y in zip(a[n, c].flatten(), out[n, c].flatten(), strict=True):
                share = (a[n, c] <= x).double().mean().item()
                below = [(reference <= level).double().mean().item() for level in reference]
                assert y == min(level for level, s in zip(reference, below, strict=True)
                                if s >= share - 1e-9)


def test_its_own_histogram_changes_nothing():
    x = torch.randint(256, (2, 3, 8, 8)) / 255
    torch.testing.assert_close(match_histograms(x, x.flip(-1)), x, rtol=0, atol=1e-6)
