"""The strong augmentation, against colorsys, OpenCV and by hand."""

import colorsys

import cv2
import numpy as np
import pytest
import torch

from mmdavss.modules import StrongAugment, TorchvisionAugment
from mmdavss.modules import strong_augment as module
from mmdavss.modules.strong_augment import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    gaussian_blur,
    hsv_to_rgb,
    rgb_to_grey,
    rgb_to_hsv,
    scale_brightness,
    scale_contrast,
    scale_saturation,
)
from mmdavss.testing.numerics import Waits


@pytest.fixture
def colours():
    """Colours (1, 3, 8, 8) with ties of the channels, greys, black and white."""
    steps = torch.tensor([0.0, 0.25, 0.6, 1.0])
    grid = torch.stack(torch.meshgrid(steps, steps, steps, indexing='ij')).reshape(1, 3, 8, 8)
    return grid.double()


def pixelwise(function, images):
    """Applies a function of r, g, b to every pixel."""
    rows = [function(*pixel) for pixel in images.permute(0, 2, 3, 1).reshape(-1, 3).tolist()]
    return (
        torch.tensor(rows, dtype=images.dtype)
        .view(len(images), *images.shape[-2:], 3)
        .permute(0, 3, 1, 2)
    )


def test_hsv_is_that_of_colorsys(colours):
    hsv = rgb_to_hsv(colours)
    torch.testing.assert_close(hsv, pixelwise(colorsys.rgb_to_hsv, colours))
    torch.testing.assert_close(hsv_to_rgb(hsv), colours)
    random = torch.rand(2, 3, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(hsv_to_rgb(random), pixelwise(colorsys.hsv_to_rgb, random))


def test_saturation_and_hue(colours):
    def saturate(r, g, b):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb(h, min(1, s * 1.4), v)

    def turn(r, g, b):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb((h - 0.17) % 1, s, v)

    torch.testing.assert_close(adjust_saturation(colours, 1.4), pixelwise(saturate, colours))
    torch.testing.assert_close(adjust_hue(colours, -0.17), pixelwise(turn, colours))


def test_brightness_is_added_and_contrast_multiplies():
    image = torch.tensor([0.0, 0.3, 0.95]).view(1, 3, 1, 1)
    torch.testing.assert_close(
        adjust_brightness(image, 0.1).flatten(), torch.tensor([0.1, 0.4, 1.0])
    )
    torch.testing.assert_close(
        adjust_contrast(image, 1.2).flatten(), torch.tensor([0.0, 0.36, 1.0])
    )


@pytest.mark.parametrize('size', [(9, 5), (1, 7), (13, 13)])
def test_blur_is_that_of_opencv(size):
    images = torch.rand(3, 2, 3, 24, 32)
    sigmas = [0.15, 0.7, 1.15]
    blurred = gaussian_blur(images, sigmas, size)
    for image, result, s in zip(images, blurred, sigmas, strict=True):
        for frame, expected in zip(image, result, strict=True):
            by_opencv = cv2.GaussianBlur(
                frame.permute(1, 2, 0).numpy(),
                size[::-1],
                sigmaX=s,
                sigmaY=s,
                borderType=cv2.BORDER_REFLECT_101,
            )
            np.testing.assert_allclose(expected.permute(1, 2, 0), by_opencv, atol=2e-6)


@pytest.mark.parametrize('blur_prob', [0.5, 1.0])
def test_autocast_changes_nothing(blur_prob):
    """Half precision has no grey levels to spare."""
    clips = torch.rand(4, 2, 3, 64, 96)
    augment = StrongAugment(blur_prob=blur_prob)
    results = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            results.append(augment(clips))
    assert results[1].dtype == torch.float32 and torch.equal(*results)


def test_kernel_is_a_tenth_of_the_image_and_no_longer_than_needed():
    augment = StrongAugment()
    # floor(c - 0.5 + c % 2) with c = ceil(side / 10) is what is published.
    assert [augment.kernel_size(side) for side in (10, 20, 21, 64, 96, 108)] == [1, 1, 3, 7, 9, 11]
    assert augment.kernel_size(640) == 13
    images = torch.rand(2, 1, 3, 128, 640)
    sigmas = [1.15, 0.6]
    published = gaussian_blur(images, sigmas, (13, 63))
    limited = gaussian_blur(images, sigmas, (13, 13))
    torch.testing.assert_close(limited, published, atol=1e-6, rtol=0)


def test_nothing_is_computed_with_probability_zero():
    clips = torch.rand(3, 2, 3, 40, 40)
    assert StrongAugment(jitter_prob=0.0, blur_prob=0.0)(clips) is clips


def computed_for_all(augment, clips):
    """All clips jittered and blurred, then selected, with tensors of amounts and without in-place
    operations: the plain form, with the same draws."""

    def to_hsv(images):
        value, dominant = images.max(-3)
        chroma = value - images.amin(-3)
        red, green, blue = images.unbind(-3)
        safe = torch.where(chroma > 0, chroma, 1)
        sixths = [(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4]
        sixth = torch.stack(sixths, dim=-3).gather(-3, dominant.unsqueeze(-3)).squeeze(-3)
        saturation = chroma / torch.where(value > 0, value, 1)
        return [(sixth / 6) % 1, saturation, value]

    def to_rgb(hue, saturation, value):
        channels = []
        for offset in (5, 3, 1):
            k = (offset + hue * 6) % 6
            channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
        return torch.stack(channels, dim=-3)

    def saturate(images, factor):
        hue, saturation, value = to_hsv(images)
        return to_rgb(hue, (saturation * factor).clamp(0, 1), value)

    def turn(images, turns):
        hue, saturation, value = to_hsv(images)
        return to_rgb((hue + turns) % 1, saturation, value)

    def draw(count=1):
        return torch.rand(count, len(clips), 1, 1, 1, 1, dtype=clips.dtype)

    amounts = draw(4) * 2 - 1
    shifts, factors = augment.strength * amounts, 1 + augment.strength * amounts
    operations = [
        lambda x: (x + shifts[0]).clamp(0, 1),
        lambda x: (x * factors[1]).clamp(0, 1),
        lambda x: saturate(x, factors[2, ..., 0]),
        lambda x: turn(x, shifts[3, ..., 0]),
    ]
    changed = clips
    for i in torch.randperm(4).tolist():
        changed = operations[i](changed)
    jitter = draw()[0] < augment.jitter_prob
    clips = torch.where(jitter, changed, clips)
    low, high = augment.blur_sigma
    sigmas = low + (high - low) * draw()[0].flatten()
    blur = draw()[0] < augment.blur_prob
    size = tuple(augment.kernel_size(side) for side in clips.shape[-2:])
    blurred = torch.where(blur, gaussian_blur(clips, sigmas.tolist(), size), clips)
    return blurred, int(jitter.sum()), int(blur.sum())


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_only_what_is_drawn_is_computed(dtype, monkeypatch):
    """Bit by bit the results and draws of computing everything."""
    augment = StrongAugment()
    jittered, blurred = [], []
    add = module.ADJUSTMENTS[0]
    changes = (lambda *args: jittered.append(1) or add(*args), *module.ADJUSTMENTS[1:])
    monkeypatch.setattr(StrongAugment, 'adjustments', changes)
    for seed in range(20):
        torch.manual_seed(seed)
        clips = torch.rand(3, 2, 3, 24, 33, dtype=dtype)
        if seed % 3 == 0:
            clips = (4 * clips).round() / 4  # ties
        torch.manual_seed(seed)
        expected, jitter, blur = computed_for_all(augment, clips)
        following = torch.rand(1)
        with monkeypatch.context() as patch:
            patch.setattr(
                module,
                'gaussian_blur',
                lambda x, *a: blurred.append(len(x)) or gaussian_blur(x, *a),
            )
            torch.manual_seed(seed)
            result = augment(clips)
        assert torch.equal(torch.rand(1), following)
        assert torch.equal(result, expected)
        assert (len(jittered), sum(blurred)) == (jitter, blur)
        jittered.clear()
        blurred.clear()


def test_nothing_waits_for_the_device():
    """The meta device has no values to wait for."""
    torch.manual_seed(0)
    clips = torch.empty(8, 1, 3, 40, 40, device='meta')
    with Waits() as waits:
        assert StrongAugment()(clips).shape == clips.shape
        assert StrongAugment(per_batch=True, jitter_prob=1, blur_prob=1)(clips).is_meta
    assert not waits.found


def test_each_sample_draws_and_its_frames_share_the_draw():
    torch.manual_seed(0)
    clips = torch.rand(1, 1, 3, 40, 40).expand(40, 2, -1, -1, -1).contiguous()
    result = StrongAugment()(clips)
    assert result.shape == clips.shape and result.dtype == clips.dtype
    assert 0 <= result.min() and result.max() <= 1
    assert torch.equal(result[:, 0], result[:, 1])
    assert len({tuple(sample.flatten()[:9].tolist()) for sample in result}) > 25
    # 20 % without jitter times 50 % without blur: about 4 of the 40 stay as they are.
    assert 0 < sum(torch.equal(a, b) for a, b in zip(result, clips, strict=True)) < 13


def test_probabilities():
    torch.manual_seed(0)
    clips = torch.rand(1, 1, 3, 32, 32).expand(400, -1, -1, -1, -1).contiguous()

    def share(**options):
        changed = StrongAugment(**options)(clips) != clips
        return changed.flatten(1).any(1).double().mean().item()

    assert share(blur_prob=0.0) == pytest.approx(0.8, abs=5 * 0.02)
    assert share(jitter_prob=0.0) == pytest.approx(0.5, abs=5 * 0.025)


def test_jitter_alone_is_one_of_the_orders(colours):
    """All amounts at their largest: the result is that of one of the 24 orders."""
    from itertools import permutations

    operations = [
        lambda x: adjust_brightness(x, 0.2),
        lambda x: adjust_contrast(x, 1.2),
        lambda x: adjust_saturation(x, 1.2),
        lambda x: adjust_hue(x, 0.2),
    ]
    augment = StrongAugment(jitter_prob=1.0)
    draws = iter([torch.ones(4, 1).double(), torch.zeros(1, 1).double()])
    augment._draw = lambda *args: next(draws)
    result = augment.jitter(colours[:, None])
    candidates = []
    for order in permutations(operations):
        image = colours
        for operation in order:
            image = operation(image)
        candidates.append(image)
    assert any(torch.allclose(result[:, 0], c) for c in candidates)


@pytest.mark.parametrize(
    'option',
    [dict(strength=0.6), dict(jitter_prob=1.2), dict(blur_prob=-0.1), dict(blur_sigma=(0.0, 1.0))],
)
def test_bad_options(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        StrongAugment(**option)


@pytest.mark.parametrize('per_batch', [False, True])
def test_frames_that_draw_by_themselves(per_batch):
    """Each frame is augmented as a clip of one frame, one after the other."""
    clips = torch.rand(2, 3, 3, 24, 32)
    options = dict(jitter_prob=1.0, blur_prob=0.5, per_batch=per_batch)
    together, apart = StrongAugment(**options), StrongAugment(**options, per_frame=True)
    torch.manual_seed(4)
    expected = torch.cat([together(clips[:, t : t + 1]) for t in range(3)], dim=1)
    torch.manual_seed(4)
    augmented = apart(clips)
    assert torch.equal(augmented, expected)
    torch.manual_seed(4)
    assert not torch.equal(augmented, together(clips))


def test_changes_of_torchvision(colours):
    """``adjust_brightness``, ``adjust_contrast``, ``adjust_saturation``: blends, cut to [0, 1]."""
    grey = (0.2989 * colours[:, 0] + 0.587 * colours[:, 1] + 0.114 * colours[:, 2])[:, None]
    torch.testing.assert_close(rgb_to_grey(colours), grey)
    for change, other in (
        (scale_brightness, torch.zeros_like(grey)),
        (scale_contrast, grey.mean() * torch.ones_like(grey)),
        (scale_saturation, grey),
    ):
        for factor in (0.0, 0.4, 1.7):
            expected = (factor * colours + (1 - factor) * other).clamp(0, 1)
            torch.testing.assert_close(change(colours, factor), expected)


def test_ranges_of_torchvision(monkeypatch):
    torch.manual_seed(0)
    clips = torch.rand(200, 2, 3, 8, 8)
    seen = {name: [] for name in ('brightness', 'contrast', 'saturation', 'hue')}

    def noted(name):
        return lambda clip, amount: seen[name].append(amount) or clip

    monkeypatch.setattr(TorchvisionAugment, 'adjustments', tuple(map(noted, seen)))
    options = dict(brightness=0.8, contrast=0.5, saturation=0.3, hue=0.05)
    TorchvisionAugment(**options, jitter_prob=1.0)(clips)
    for name, middle in dict(brightness=1, contrast=1, saturation=1, hue=0).items():
        spread = options[name]
        assert len(seen[name]) == 200
        assert middle - spread <= min(seen[name]) < middle - 0.9 * spread
        assert middle + 0.9 * spread < max(seen[name]) <= middle + spread


def test_share_of_grey_samples():
    torch.manual_seed(0)
    clips = torch.rand(400, 2, 3, 4, 4)
    made = TorchvisionAugment(jitter_prob=0.0, grey_prob=0.3, blur_prob=0.0)(clips)
    grey = (made == made[:, :, :1]).flatten(1).all(1)
    assert grey.double().mean().item() == pytest.approx(0.3, abs=5 * 0.023)
    assert torch.equal(made[~grey], clips[~grey])
    torch.testing.assert_close(made[grey][:, :, 0], rgb_to_grey(clips[grey])[:, :, 0])


def test_order_of_torchvision(monkeypatch):
    """Jitter, then grey, then blur."""
    order = []

    def noted(owner, name):
        change = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: order.append(name) or change(*args))

    augment = TorchvisionAugment(jitter_prob=1.0, grey_prob=1.0, blur_prob=1.0)
    noted(augment, 'jitter')
    noted(augment, 'blur')
    monkeypatch.setattr(TorchvisionAugment, 'adjustments', (lambda clip, amount: clip,) * 4)
    noted(module, 'rgb_to_grey')  # the adjustments do not call it
    augment(torch.rand(2, 1, 3, 40, 40))
    assert order == ['jitter', 'rgb_to_grey', 'blur']


def test_options_of_torchvision():
    with pytest.raises(ValueError, match='saturation=1.5 must be in'):
        TorchvisionAugment(saturation=1.5)
