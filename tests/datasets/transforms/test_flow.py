import numpy as np
import pytest
from mmseg.registry import MODELS, TRANSFORMS

from mmdavss.datasets.transforms import ClipCrop, ClipFlip, ClipPad, LoadFlow
from mmdavss.flow import BaseFlowProvider, write_flow


@MODELS.register_module()
class CallCountingFlow(BaseFlowProvider):
    """Flow (1, 2), (2, 4), ...: k times (1, 2) at the k-th call."""

    def __init__(self, shape=None):
        super().__init__()
        self.calls = []
        self.shape = shape

    def _estimate(self, frame_a, frame_b, paths):
        raise NotImplementedError

    def estimate_numpy(self, img_a, img_b, path_a=None, path_b=None):
        self.calls.append((path_a, path_b))
        shape = self.shape or img_a.shape[:2]
        return np.zeros((*shape, 2), np.float32) + np.array([1, 2], np.float32) * len(self.calls)


def frames(texture, count=3):
    world = texture(0, (60, 80))
    return dict(
        imgs=[world[10:50, 10 + 2 * k : 70 + 2 * k].copy() for k in range(count)],
        frame_paths=[f'{k}.png' for k in range(count)],
    )


def test_goes_from_each_frame_to_the_one_before(texture):
    transform = LoadFlow(dict(type='CallCountingFlow'))
    results = transform(frames(texture))
    assert transform.provider.calls == [('1.png', '0.png'), ('2.png', '1.png')]
    assert [flow[0, 0].tolist() for flow in results['flows']] == [[1, 2], [2, 4]]
    assert transform(frames(texture, 1))['flows'] == []


@pytest.mark.parametrize('cached', [False, True])
def test_both_ways_from_files_of_one_frame(cached, tmp_path):
    provider = dict(type='PrecomputedFlow', root=str(tmp_path), template='{stem}.npy')
    options = dict(cache_dir=str(tmp_path / 'cache') if cached else None)
    LoadFlow(provider, **options)
    LoadFlow(dict(provider, template='{stem}_{stem_b}.npy'), both_ways=True, **options)
    with pytest.raises(ValueError, match="template '{stem}.npy' names one frame"):
        LoadFlow(provider, both_ways=True, **options)


def test_both_ways(texture):
    transform = LoadFlow(dict(type='CallCountingFlow'), both_ways=True)
    results = transform(frames(texture))
    assert transform.provider.calls == [
        ('1.png', '0.png'),
        ('2.png', '1.png'),
        ('0.png', '1.png'),
        ('1.png', '2.png'),
    ]
    assert [flow[0, 0].tolist() for flow in results['flows']] == [[1, 2], [2, 4]]
    assert [flow[0, 0].tolist() for flow in results['forward_flows']] == [[3, 6], [4, 8]]


def test_direction_with_a_real_estimator(texture):
    """Frames move 2 px to the right over the world: a pixel of the later one is at +2 before."""
    results = LoadFlow(dict(type='DISFlowEstimator'))(frames(texture, 2))
    inner = results['flows'][0][8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inner, (0, 1)), [2, 0], atol=0.2)


def test_repeated_frame_has_zero_flow(texture):
    data = frames(texture, 2)
    data['frame_paths'][0] = data['frame_paths'][1]
    transform = LoadFlow(dict(type='CallCountingFlow'))
    (flow,) = transform(data)['flows']
    assert transform.provider.calls == []
    assert flow.shape == (40, 60, 2) and flow.dtype == np.float32 and not flow.any()


def test_cache(texture, tmp_path):
    cfg = dict(
        type='LoadFlow', provider=dict(type='CallCountingFlow'), cache_dir=str(tmp_path / 'c')
    )
    data = frames(texture, 2)
    first = TRANSFORMS.build(cfg)(dict(data))['flows'][0]
    again = TRANSFORMS.build(cfg)
    np.testing.assert_array_equal(again(dict(data))['flows'][0], first)
    assert again.provider.provider.calls == []
    data['imgs'][0] = data['imgs'][0][::-1].copy()  # a changed image is never answered from it
    again(dict(data))
    assert len(again.provider.provider.calls) == 1


@pytest.mark.parametrize(
    'earlier', [ClipFlip(prob=0.0), ClipCrop(crop_size=(8, 8)), ClipPad((50, 60))]
)
def test_comes_before_crop_and_flip(texture, earlier):
    results = earlier(frames(texture))
    with pytest.raises(ValueError, match='must come before ClipCrop, ClipFlip and ClipPad'):
        LoadFlow(dict(type='CallCountingFlow'))(results)


def test_flow_of_the_wrong_shape_is_named(texture, tmp_path):
    with pytest.raises(ValueError, match=r'CallCountingFlow.*\(4, 4, 2\).*1.png -> 0.png'):
        LoadFlow(dict(type='CallCountingFlow', shape=(4, 4)))(frames(texture, 2))
    write_flow(tmp_path / '1__0.npy', np.zeros((4, 5, 2), np.float32))
    provider = dict(type='PrecomputedFlow', root=str(tmp_path), template='{stem}__{stem_b}.npy')
    with pytest.raises(ValueError, match='1__0.npy'):
        LoadFlow(provider)(frames(texture, 2))


def test_precomputed(texture, tmp_path):
    flow = np.random.default_rng(0).normal(size=(40, 60, 2)).astype(np.float32)
    write_flow(tmp_path / '1__0.flo', flow)
    provider = dict(type='PrecomputedFlow', root=str(tmp_path), template='{stem}__{stem_b}.flo')
    np.testing.assert_array_equal(LoadFlow(provider)(frames(texture, 2))['flows'][0], flow)
