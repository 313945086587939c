"""Exchange of Fourier amplitudes between images: low frequencies, or bands of frequencies.

The phase of an image stays, which keeps its content; amplitudes carry its style. All spectra are
computed in at least float32: there is no Fourier transform in half precision on all devices.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmdavss.utils.errors import rounded_up

from .precision import at_least_float32

#: Which frequencies a window of half width n holds. ``symmetric``: -n to n in both directions, as
#: FDA's paper and its demo. ``half`` and ``real``: -n to n-1, as FDA's training code. That spectrum
#: is not Hermitian: ``half`` reads only its half of non-negative horizontal frequencies, as the
#: transform that the code was written for did, ``real`` takes the real part of the inverse.
WINDOWS = ('symmetric', 'half', 'real')


def window_half_width(
    size: tuple[int, int] | torch.Size, beta: float, window: str = 'symmetric'
) -> int:
    """Half width n = floor(beta min(H, W)) of a window of low frequencies (FDA).

    Args:
        size: (H, W) of the images.
        beta: Share of the shorter side, from 0 to less than 0.5.
        window: One of :data:`WINDOWS`.

    Raises:
        ValueError: If `beta` or `window` is none of these, or if the window holds no frequency.
    """
    if window not in WINDOWS:
        raise ValueError(f'window={window!r} is not one of {WINDOWS}.')
    if not 0 <= beta < 0.5:
        raise ValueError(f'beta={beta} must be in [0, 0.5): from there it takes all amplitudes.')
    width = math.floor(beta * min(size))
    if width == 0 and window != 'symmetric':
        raise ValueError(
            f'beta={beta} leaves no amplitude of images of {tuple(size)} (height, width) in the '
            f'window {window!r}: set beta to {rounded_up(1 / min(size))} or more, or '
            "window='symmetric'."
        )
    return width


def fourier_swap(
    content: Tensor, style: Tensor, half_width: int, window: str = 'symmetric'
) -> Tensor:
    """Images with the low-frequency amplitudes of others (FDA, Yang and Soatto 2020).

    Args:
        content: (..., H, W), images that keep their phases and high frequencies.
        style: Images whose amplitudes are taken, of a shape that broadcasts; same H and W.
        half_width: Half width n of the window, see :func:`window_half_width`.
        window: One of :data:`WINDOWS`. With n = 0 ``symmetric`` exchanges the amplitude of the
            mean, the others nothing.

    Returns:
        Same shape as `content`, at least float32. Values are neither clipped nor rounded.

    Raises:
        ValueError: If the images differ in size, or the window is unknown.
    """
    _check_sizes(content, style, 'fourier_swap')
    if window not in WINDOWS:
        raise ValueError(f'fourier_swap: window={window!r} is not one of {WINDOWS}.')
    height, width = content.shape[-2:]
    spectrum = torch.fft.rfft2(at_least_float32(content))
    rows = _frequencies(height, content.device)[:, None]
    columns = torch.arange(spectrum.shape[-1], device=content.device)
    n = half_width
    if window == 'symmetric':
        share = (rows.abs() <= n) & (columns <= n)
    else:
        share = (rows >= -n) & (rows < n) & (columns < n)
    if window == 'real':
        # Of a frequency and its negative, which the real part joins, the window may hold one.
        negative = (rows > -n) & (rows <= n) & (columns <= n)
        share = 0.5 * share + 0.5 * negative
    own = spectrum.abs()
    amplitude = own + share.to(own.dtype) * (torch.fft.rfft2(at_least_float32(style)).abs() - own)
    return torch.fft.irfft2(_polar(amplitude, spectrum.angle()), s=(height, width))


def frequency_bands(
    size: tuple[int, int] | torch.Size,
    count: int = 32,
    released: bool = False,
    device: torch.device | str | None = None,
) -> Tensor:
    """Masks of nested rectangular bands of the unshifted spectrum (RDA).

    Band i holds the frequencies inside ``floor(H (i + 1) / (2 count))`` rows and
    ``floor(W (i + 1) / (2 count))`` columns, but not inside those of i.

    Args:
        size: (H, W) of the images.
        count: Number of bands.
        released: As the release counts: by the distance of a row or column to the nearest corner
            of the spectrum, so that frequencies -n to n-1 lie inside n. Otherwise by the absolute
            frequency, so that every band is symmetric and the attacked image real.
        device: Device of the masks.

    Returns:
        (count, H, W), bool; each frequency is in one band. Bands of small images may be empty.
    """
    bands = []
    for side in size:
        frequencies = _frequencies(side, device)
        distance = torch.where(
            frequencies < 0, -frequencies - 1 if released else -frequencies, frequencies
        )
        limits = side * torch.arange(1, count, device=device) // (2 * count)
        # Those beyond all limits are in the last band.
        bands.append((distance[:, None] >= limits).sum(1))
    band = torch.maximum(bands[0][:, None], bands[1])
    return band == torch.arange(count, device=device)[:, None, None]


def exchange_amplitudes(images: Tensor, amplitudes: Tensor) -> Tensor:
    """Images with the phases of their own and given amplitudes.

    Args:
        images: (..., H, W).
        amplitudes: Those of the full, unshifted spectrum, same shape. Of those that are not
            symmetric, the half of non-negative horizontal frequencies counts.

    Returns:
        Same shape, at least float32.
    """
    phases = torch.fft.rfft2(at_least_float32(images)).angle()
    return torch.fft.irfft2(
        _polar(amplitudes[..., : phases.shape[-1]], phases),
        s=images.shape[-2:],
    )


def _polar(amplitude: Tensor, phase: Tensor) -> Tensor:
    """As ``torch.polar``, whose gradient takes conjugated views that not every backend resolves."""
    return torch.complex(amplitude * phase.cos(), amplitude * phase.sin())


def _frequencies(count: int, device: torch.device | str | None) -> Tensor:
    """Frequencies (count,) of an unshifted spectrum, int64: 0, 1, ..., -2, -1."""
    numbers = torch.arange(count, device=device)
    return torch.where(numbers < (count + 1) // 2, numbers, numbers - count)


def _check_sizes(content: Tensor, style: Tensor, caller: str) -> None:
    if content.shape[-2:] != style.shape[-2:]:
        raise ValueError(
            f'{caller}: the images are {tuple(content.shape[-2:])} and those that give the style '
            f'{tuple(style.shape[-2:])} (height, width): give both pipelines one size, by a '
            'ClipCrop or a ClipResize.'
        )
