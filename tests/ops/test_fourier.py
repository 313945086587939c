"""Exchange of amplitudes: the releases of FDA and RDA, a plain loop, spectra of both images."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.ops import exchange_amplitudes, fourier_swap, frequency_bands, window_half_width

GOLDEN = Path(__file__).parents[1] / 'data/golden'
FDA = np.load(GOLDEN / 'rivals_fda_spectrum_swap.npz')
RDA = np.load(GOLDEN / 'rivals_rda_faa.npz')


def pair(*size, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(size))
    return [torch.rand(2, 3, *size, generator=generator, dtype=dtype) for _ in range(2)]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize(
    'key, window',
    [
        *((f'np_beta{beta}', 'symmetric') for beta in ('0.01', '0.05', '0.09')),
        ('torch_half_beta0.05', 'half'),
        ('torch_real_beta0.05', 'real'),
    ],
)
def test_equals_the_release_of_fda(key, window, dtype):
    """Its function for numpy has the symmetric window, that for training the others."""
    source, target = (torch.from_numpy(FDA[name]).to(dtype) for name in ('source', 'target'))
    beta = key.split('beta')[1]
    width = int(FDA[f'window_half_width_beta{beta}'])
    if width == 0 and window != 'symmetric':  # the release changes nothing; an error here
        with pytest.raises(ValueError, match=f'beta={float(beta)} leaves no amplitude'):
            window_half_width(source.shape[-2:], float(beta), window)
    else:
        assert window_half_width(source.shape[-2:], float(beta), window) == width
    swapped = fourier_swap(source, target, width, window)
    assert swapped.dtype == dtype
    # The arrays are stored in float32, a unit of which at 256 is 3e-5; sums in float32 differ by
    # more, the larger the image is.
    atol = 2e-4 if dtype == torch.float64 else 2e-3
    expected = torch.from_numpy(FDA[key]).to(dtype).view_as(swapped)
    torch.testing.assert_close(swapped, expected, rtol=0, atol=atol)


@pytest.mark.parametrize('size', [(7, 9), (7, 10), (8, 9), (8, 10)])
@pytest.mark.parametrize('width', [0, 1, 2, 3])
def test_spectrum_frequency_by_frequency(size, width):
    """Phases stay; amplitudes within the window are the style's, the others the content's."""
    content, style = pair(*size)
    out, own, other = (
        torch.fft.fft2(x) for x in (fourier_swap(content, style, width), content, style)
    )
    torch.testing.assert_close(out / out.abs(), own / own.abs())
    for row in range(size[0]):
        for column in range(size[1]):
            far = max(min(row, size[0] - row), min(column, size[1] - column)) > width
            expected = own if far else other
            torch.testing.assert_close(
                out[..., row, column].abs(), expected[..., row, column].abs()
            )


@pytest.mark.parametrize('size', [(16, 24), (15, 21)])
def test_identities(size):
    """With itself nothing changes; of the mean alone, the mean becomes the style's."""
    content, style = pair(*size)
    for window in ('symmetric', 'half', 'real'):
        torch.testing.assert_close(fourier_swap(content, content, 3, window), content)
    shifted = fourier_swap(content, style, 0)
    torch.testing.assert_close(shifted.mean((-1, -2)), style.mean((-1, -2)))
    torch.testing.assert_close(
        shifted - shifted.mean((-1, -2), True), content - content.mean((-1, -2), True)
    )
    for window in ('half', 'real'):
        torch.testing.assert_close(fourier_swap(content, style, 0, window), content)


def test_one_style_for_all_frames():
    """A style broadcasts over the frames of a clip."""
    content, style = pair(16, 24)
    clips = torch.stack([content, content.flip(-1)], 1)
    swapped = fourier_swap(clips, style[:, None], 2)
    torch.testing.assert_close(swapped[:, 1], fourier_swap(content.flip(-1), style, 2))


def test_half_precision_is_computed_in_float32():
    content, style = (x.bfloat16() for x in pair(16, 24))
    with torch.autocast('cpu', torch.bfloat16):
        swapped = fourier_swap(content, style, 2)
        attacked = exchange_amplitudes(content, torch.fft.fft2(style.float()).abs())
    assert swapped.dtype == attacked.dtype == torch.float32
    torch.testing.assert_close(swapped, fourier_swap(content.float(), style.float(), 2))


@pytest.mark.parametrize(
    'beta, window, message',
    [
        (-0.1, 'symmetric', 'beta=-0.1 must be in'),
        (0.5, 'symmetric', 'takes all amplitudes'),
        (0.01, 'half', 'beta=0.01 leaves no amplitude .*set beta to 0.021 or more'),
        (0.01, 'real', 'leaves no amplitude'),
        (0.1, 'round', "window='round' is not one of"),
    ],
)
def test_windows_that_cannot_be(beta, window, message):
    with pytest.raises(ValueError, match=message):
        window_half_width((48, 80), beta, window)


def test_unequal_sizes():
    content, style = pair(16, 24)
    with pytest.raises(ValueError, match=r'images are \(16, 24\) .* \(16, 22\)'):
        fourier_swap(content, style[..., :22], 2)
    with pytest.raises(ValueError, match="window='x' is not one of"):
        fourier_swap(content, style, 2, 'x')


# ---------------------------------------------------------------------- bands


def test_bands_of_the_release_of_rda():
    published = RDA['band_of_pixel']
    bands = frequency_bands(published.shape, int(published.max()) + 1, released=True)
    assert (bands.sum(0) == 1).all()
    np.testing.assert_array_equal(bands.long().argmax(0).numpy(), published)


@pytest.mark.parametrize('size, count', [((64, 96), 32), ((33, 47), 4), ((10, 14), 32)])
def test_bands_are_symmetric_and_nested(size, count):
    """Each frequency is in one band, with its negative; limits are those of the release."""
    bands = frequency_bands(size, count)
    assert (bands.sum(0) == 1).all()
    band = bands.long().argmax(0)
    negative = torch.roll(band.flip(0, 1), (1, 1), (0, 1))
    assert torch.equal(band, negative)
    for row in range(size[0]):
        for column in range(size[1]):
            distances = min(row, size[0] - row), min(column, size[1] - column)
            inside = [
                all(
                    d < side * (i + 1) // (2 * count)
                    for d, side in zip(distances, size, strict=True)
                )
                for i in range(count - 1)
            ]
            assert band[row, column] == (inside.index(True) if True in inside else count - 1)


def test_equals_the_attack_of_rda():
    """Some components, each a channel of a band, get the amplitudes of a reference."""
    image = torch.from_numpy(RDA['image'])
    components, channels = len(RDA['gate_score']), image.shape[1]
    count = components // channels
    reference = F.interpolate(
        torch.from_numpy(RDA['reference']), image.shape[-2:], mode='bilinear', align_corners=True
    )
    chosen = torch.zeros(components)
    chosen[torch.from_numpy(RDA['chosen'])] = 1
    bands = frequency_bands(image.shape[-2:], count, released=True)
    mask = torch.einsum('bc,bhw->chw', chosen.view(count, channels), bands.float())
    own, other = (torch.fft.fft2(x).abs() for x in (image, reference))
    attacked = exchange_amplitudes(image, own + mask * (other - own))
    expected = torch.from_numpy(RDA['perturbed_half'])
    torch.testing.assert_close(attacked, expected, rtol=0, atol=1e-3)
    assert (attacked - image).abs().max() > 1e-2
    torch.testing.assert_close(exchange_amplitudes(image, own), image, rtol=0, atol=1e-3)


@pytest.mark.parametrize('height', [32, 48, 50, 100, 128, 192, 360, 512])
def test_the_advised_beta_is_taken(height):
    with pytest.raises(ValueError, match='set beta to') as told:
        window_half_width((height, 600), 1e-4, 'half')
    advised = float(re.search(r'set beta to (\S+) or more', str(told.value)).group(1))
    assert window_half_width((height, 600), advised, 'half') == 1
