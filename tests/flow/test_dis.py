"""DIS on images that were moved by a known distance."""

import pickle

import cv2
import numpy as np
import pytest
import torch


@pytest.fixture(scope='module')
def moved():
    """Two uint8 BGR images: what is at (x, y) in the first is at (x + 3, y - 2) in the second."""
    rng = np.random.default_rng(0)
    canvas = cv2.GaussianBlur(rng.integers(256, size=(140, 180, 3), dtype=np.uint8), (0, 0), 2)
    canvas = cv2.normalize(canvas, None, 0, 255, cv2.NORM_MINMAX)
    return canvas[20:116, 20:148], canvas[22:118, 17:145]


def to_frames(*images):
    """RGB in [0, 1], batches of one."""
    return [
        torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)[None] / 255
        for image in images
    ]


@pytest.mark.parametrize('preset', ['ultrafast', 'fast', 'medium'])
def test_known_motion(build, moved, preset):
    flow = build(dict(type='DISFlowEstimator', preset=preset)).estimate_numpy(*moved)
    assert flow.shape == (96, 128, 2) and flow.dtype == np.float32
    error = np.linalg.norm(flow - np.array([3, -2]), axis=2)[8:-8, 8:-8]
    assert np.median(error) < 0.25 and error.mean() < 0.5


def test_tensors_give_the_same(build, moved):
    """A batch, in both directions; each sample is that of the images."""
    provider = build(dict(type='DISFlowEstimator'))
    a, b = to_frames(*moved)
    flow = provider(torch.cat([a, b]), torch.cat([b, a]))
    assert flow.shape == (2, 2, 96, 128) and flow.dtype == torch.float32 and flow.is_contiguous()
    for i, pair in enumerate([moved, moved[::-1]]):
        expected = provider.estimate_numpy(*pair)
        np.testing.assert_array_equal(flow[i].permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize('size', [(8, 200), (13, 200), (31, 129), (6, 6), (96, 5)])
def test_low_images(build, moved, size):
    """OpenCV itself gives NaN or crashes there."""
    images = [np.ascontiguousarray(np.hstack([m, m])[: size[0], : size[1]]) for m in moved]
    flow = build(dict(type='DISFlowEstimator')).estimate_numpy(*images)
    assert flow.shape == (*size, 2) and np.isfinite(flow).all()


def test_workers_of_a_dataloader_can_take_it(build, moved):
    provider = build(dict(type='DISFlowEstimator', preset='fast'))
    clone = pickle.loads(pickle.dumps(provider))
    np.testing.assert_array_equal(clone.estimate_numpy(*moved), provider.estimate_numpy(*moved))


def test_unknown_preset(build):
    with pytest.raises(ValueError, match="preset='slow'.*medium"):
        build(dict(type='DISFlowEstimator', preset='slow'))
