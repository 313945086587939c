"""Histogram matching: by hand, and by NumPy as scikit-image does it."""

import numpy as np
import torch

from mmdavss.modules import match_histograms


def images(*channels):
    return torch.tensor(channels)[None, :, None] / 255


def matched(image, reference):
    return (match_histograms(images(image), images(reference)) * 255).flatten().tolist()


def test_by_hand():
    """Half of the pixels are 10, a quarter 20, a quarter 30; the reference has 5, 7 and 9."""
    np.testing.assert_allclose(
        matched([10, 10, 20, 30], [9, 5, 5, 9, 5, 5, 7, 7]), [5, 5, 7, 9], rtol=1e-6
    )
    # A level that spans several of the reference becomes the highest.
    np.testing.assert_allclose(matched([10, 10, 10, 30], [1, 2, 3, 4]), [3, 3, 3, 4], rtol=1e-6)


def test_between_levels():
    """Shares 1/4, 1/2, 3/4, 1; the reference has 1/3 at 30, 2/3 at 60 and 1 at 200.

    A quarter is below the first of them, a half is half way from 30 to 60, three quarters are a
    quarter of the way from 60 to 200.
    """
    np.testing.assert_allclose(
        matched([10, 20, 30, 40], [30, 60, 200]), [30, 45, 95, 200], rtol=1e-5
    )


def test_as_scikit_image():
    """Its formula of float images: ``interp(shares, shares of the reference, its levels)``."""
    generator = np.random.default_rng(0)
    a, b = (generator.integers(40, 80, (2, 3, *size)) for size in ((7, 9), (5, 4)))
    out = match_histograms(torch.tensor(a) / 255, torch.tensor(b) / 255) * 255
    for n in range(2):
        for c in range(3):
            _, places, counts = np.unique(a[n, c], return_inverse=True, return_counts=True)
            levels, reference = np.unique(b[n, c], return_counts=True)
            expected = np.interp(
                counts.cumsum() / a[n, c].size, reference.cumsum() / b[n, c].size, levels
            )
            np.testing.assert_allclose(
                out[n, c], expected[places].reshape(a[n, c].shape), rtol=1e-5
            )
    # Not rounded.
    assert (out - out.round()).abs().max() > 0.2


def test_its_own_histogram_changes_nothing():
    x = torch.randint(256, (2, 3, 8, 8)) / 255
    torch.testing.assert_close(match_histograms(x, x.flip(-1)), x, rtol=0, atol=1e-6)
