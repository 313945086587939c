import copy
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdavss.datasets.transforms import (
    ClipPhotoMetricDistortion,
    CrossFrameAugment,
    TPSAugment,
)
from mmdavss.datasets.transforms.augment import wrapped

OFF = dict(jitter_prob=0.0, blur_prob=0.0)


@pytest.fixture
def same():
    """A clip of three equal frames."""
    img = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return dict(imgs=[img.copy() for _ in range(3)])


def test_photometric_draw_is_shared(same):
    np.random.seed(0)
    before = same['imgs'][0].copy()
    changed = 0
    for _ in range(5):
        results = ClipPhotoMetricDistortion()(copy.deepcopy(same))
        assert [img.shape for img in results['imgs']] == [(24, 32, 3)] * 3
        for img in results['imgs'][1:]:
            np.testing.assert_array_equal(img, results['imgs'][0])
        changed += (results['imgs'][0] != before).any()
    assert changed >= 4


def test_photometric_draw_per_frame(same):
    np.random.seed(0)
    imgs = ClipPhotoMetricDistortion(per_frame=True)(same)['imgs']
    assert any((imgs[0] != img).any() for img in imgs[1:])


def test_photometric_brightness_by_hand(same, monkeypatch):
    """Of all operations brightness only, +10: what mmseg's transform gives for each frame."""
    from mmseg.datasets.transforms import transforms

    monkeypatch.setattr(transforms.random, 'randint', lambda *a: 0)
    transform = ClipPhotoMetricDistortion()
    monkeypatch.setattr(transform, 'brightness', lambda img: transform.convert(img, beta=10))
    expected = np.minimum(same['imgs'][0].astype(int) + 10, 255)
    for img in transform(same)['imgs']:
        np.testing.assert_array_equal(img, expected)


def test_cross_frame_augment_is_drawn_per_frame(same):
    np.random.seed(0)
    before = [img.copy() for img in same['imgs']]
    results = CrossFrameAugment(jitter_prob=1.0)(same)
    for img, original in zip(results['imgs'], before, strict=True):
        np.testing.assert_array_equal(img, original)
    augmented = results['imgs_aug']
    assert len(augmented) == 3
    assert all(img.dtype == np.uint8 and img.shape == (24, 32, 3) for img in augmented)
    assert (augmented[0] != augmented[1]).any() and (augmented[1] != augmented[2]).any()


def test_cross_frame_augment_off(same):
    results = CrossFrameAugment(**OFF)(same)
    for img, augmented in zip(results['imgs'], results['imgs_aug'], strict=True):
        np.testing.assert_array_equal(img, augmented)
        assert not np.shares_memory(img, augmented)


def test_probabilities(same):
    np.random.seed(0)
    transform = CrossFrameAugment(jitter_prob=0.8, blur_prob=0.0)
    changed = [
        (img != same['imgs'][0]).any()
        for _ in range(100)
        for img in transform(dict(same))['imgs_aug']
    ]
    assert abs(np.mean(changed) - 0.8) < 0.08  # 300 draws, 3.5 sigma


def test_blur_moves_nothing(same):
    """One bright pixel stays the centre of its blur, with the mass of a Gaussian."""
    img = np.zeros((15, 15, 3), np.uint8)
    img[7, 7] = 255
    blurred = CrossFrameAugment(jitter_prob=0.0, blur_prob=1.0, blur_sigma=(1.0, 1.0))(
        dict(imgs=[img])
    )['imgs_aug'][0].astype(float)
    y, x = np.mgrid[:15, :15]
    assert (blurred[..., 0] * y).sum() / blurred[..., 0].sum() == pytest.approx(7)
    assert (blurred[..., 0] * x).sum() / blurred[..., 0].sum() == pytest.approx(7)
    gauss = np.exp(-((y - 7) ** 2 + (x - 7) ** 2) / 2)
    np.testing.assert_allclose(blurred[..., 0], 255 * gauss / gauss.sum(), atol=1.5)


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation', 'hue'])
def test_each_jitter_alone(same, name):
    np.random.seed(1)
    strengths = dict(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    strengths[name] = 0.25
    out = CrossFrameAugment(jitter_prob=1.0, blur_prob=0.0, **strengths)(same)['imgs_aug'][0]
    img = same['imgs'][0]
    assert (out != img).any()
    if name == 'brightness':
        ratio = out[img > 100].astype(float) / img[img > 100]
        ratio = ratio[out[img > 100] < 255]
        assert 0.74 < ratio.min() and ratio.max() < 1.26 and np.ptp(ratio) < 0.02
    if name == 'hue':  # brightness (value) and saturation stay
        value = [np.max(a, -1).astype(int) for a in (img, out)]
        assert np.abs(value[0] - value[1]).max() <= 2
    if name == 'saturation':
        gray = [cv2.cvtColor(a, cv2.COLOR_BGR2GRAY).astype(int) for a in (img, out)]
        assert np.median(np.abs(gray[0] - gray[1])) <= 2


#: Default strength of brightness, contrast and saturation; that of the hue; tolerance in levels:
#: in TPSAugment the hue, also of no turn, goes through HSV in bytes.
STRENGTHS = ((CrossFrameAugment, 0.25, 0.25, 1), (TPSAugment, 0.8, 0.2, 6))


@pytest.mark.parametrize('end', [0, 1])
@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation', 'hue'])
@pytest.mark.parametrize('kind, strength, hue, levels', STRENGTHS)
def test_each_jitter_at_the_ends_of_its_range(kind, strength, hue, levels, name, end, monkeypatch):
    """Blends with black, the mean grey and the pixel's grey; hues of BGR may turn the other way."""
    img = np.random.default_rng(0).integers(80, 160, (24, 32, 3), dtype=np.uint8)
    if name == 'hue':
        img[:] = 0, 0, 255  # red
    off = {other: 0.0 for other in ('brightness', 'contrast', 'saturation', 'hue') if other != name}
    if kind is TPSAugment:
        off['grey_prob'] = 0.0
    np.random.seed(0)
    monkeypatch.setattr(np.random, 'uniform', lambda *ends: ends[end])
    transform = kind(jitter_prob=1.0, blur_prob=0.0, **off)
    out = transform(dict(imgs=[img]))['imgs_aug'][0]
    if name == 'hue':
        turned = 2.0 * cv2.cvtColor(out, cv2.COLOR_BGR2HSV)[0, 0, 0]
        assert min(turned, 360 - turned) == pytest.approx(360 * hue, abs=2)
        return
    grey = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)[..., None]
    other = dict(brightness=0.0, contrast=grey.mean(), saturation=grey.astype(float))[name]
    factor = 1 + (strength if end else -strength)
    expected = np.clip(factor * img + (1 - factor) * other, 0, 255)
    np.testing.assert_allclose(out, expected, rtol=0, atol=levels)


@pytest.mark.parametrize(
    ('kind', 'options', 'words'),
    [
        (CrossFrameAugment, dict(hue=0.6), 'hue=0.6'),
        (CrossFrameAugment, dict(brightness=1.5), 'brightness=1.5'),
        (CrossFrameAugment, dict(blur_prob=-0.1), 'blur_prob=-0.1'),
        (CrossFrameAugment, dict(blur_sigma=(2.0, 1.0)), 'the smaller one first'),
        (CrossFrameAugment, dict(blur_sigma=(0.0, 1.0)), 'above 0'),
        (TPSAugment, dict(hue=0.6), 'hue=0.6'),
        (TPSAugment, dict(grey_prob=2), 'grey_prob=2'),
    ],
)
def test_bad_options(kind, options, words):
    with pytest.raises(ValueError, match=f'{kind.__name__}: .*{words}'):
        kind(**options)


STILL = dict(blur_prob=0.0, jitter_prob=0.0, grey_prob=0.0)


def test_tps_augment_has_one_draw_for_a_clip(same):
    """Equal frames stay equal: operations are pointwise but for the blur, off here."""
    np.random.seed(0)
    seen = set()
    for _ in range(10):
        first, *others = TPSAugment(blur_prob=0.0)(dict(same))['imgs_aug']
        assert first.dtype == np.uint8 and first.shape == (24, 32, 3)
        assert all((img == first).all() for img in others)
        seen.add(first.tobytes())
    assert len(seen) > 6


def test_tps_augment_keeps_the_frames_apart(same):
    imgs = [np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)]
    results = TPSAugment(**STILL)(dict(imgs=imgs))
    for img, view in zip(imgs, results['imgs_aug'], strict=True):
        np.testing.assert_array_equal(view, img)
        assert not np.shares_memory(img, view)


def test_tps_augment_sees_the_clip_as_one_picture():
    """Contrast pulls to the mean grey of all frames, blur crosses from the current one down."""
    imgs = [np.full((8, 8, 3), value, np.uint8) for value in (0, 200)]
    np.random.seed(1)
    dark, light = TPSAugment(
        **dict(STILL, jitter_prob=1.0), brightness=0.0, saturation=0.0, hue=0.0
    )(dict(imgs=imgs))['imgs_aug']
    factor = (float(light.mean()) - float(dark.mean())) / 200
    assert 0.2 <= factor < 1  # this draw lowers it
    assert abs(dark.mean() - 100 * (1 - factor)) <= 1
    dark, light = TPSAugment(**dict(STILL, blur_prob=1.0), blur_radius=(1,))(dict(imgs=imgs))[
        'imgs_aug'
    ]
    # The previous frame is below the current one: its first row touches that one's last.
    assert dark[0].mean() > 30 and dark[-1].mean() == 0
    assert light[-1].mean() < 170 and light[0].mean() == 200


@pytest.mark.slow
def test_tps_augment_strengths():
    """In 3000 draws: how often anything happens, and how far it goes at most."""
    np.random.seed(0)
    img = np.full((2, 2, 3), 100, np.uint8)
    img[..., 0] = 60
    grey = (
        sum(
            (lambda v: (v == v[..., :1]).all())(
                TPSAugment(blur_prob=0.0, jitter_prob=0.0)(dict(imgs=[img]))['imgs_aug'][0]
            )
            for _ in range(3000)
        )
        / 3000
    )
    assert abs(grey - 0.2) < 0.03
    alone = dict(STILL, jitter_prob=0.8, contrast=0.0, saturation=0.0, hue=0.0)
    values = (
        np.array(
            [TPSAugment(**alone)(dict(imgs=[img]))['imgs_aug'][0][0, 0, 1] for _ in range(3000)]
        )
        / 100
    )
    assert abs((values == 1).mean() - 0.2) < 0.03
    assert 0.2 <= values.min() < 0.22 and 1.78 < values.max() <= 1.8
    turns = TPSAugment(**dict(STILL, jitter_prob=1.0), brightness=0.0, contrast=0.0, saturation=0.0)
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 2] = 255  # BGR
    hues = [
        2 * int(cv2.cvtColor(turns(dict(imgs=[red]))['imgs_aug'][0], cv2.COLOR_BGR2HSV)[0, 0, 0])
        for _ in range(1000)
    ]
    hues = [hue - 360 if hue > 180 else hue for hue in hues]
    assert -74 < min(hues) < -68 and 68 < max(hues) < 74  # 0.2 of 360 degrees


def test_tps_blur_has_the_released_radii():
    """One bright column: the deviation of its blur is the radius."""
    np.random.seed(0)
    img = np.zeros((1, 201, 3), np.uint8)
    img[:, 80:121] = 255
    deviations = []
    for _ in range(200):
        row = TPSAugment(**dict(STILL, blur_prob=0.6))(dict(imgs=[img]))['imgs_aug'][0][0, :, 0]
        x, weight = np.arange(201), row / row.sum()
        deviations.append(np.sqrt((weight * (x - 100) ** 2).sum() - (41**2 - 1) / 12))
    deviations = np.array(deviations).round(1)
    assert abs((deviations == 0).mean() - 0.4) < 0.12
    for radius in (5, 7, 9):
        assert 0.1 < (np.abs(deviations - radius) < 0.4).mean() < 0.3


def test_tps_augment_as_released():
    """The wrapped picture and what the network sees of it, from the published code."""
    golden = np.load(Path(__file__).parents[2] / 'data/golden/tps_strong_view.npz')
    img = golden['rgb'][::-1].transpose(1, 2, 0)
    mean = golden['mean_bgr']
    np.testing.assert_array_equal(wrapped(golden['input_bgr_minus_mean']), golden['bytes'])
    view = TPSAugment(**STILL, wrapped_mean=mean)(dict(imgs=[img, img]))['imgs_aug'][1]
    assert view.dtype == np.float32
    # What DomainDataPreprocessor makes of it; adding and subtracting the mean costs six digits.
    np.testing.assert_allclose(
        (view - mean).transpose(2, 0, 1), golden['view_without_jitter_and_blur'], atol=1e-5
    )


def test_bad_strengths():
    for option in (dict(hue=0.6), dict(grey_prob=1.2), dict(contrast=-0.1)):
        ((name, value),) = option.items()
        with pytest.raises(ValueError, match=f'{name}={value}'):
            TPSAugment(**option)
