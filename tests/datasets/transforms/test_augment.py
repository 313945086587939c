import copy

import cv2
import numpy as np
import pytest

from mmdavss.datasets.transforms import ClipPhotoMetricDistortion, CrossFrameAugment

OFF = dict(jitter_prob=0., blur_prob=0.)


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
    results = CrossFrameAugment(jitter_prob=1.)(same)
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
    transform = CrossFrameAugment(jitter_prob=0.8, blur_prob=0.)
    changed = [(img != same['imgs'][0]).any()
               for _ in range(100) for img in transform(dict(same))['imgs_aug']]
    assert abs(np.mean(changed) - 0.8) < 0.08  # 300 draws, 3.5 sigma


def test_blur_moves_nothing(same):
    """One bright pixel stays the centre of its blur, with the mass of a Gaussian."""
    img = np.zeros((15, 15, 3), np.uint8)
    img[7, 7] = 255
    blurred = CrossFrameAugment(jitter_prob=0., blur_prob=1., blur_sigma=(1., 1.))(
        dict(imgs=[img]))['imgs_aug'][0].astype(float)
    y, x = np.mgrid[:15, :15]
    assert (blurred[..., 0] * y).sum() / blurred[..., 0].sum() == pytest.approx(7)
    assert (blurred[..., 0] * x).sum() / blurred[..., 0].sum() == pytest.approx(7)
    gauss = np.exp(-((y - 7)**2 + (x - 7)**2) / 2)
    np.testing.assert_allclose(blurred[..., 0], 255 * gauss / gauss.sum(), atol=1.5)


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation', 'hue'])
def test_each_jitter_alone(same, name):
    np.random.seed(1)
    strengths = dict(brightness=0., contrast=0., saturation=0., hue=0.)
    strengths[name] = 0.25
    out = CrossFrameAugment(jitter_prob=1., blur_prob=0., **strengths)(same)['imgs_aug'][0]
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


def test_bad_hue():
    with pytest.raises(ValueError, match='hue=0.6'):
        CrossFrameAugment(hue=0.6)
