"""Compares StrongAugment with the published form of its jitter and blur, in every draw.

    python benchmarks/strong_augment.py [--size 512] [--samples 2] [--rounds 11]

The published form (DACS, DAFormer, SePiCo) is the colour jitter and the blur of kornia 0.2, written
here without it: each is decided once for the batch and computed only where drawn; colours are
converted to HSV for saturation and again for hue; the kernel of the blur is a full matrix, a tenth
of the image wide (``--kernel`` limits it, as StrongAugment does). With half of a batch drawn, which
only StrongAugment can, it is compared with the published form of that half. `before` is
StrongAugment as it was: it computed jitter and blur of all samples and selected, whatever was
drawn.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from medians import medians, one_thread
from torch import Tensor

from mmdavss.modules import StrongAugment


def rgb_to_hsv(image: Tensor) -> Tensor:
    value, _ = image.max(-3)
    mask = image == value[..., None, :, :]
    index = ((mask.cumsum(-3) == 1) & mask).max(-3)[1]
    chroma = value - image.min(-3)[0]
    saturation = chroma / (value + 1e-31)
    chroma = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    red, green, blue = (value[..., None, :, :] - image).unbind(-3)
    hue = torch.stack([blue - green, 2 * chroma + red - blue, 4 * chroma + green - red], -3)
    hue = hue.gather(-3, index[..., None, :, :]).squeeze(-3) / chroma
    return torch.stack([2 * math.pi * ((hue / 6) % 1), saturation, value], -3)


def hsv_to_rgb(image: Tensor) -> Tensor:
    hue, saturation, value = image.unbind(-3)
    hue = hue / (2 * math.pi)
    sector = torch.floor(hue * 6) % 6
    rest = (hue * 6) % 6 - sector
    p = value * (1 - saturation)
    q = value * (1 - rest * saturation)
    t = value * (1 - (1 - rest) * saturation)
    sector = sector.long()
    index = torch.stack([sector, sector + 6, sector + 12], -3)
    v = value
    table = torch.stack((v, q, p, p, t, v, t, v, v, q, p, p, p, p, t, v, v, q), -3)
    return table.gather(-3, index)


def published_jitter(images: Tensor, amounts: Tensor, order: Sequence[int]) -> Tensor:
    """(N, 3, H, W), amounts (N, 4) in -0.2 to 0.2."""
    brightness, contrast, saturation, hue = amounts.T[..., None, None, None]

    def saturate(x: Tensor) -> Tensor:
        h, s, v = rgb_to_hsv(x).chunk(3, -3)
        return hsv_to_rgb(torch.cat([h, (s * (1 + saturation)).clamp(0, 1), v], -3))

    def turn(x: Tensor) -> Tensor:
        h, s, v = rgb_to_hsv(x).chunk(3, -3)
        return hsv_to_rgb(torch.cat([torch.fmod(h + 2 * math.pi * hue, 2 * math.pi), s, v], -3))

    changes: list[Callable[[Tensor], Tensor]] = [
        lambda x: (x + brightness).clamp(0, 1),
        lambda x: (x * (1 + contrast)).clamp(0, 1),
        saturate,
        turn,
    ]
    for i in order:
        images = changes[i](images)
    return images


def published_blur(images: Tensor, sigma: float, sizes: tuple[int, int]) -> Tensor:
    """(N, 3, H, W)."""
    lines = []
    for size in sizes:
        offsets = torch.arange(size, dtype=images.dtype) - size // 2
        line = torch.exp(-(offsets**2) / (2 * sigma**2))
        lines.append(line / line.sum())
    kernel = (lines[0][:, None] * lines[1]).expand(3, 1, *sizes)
    top, left = (size // 2 for size in sizes)
    padded = F.pad(images, (left, left, top, top), mode='reflect')
    return F.conv2d(padded, kernel, groups=3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, default=512)
    parser.add_argument('--samples', type=int, default=2)
    parser.add_argument('--kernel', type=int, default=None)
    parser.add_argument('--rounds', type=int, default=11)
    args = parser.parse_args()
    one_thread()
    torch.manual_seed(0)
    clips = torch.rand(args.samples, 1, 3, args.size, args.size)
    tenth = math.ceil(args.size / 10)
    size = args.kernel or tenth - 1 + tenth % 2
    augment = StrongAugment()

    def published(jitter: bool, blur: bool, part: int = args.samples) -> Tensor:
        images = clips[:part, 0]
        if jitter:
            amounts = 0.4 * torch.rand(part, 4) - 0.2
            images = published_jitter(images, amounts, torch.randperm(4).tolist())
        if blur:
            images = published_blur(images, 0.15 + torch.rand(()).item(), (size, size))
        return images

    def ours(jitter: bool, blur: bool) -> Tensor:
        return augment.blur(augment.jitter(clips, jitter), blur)

    def before(jitter: bool, blur: bool) -> Tensor:
        images = clips
        for change, whether in ((augment.jitter, jitter), (augment.blur, blur)):
            images = torch.where(torch.tensor(whether), change(images, True), images)
        return images

    def half(jitter: bool, blur: bool) -> Tensor:
        augment._chosen = lambda clips, whether, probability: (  # type: ignore[method-assign]
            list(range(args.samples // 2)) if whether else []
        )
        try:
            return ours(jitter, blur)
        finally:
            del augment._chosen

    print(f'{args.samples} of {args.size}x{args.size}, published kernel of {size}:')
    print('| drawn | published, ms | before, ms | now, ms | ratio before | ratio now |')
    print('|---|---|---|---|---|---|')
    for jitter, blur in ((False, False), (True, False), (False, True), (True, True)):
        drawn = ' and '.join(['jitter'] * jitter + ['blur'] * blur) or 'nothing'
        for name, form, part in (
            (drawn, ours, args.samples),
            (f'{drawn}, half of the batch', half, args.samples // 2),
        ):
            if drawn == 'nothing' and form is half:
                continue
            known = partial(published, jitter, blur, part)
            # In pairs: what is measured after `before` finds its memory given back to the system.
            with torch.no_grad():
                pairs = [
                    medians(dict(published=known, own=partial(own, jitter, blur)), args.rounds)
                    for own in (before, form)
                ]
            cells = [f'{pairs[1]["published"]:.3f}', *(f'{pair["own"]:.3f}' for pair in pairs)]
            cells += [f'{pair["own"] / pair["published"]:.2f}' for pair in pairs]
            print(f'| {name} | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
