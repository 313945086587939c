"""The cache asks its provider once for each pair of frames."""

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.flow import BaseFlowProvider


class CountingFlow(BaseFlowProvider):
    """Flow = means of the frames; counts the frames it sees."""

    seen = 0

    def __init__(self, scale=1.0, checkpoint=None):
        super().__init__()
        self.scale = scale

    def _estimate(self, frame_a, frame_b, paths):
        type(self).seen += len(frame_a)
        means = torch.stack([frame_a.mean((1, 2, 3)), frame_b.mean((1, 2, 3))], dim=1)
        return self.scale * means[:, :, None, None].expand(-1, -1, *frame_a.shape[-2:])


@pytest.fixture
def cached(tmp_path, build):
    MODELS.register_module(module=CountingFlow, force=True)
    CountingFlow.seen = 0

    def make(**options):
        return build(
            dict(
                type='CachedFlow',
                cache_dir=str(tmp_path / 'cache'),
                provider=dict(type='CountingFlow', **options),
            )
        )

    yield make
    MODELS._module_dict.pop('CountingFlow')


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(256, size=(3, 5, 6, 3), dtype=np.uint8)


def to_frames(images):
    return torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2) / 255


def test_computes_once(cached, images):
    first = cached().estimate_numpy(images[0], images[1])
    assert CountingFlow.seen == 1 and first.dtype == np.float32
    np.testing.assert_allclose(first[2, 3], [i.mean() / 255 for i in images[:2]], rtol=1e-3)
    np.testing.assert_array_equal(cached().estimate_numpy(images[0], images[1]), first)
    assert CountingFlow.seen == 1
    # Tensors of the same images find the same file; only the new pair is computed.
    frames = to_frames(images)
    flow = cached()(frames[:2], frames[1:])
    assert CountingFlow.seen == 2 and flow.shape == (2, 2, 5, 6)
    np.testing.assert_array_equal(flow[0].permute(1, 2, 0), first)
    assert torch.equal(cached()(frames[:2], frames[1:]), flow)
    assert CountingFlow.seen == 2


def test_anything_else_is_another_file(tmp_path, cached, images):
    a, b = images[:2]
    changed = a.copy()
    changed[0, 0, 0] ^= 1
    weights = tmp_path / 'weights.pth'
    weights.write_bytes(b'1')
    cached().estimate_numpy(a, b)
    cached().estimate_numpy(b, a)
    cached().estimate_numpy(changed, b)
    cached().estimate_numpy(a.reshape(6, 5, 3), b.reshape(6, 5, 3))
    cached(scale=2.0).estimate_numpy(a, b)
    cached(checkpoint=str(weights)).estimate_numpy(a, b)
    weights.write_bytes(b'22')
    cached(checkpoint=str(weights)).estimate_numpy(a, b)
    assert CountingFlow.seen == 7
    assert len(list((tmp_path / 'cache').rglob('*.npy'))) == 7
