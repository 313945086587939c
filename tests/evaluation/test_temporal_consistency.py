"""TC and consistency by hand, against public numbers, and on MiniDrive's exact labels and flow."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, METRICS
from mmseg.structures import SegDataSample

from mmdavss.evaluation.temporal_consistency import TemporalConsistencyMetric, warped_areas
from mmdavss.flow import CachedFlow, ZeroFlow, write_flow
from mmdavss.minidrive.generate import Settings, generate, make_world
from tests.evaluation.two_processes import in_two_processes

GOLDEN = Path(__file__).parents[1] / 'data/golden/metric_flow_consistency.npz'
SIZE = (256, 128)


def sample(sequence, number, prediction, path='none.png'):
    return SegDataSample(
        metainfo=dict(seq_name=sequence, frame_number=number, img_path=str(path)),
        pred_sem_seg=PixelData(data=torch.as_tensor(prediction)[None].long()),
    )


def evaluate(samples, classes='ab', **kwargs):
    evaluator = Evaluator(
        METRICS.build(dict(type='TemporalConsistencyMetric', **{'flow': None, **kwargs}))
    )
    evaluator.dataset_meta = dict(classes=tuple(classes))
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


def test_data_without_names_of_classes():
    frames = [sample('s', n, FIRST) for n in range(2)]
    with pytest.raises(ValueError, match=r'names no classes: set its metainfo=dict\(classes=\['):
        evaluate(frames, classes='')


@pytest.fixture
def video(tmp_path):
    """``video([P0, P1, ..], flows)``: samples of a clip and the config of its flow.

    ``flows[i, j]`` is the constant flow (u, v) from frame i to frame j.
    """

    def make(predictions, flows, sequence='s'):
        folder = tmp_path / sequence
        folder.mkdir(exist_ok=True)
        shape = np.shape(predictions[0])
        samples = []
        for i, prediction in enumerate(predictions):
            cv2.imwrite(str(folder / f'{i}.png'), np.zeros((*shape, 3), np.uint8))
            samples.append(sample(sequence, i, prediction, folder / f'{i}.png'))
        for (i, j), flow in flows.items():
            write_flow(
                tmp_path / f'flow/{sequence}/{i}__{j}.npy',
                np.broadcast_to(np.float32(flow), (*shape, 2)),
            )
        return samples, dict(
            type='PrecomputedFlow', root=str(tmp_path / 'flow'), frame_root=str(tmp_path)
        )

    return make


FIRST = [[0, 1, 0, 0], [0, 0, 0, 1]]
#: The columns of FIRST one further right, but for one pixel.
SECOND = [[0, 0, 1, 0], [1, 0, 0, 0]]


def test_by_hand(video):
    samples, flow = video([FIRST, SECOND], {(0, 1): (1, 0)})
    # The last column looks outside. Inside class 0 is 5 pixels of both, class 1 is 1: all equal.
    result = evaluate(samples, flow=flow)
    assert result == {'TC.PrecomputedFlow': 100, 'consistency': 50}
    changed, flow = video([FIRST, [[0, 0, 1, 0], [1, 0, 1, 0]]], {(0, 1): (1, 0)})
    # Row 2 reads 0 1 0 in place of 0 0 0: class 0 has 4 of 5, class 1 has 1 of 2.
    result = evaluate(changed, flow=flow, flow_name='mine', per_class=True)
    assert result == {'TC.mine': 65, 'TC.mine.a': 80, 'TC.mine.b': 50, 'consistency': 37.5}
    assert evaluate(changed, flow=flow, subset=['b'])['TC.PrecomputedFlow'] == 50


def test_the_name_is_that_of_the_provider(tmp_path):
    """Of the one inside, if its flow is cached, whether a type is a name or a class."""
    cached = dict(type='CachedFlow', cache_dir=str(tmp_path))
    for flow in (
        dict(type=ZeroFlow),
        dict(type='mmseg.ZeroFlow'),
        dict(cached, provider=dict(type='ZeroFlow')),
        dict(cached, type=CachedFlow, provider=dict(type=ZeroFlow)),
    ):
        metric = METRICS.build(dict(type='TemporalConsistencyMetric', flow=flow))
        assert metric.flow_name == 'ZeroFlow'
    named = METRICS.build(dict(type='TemporalConsistencyMetric', flow=flow, flow_name='mine'))
    assert named.flow_name == 'mine'


def test_sums_over_all_pairs_and_sequences(video):
    """Areas are summed before the division; consistency is the mean over the pairs."""
    one, _ = video([[[0, 0, 0, 1]], [[0, 0, 1, 1]]], {(0, 1): (0, 0)}, 'one')
    two, flow = video(
        [[[1, 1, 1, 1]], [[1, 1, 1, 1]], [[1, 1, 1, 0]]], {(0, 1): (0, 0), (1, 2): (0, 0)}, 'two'
    )
    result = evaluate([*one, *two], flow=flow, per_class=True)
    assert result['TC.PrecomputedFlow.a'] == pytest.approx(100 * 2 / 4)
    assert result['TC.PrecomputedFlow.b'] == pytest.approx(100 * 8 / 10)
    assert result['consistency'] == pytest.approx(100 * (3 / 4 + 1 + 3 / 4) / 3, abs=0.005)


def test_direction(video):
    """Backward, frame 0 is brought to frame 1, by the flow 1 -> 0."""
    samples, flow = video([FIRST, SECOND], {(1, 0): (-1, 0)})
    # Inside are the columns 1 to 3 of frame 1, which are columns 0 to 2 of frame 0.
    assert evaluate(samples, flow=flow, direction='backward')['TC.PrecomputedFlow'] == 100
    with pytest.raises(FileNotFoundError, match='0__1.npy'):
        evaluate(samples, flow=flow)


def test_constant_prediction_and_absent_class(video):
    samples, flow = video([np.ones((4, 6))] * 3, {(0, 1): (1.3, 2), (1, 2): (-0.4, 0.7)})
    result = evaluate(samples, 'abc', flow=flow, per_class=True)
    assert result['TC.PrecomputedFlow'] == result['consistency'] == 100
    assert np.isnan([result['TC.PrecomputedFlow.a'], result['TC.PrecomputedFlow.c']]).all()
    assert np.isnan(evaluate(samples, 'abc', flow=flow, subset=['c'])['TC.PrecomputedFlow'])


def test_etc_mode(video):
    """Ids are interpolated (0 and 13 give 6), the border is read, an absent class counts 0."""
    zero_and_13 = [[0, 0, 13, 13]]
    samples, flow = video([zero_and_13] * 2, {(0, 1): (0.5, 0)})
    classes = [chr(ord('a') + i) for i in range(19)]
    # Warped: 0 6 13 13. Class 0 has 1 of 2, class 13 2 of 2, the others nothing.
    result = evaluate(samples, classes, flow=flow, mode='etc', per_class=True)
    assert result['TC.PrecomputedFlow.a'] == 50 and result['TC.PrecomputedFlow.n'] == 100
    assert result['TC.PrecomputedFlow.g'] == 0  # class 6 is there, and wrong
    assert result['TC.PrecomputedFlow'] == pytest.approx(150 / 19, abs=0.005)
    # Nearest: half goes to the even position, 0 13 13 (the last one is outside).
    ours = evaluate(samples, classes, flow=flow, per_class=True)
    assert ours['TC.PrecomputedFlow.a'] == 50 and np.isnan(ours['TC.PrecomputedFlow.g'])
    # Interpolation between equal ids keeps them, whatever the weights are.
    generator = torch.Generator().manual_seed(0)
    for value in range(19):
        same = torch.full((40, 50), value, dtype=torch.uint8)
        areas, _ = warped_areas(
            same, same, 9 * torch.randn(2, 40, 50, generator=generator), 19, 'etc'
        )
        assert areas[0, value] == 2000


def test_public_numbers():
    """Counts of UnifiedVideoDA's warped IoU (tests/data/golden/metric_flow_consistency.npz).

    It cuts positions to integers where ours are rounded, so the flow is cut here. Pixels that it
    leaves out (outside, zero flow, lower image, meeting points) are not visible.
    """
    golden = np.load(GOLDEN)
    flow = torch.from_numpy(golden['flow_tk_to_t']).permute(2, 0, 1)
    height, width = flow.shape[-2:]
    grid = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing='xy'))
    flow = torch.trunc(grid + flow) - grid
    visible = torch.from_numpy(golden['pred_t_warped'][..., 0] != 255)
    first, second = (torch.from_numpy(golden[key][..., 0]).byte() for key in ('pred_tk', 'pred_t'))
    count = len(golden['flow_prop_union'])
    (intersection, one, two), compared = warped_areas(first, second, flow, count, visible=visible)
    np.testing.assert_array_equal(intersection, golden['flow_prop_intersect'])
    np.testing.assert_array_equal(one, golden['flow_prop_label_area'])
    np.testing.assert_array_equal(two, golden['flow_prop_pred_area'])
    np.testing.assert_array_equal(one + two - intersection, golden['flow_prop_union'])
    assert compared == visible.sum()


def test_occlusion(video, tmp_path):
    samples, flow = video([FIRST, [[0, 0, 1, 0], [1, 0, 1, 0]]], {(0, 1): (1, 0), (1, 0): (-1, 0)})
    with pytest.raises(ValueError, match=r'0__1_visible\.png next to .*make_minidrive'):
        evaluate(samples, flow=flow, occlusion='exact')
    mask = np.full((2, 4), 255, np.uint8)
    mask[1, 1] = 0  # the one pixel that changed
    cv2.imwrite(str(tmp_path / 'flow/s/0__1_visible.png'), mask)
    assert evaluate(samples, flow=flow, occlusion='exact')['TC.PrecomputedFlow'] == 100
    # The flows are each other's inverse: nothing but the outside is left out.
    assert evaluate(samples, flow=flow, occlusion='forward_backward') == evaluate(
        samples, flow=flow
    )
    # They are not: nothing is left.
    samples, flow = video([FIRST, SECOND], {(0, 1): (1, 0), (1, 0): (1, 0)})
    assert np.isnan(
        evaluate(samples, flow=flow, occlusion='forward_backward')['TC.PrecomputedFlow']
    )


def test_which_frames_are_neighbours(caplog):
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    # Across the gap from 2 to 4 and between sequences the prediction changes, which does not count.
    samples = [
        sample('s', 1, zero),
        sample('s', 2, zero),
        sample('s', 4, one),
        sample('s', 5, one),
        sample('t', 6, zero),
        sample('u', 7, one),
    ]
    assert evaluate(samples) == {'consistency': 100}
    assert evaluate(samples[::-1]) == {'consistency': 100}
    # 2 and 4 alone.
    assert evaluate(samples, frame_distance=2) == {'consistency': 0}
    with pytest.raises(ValueError, match="none of the 6 frames.*frames='all'"):
        evaluate(samples, frame_distance=7)


def test_videos_of_one_name():
    """Two data sets that are tested together: the second, which flickers, does not vanish."""
    one, two = (
        [sample('.', n, [[n * flicker % 2]], f'{folder}/{n}.png') for n in range(3)]
        for flicker, folder in enumerate('xy')
    )
    assert evaluate([*one, one[0]]) == {'consistency': 100}
    with pytest.raises(
        ValueError, match=r'x/0.png and y/0.png would both be the frame 0 of \.: give'
    ):
        evaluate([*one, *two])


def test_frames_are_freed(video):
    samples, flow = video([FIRST] * 5, {(i, i + 1): (0, 0) for i in range(4)})
    metric = TemporalConsistencyMetric(flow)
    metric.dataset_meta = dict(classes=('a', 'b'))
    metric.process({}, [one.to_dict() for one in samples])
    assert [frame.pixels is not None for frame in metric.results] == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert metric.evaluate(5) == {'TC.PrecomputedFlow': 100, 'consistency': 100}


def test_two_processes(video, tmp_path):
    rng = np.random.default_rng(0)
    flows = {(i, i + 1): rng.normal(size=2) for i in range(3)}
    one, _ = video(list(rng.integers(0, 3, (4, 6, 8))), flows, 'one')
    two, flow = video(list(rng.integers(0, 3, (3, 6, 8))), flows, 'two')
    samples = [*one, *two]
    expected = evaluate(samples, 'abc', flow=flow)
    assert 5 < expected['TC.PrecomputedFlow'] < 50
    found = in_two_processes(
        TemporalConsistencyMetric(flow), dict(classes=('a', 'b', 'c')), samples, tmp_path
    )
    assert found == [expected] * 2
    # Any order in one process, too.
    assert evaluate([samples[i] for i in rng.permutation(7)], 'abc', flow=flow) == expected


@pytest.fixture(scope='module')
def minidrive(tmp_path_factory):
    """Four frames with exact flow and occlusion: folder, data set, labels."""
    root = tmp_path_factory.mktemp('minidrive')
    settings = Settings(
        size=SIZE,
        viper=0,
        viper_val=0,
        synthia=0,
        cityscapes=0,
        cityscapes_val=0,
        gta=0,
        synthia_rand=0,
        cityscapes_vps=0,
        cityscapes_vps_val=1,
        clip_frames=(18, 21),
        flow=True,
    )
    generate(root, settings, progress=False)
    root = root / 'cityscapes_vps'
    dataset = DATASETS.build(
        dict(
            type='CityscapesVPSDataset',
            data_root=str(root),
            split='val',
            frames='all',
            with_labels=False,
            clip_length=1,
        )
    )
    world = make_world(settings, 'cityscapes_vps', 'val', 0)
    labels = {n: world.labels(world.hits(n, SIZE)[0]).reshape(SIZE[::-1]) for n in range(18, 22)}
    return root, dataset, labels


@pytest.fixture
def exact_tc(minidrive):
    """``exact_tc(order)``: result with the labels as predictions, in some order of the frames."""
    root, dataset, labels = minidrive
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]

    def compute(order=(18, 19, 20, 21), **kwargs):
        flow = dict(
            type='PrecomputedFlow',
            root=str(root / 'flow'),
            frame_root=str(root),
            template='{folder}/{stem}__{stem_b}.flo',
        )
        kwargs = {'flow': flow, 'flow_name': 'exact', 'direction': 'backward', **kwargs}
        samples = [
            sample(info['seq_name'], info['frame_number'], labels[n], info['img_path'])
            for info, n in zip(infos, order, strict=True)
        ]
        return evaluate(samples, [f'{i}' for i in range(21)], **kwargs)

    return compute


@pytest.mark.slow
def test_exact_labels_and_flow(exact_tc):
    """Labels without an error are below 100: thin things are rounded to whole pixels."""
    visible = exact_tc(occlusion='exact')['TC.exact']
    everywhere = exact_tc()['TC.exact']
    shuffled = exact_tc((20, 18, 21, 19), occlusion='exact')['TC.exact']
    still = exact_tc(flow=dict(type='ZeroFlow'), flow_name='zero')['TC.zero']
    # Measured: 85.4, 78.7, 56.4, 70.3.
    assert visible > 85
    assert everywhere < visible - 3
    assert shuffled < visible - 25
    assert still < everywhere - 5


@pytest.mark.slow
def test_exact_labels_away_from_outlines(minidrive):
    """Where the four pixels around a position have one class it is the right one, almost always."""
    root, dataset, labels = minidrive
    paths = [Path(dataset.get_data_info(i)['img_path']) for i in range(2)]
    file = root / 'flow/val/img_all' / f'{paths[1].stem}__{paths[0].stem}.flo'
    flow = torch.tensor(np.fromfile(file, '<f4')[3:].reshape(*SIZE[::-1], 2)).permute(2, 0, 1)
    visible = cv2.imread(str(file.with_name(f'{file.stem}_visible.png')), 0) == 255
    old, new = (labels[n].astype(np.uint8) for n in (18, 19))
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.dilate(old, kernel) == cv2.erode(old, kernel)
    rows, columns = np.indices(new.shape)
    at = [
        np.clip(np.rint(place + move.numpy()), 0, size - 1).astype(int)
        for place, move, size in ((rows, flow[1], SIZE[1]), (columns, flow[0], SIZE[0]))
    ]
    mask = torch.from_numpy(visible & inner[tuple(at)])
    areas, compared = warped_areas(
        torch.from_numpy(new), torch.from_numpy(old), flow, 21, visible=mask
    )
    assert compared > 0.7 * new.size
    assert areas[0].sum() / compared > 0.998  # measured: 0.9991, of 75 % of the pixels


def test_estimated_flow(exact_tc):
    """DIS sees the image files: above no flow at all, at half the size too."""
    dis = dict(type='DISFlowEstimator')
    still = exact_tc(flow=dict(type='ZeroFlow'), flow_name='f')['TC.f']
    for kwargs in (dict(direction='forward'), dict(direction='backward'), dict(scale=0.5)):
        assert exact_tc(flow=dis, flow_name='f', **kwargs)['TC.f'] > still + 3


def test_errors(tmp_path):
    for kwargs, message in (
        (dict(mode='linear'), 'mode'),
        (dict(direction='up'), 'direction'),
        (dict(occlusion='all'), 'occlusion'),
        (dict(scale=0), 'scale'),
        (dict(frame_distance=0), 'frame_distance'),
        (dict(occlusion='exact'), 'PrecomputedFlow'),
    ):
        with pytest.raises(ValueError, match=message):
            TemporalConsistencyMetric(dict(type='ZeroFlow'), **kwargs)
    one_name = dict(type='PrecomputedFlow', root=str(tmp_path), template='{stem}.npy')
    TemporalConsistencyMetric(one_name, direction='backward')
    for flow in (one_name, dict(type='CachedFlow', cache_dir=str(tmp_path), provider=one_name)):
        with pytest.raises(ValueError, match='needs files for both directions'):
            TemporalConsistencyMetric(flow, direction='backward', occlusion='forward_backward')
    frames = [sample('s', i, np.zeros((2, 2))) for i in range(2)]
    with pytest.raises(ValueError, match='tram'):
        evaluate(frames, subset=['a', 'tram'])
    with pytest.raises(ValueError, match='differ in size'):
        evaluate([frames[0], sample('s', 1, np.zeros((2, 3)))])
    with pytest.raises(ValueError, match='no frame_number and img_path.*PackClipInputs'):
        TemporalConsistencyMetric(None).process({}, [dict(seq_name='s')])
