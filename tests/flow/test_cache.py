"""The cache asks its provider once for each pair of frames."""

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmdavss.flow import BaseFlowProvider, write_flow


class CountingFlow(BaseFlowProvider):
    """Flow = means of the frames; counts the frames it sees."""

    seen = 0

    def __init__(self, scale=1.0, checkpoint=None, config=None):
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

    def make(limit=None, **options):
        return build(
            dict(
                type='CachedFlow',
                cache_dir=str(tmp_path / 'cache'),
                limit=limit,
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


def test_files_that_options_name(tmp_path, cached, images):
    """At any depth; their content decides, not only their name."""
    config = tmp_path / 'config.py'
    for content in ('1', '22'):
        config.write_text(content)
        for _ in range(2):
            cached(config=dict(parts=[str(config)])).estimate_numpy(*images[:2])
    assert CountingFlow.seen == 2


def test_flow_from_files_is_not_kept_again(tmp_path, build):
    paths = [str(tmp_path / f'{k}.png') for k in (2, 1)]
    provider = dict(type='PrecomputedFlow', root=str(tmp_path), template='{stem}.npy')
    flow = build(dict(type='CachedFlow', provider=provider, cache_dir=str(tmp_path / 'cache')))
    same = np.zeros((2, 5, 6, 3), np.uint8)
    for value in (1.5, 2.5):
        write_flow(tmp_path / '2.npy', np.full((5, 6, 2), value, np.float32))
        assert (flow.estimate_numpy(*same, *paths) == value).all()
        assert (flow(*to_frames(same)[:, None], [paths]) == value).all()
    assert not (tmp_path / 'cache').exists()


def test_an_own_provider_that_reads_files(tmp_path, cached, images, monkeypatch):
    monkeypatch.setattr(CountingFlow, 'reads_files', True)
    for seen in (1, 2):
        cached().estimate_numpy(*images[:2], 'a.png', 'b.png')
        assert CountingFlow.seen == seen
    assert not (tmp_path / 'cache').exists()


def test_a_limit(tmp_path, cached):
    """A file has 128 bytes of header and 5 x 6 x 2 x 2 of flow."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(256, size=(12, 2, 5, 6, 3), dtype=np.uint8)
    limited = cached(limit=1000 / 2**30)
    first = [limited.estimate_numpy(*pair) for pair in pairs]
    sizes = [path.stat().st_size for path in (tmp_path / 'cache').rglob('*.npy')]
    assert len(sizes) == 4 and 1000 - 248 < sum(sizes) <= 1000
    # What is not stored has the same values, by frames and by tensors.
    assert CountingFlow.seen == 12
    np.testing.assert_array_equal([limited.estimate_numpy(*pair) for pair in pairs], first)
    assert CountingFlow.seen == 20
    tensors = cached(limit=1000 / 2**30)(to_frames(pairs[:, 0]), to_frames(pairs[:, 1]))
    np.testing.assert_array_equal(tensors.permute(0, 2, 3, 1), first)
    unlimited = cached()
    np.testing.assert_array_equal([unlimited.estimate_numpy(*pair) for pair in pairs], first)
    assert len(list((tmp_path / 'cache').rglob('*.npy'))) == 12
    with pytest.raises(ValueError, match='limit=0'):
        cached(limit=0)


@pytest.mark.parametrize('content', [b'', b'x', None])
def test_a_damaged_file_is_computed_again(tmp_path, cached, images, content):
    """An empty one may be left where the machine stopped."""
    first = cached().estimate_numpy(*images[:2])
    (file,) = (tmp_path / 'cache').rglob('*.npy')
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] if content is None else content)
    np.testing.assert_array_equal(cached().estimate_numpy(*images[:2]), first)
    assert CountingFlow.seen == 2 and file.read_bytes() == whole


def test_a_folder_that_cannot_be_written(tmp_path, cached, images, monkeypatch):
    said = []
    monkeypatch.setattr('mmdavss.flow.cache.print_log', lambda text, *_: said.append(text))
    (tmp_path / 'cache').write_text('a file')
    flow = cached()
    for _ in range(2):
        assert flow.estimate_numpy(*images[:2]).shape == (5, 6, 2)
    assert CountingFlow.seen == 2
    assert len(said) == 1 and 'computed each time' in said[0]
