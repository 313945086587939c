import copy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdavss.datasets.label_folder import write_manifest
from mmdavss.datasets.transforms import (
    ClassMiningCrop,
    ClipCrop,
    ClipFlip,
    ClipPad,
    ClipResize,
)


def test_the_fixture_itself(clip, agree):
    assert agree(clip) == 1


def test_resize_scales_u_and_v(clip):
    clip['imgs_aug'] = list(clip['imgs'])
    results = ClipResize(scale=(12, 32))(clip)
    for key in ('imgs', 'imgs_aug'):
        assert [img.shape for img in results[key]] == [(32, 12, 3)] * 2
    assert results['flows'][0].dtype == np.float32
    # u = -2 at half the width, v = 1 at twice the height.
    np.testing.assert_allclose(results['flows'][0], np.tile([-1.0, 2.0], (32, 12, 1)), atol=1e-6)
    assert results['img_shape'] == (32, 12) and results['scale_factor'] == (0.5, 2.0)
    assert results['ori_shape'] == (16, 24)


def test_resize_of_flow_and_frames_agree(clip, agree):
    for key in ('imgs', 'flows'):  # pixels in blocks of 2 x 2
        clip[key] = [a.repeat(2, 0).repeat(2, 1) for a in clip[key]]
    clip['flows'][0] *= 2
    assert agree(clip) == 1
    results = ClipResize(scale=(24, 16))(clip)
    np.testing.assert_allclose(results['flows'][0], np.tile([-2.0, 1.0], (16, 24, 1)), atol=1e-6)
    assert agree(results) == 1


def test_resize_interpolates_flow_between_pixel_centres(clip):
    clip['flows'] = [np.array([[[0, 0], [4, 8]]], np.float32)]
    clip['imgs'] = [np.zeros((1, 2, 3), np.uint8)] * 2
    clip['seg_fields'] = []
    flow = ClipResize(scale=(4, 1))(clip)['flows'][0]
    # Centres of 4 pixels over 2: -0.25, 0.25, 0.75, 1.25, held at the border; u doubles.
    np.testing.assert_allclose(flow[0], [[0, 0], [2, 2], [6, 6], [8, 8]], atol=1e-6)


def test_resize_of_labels_is_nearest(clip):
    expected = clip['gt_seg_map'].repeat(2, 0).repeat(3, 1)
    results = ClipResize(scale=(72, 32))(clip)
    np.testing.assert_array_equal(results['gt_seg_map'], expected)
    assert results['gt_seg_map'].dtype == np.uint8


AS_RELEASED = dict(interpolation='bicubic', backend='pillow')


def keys(x):
    """Keys' cubic with a = -0.5, which Pillow calls bicubic."""
    x = np.abs(x)
    return np.where(
        x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0)
    )


def antialiased(image, size):
    """Bicubic whose filter is as wide as the pixels that become one, rounded after each axis."""
    for axis, new in ((1, size[0]), (0, size[1])):
        old = image.shape[axis]
        ratio = old / new
        centre = (np.arange(new)[:, None] + 0.5) * ratio
        weights = keys((np.arange(old)[None] + 0.5 - centre) / max(ratio, 1))
        weights /= weights.sum(1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
        image = image.round().clip(0, 255)
    return image


@pytest.mark.parametrize('size', [(12, 8), (15, 11), (16, 9), (48, 32), (30, 21)])
def test_resize_of_the_releases(clip, size):
    """Frames as Pillow's BICUBIC, labels as its NEAREST; the flow as ever."""
    before, bilinear = copy.deepcopy(clip), ClipResize(scale=size)(copy.deepcopy(clip))
    clip['imgs_aug'] = list(clip['imgs'])
    results = ClipResize(scale=size, **AS_RELEASED)(clip)
    for key in ('imgs', 'imgs_aug'):
        for frame, image in zip(results[key], before['imgs'], strict=True):
            assert frame.dtype == np.uint8 and frame.shape == (*size[::-1], 3)
            np.testing.assert_array_equal(
                frame, np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
            )
            # Pillow computes with 8 bits after the point.
            assert np.abs(frame - antialiased(image.astype(float), size)).max() <= 1
    np.testing.assert_array_equal(
        results['gt_seg_map'],
        np.asarray(Image.fromarray(before['gt_seg_map']).resize(size, Image.Resampling.NEAREST)),
    )
    np.testing.assert_array_equal(results['flows'][0], bilinear['flows'][0])
    for key in ('img_shape', 'scale', 'scale_factor', 'keep_ratio'):
        assert results[key] == bilinear[key]


@pytest.mark.parametrize('size', [(16, 8), (12, 8), (48, 32)])
def test_resize_of_the_releases_takes_the_middle_label(clip, size):
    """Source pixel floor((x + 0.5) * ratio); OpenCV's is floor(x * ratio)."""
    before = clip['gt_seg_map'].copy()
    rows, columns = (
        np.floor((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size[::-1], before.shape, strict=True)
    )
    other = ClipResize(scale=size)(copy.deepcopy(clip))['gt_seg_map']
    clip['gt_track_map'] = 300 + before.astype(np.uint16)
    clip['seg_fields'].append('gt_track_map')
    results = ClipResize(scale=size, **AS_RELEASED)(clip)
    label, tracks = results['gt_seg_map'], results['gt_track_map']
    np.testing.assert_array_equal(label, before[rows][:, columns])
    np.testing.assert_array_equal(tracks, 300 + label.astype(int))
    assert tracks.dtype == np.uint16
    assert label.dtype == np.uint8 and ((label != other).any() or size == (48, 32))


def test_resize_of_the_releases_does_not_alias():
    """Stripes of one pixel, a third as large: grey, where OpenCV's bilinear keeps stripes."""
    stripes = np.zeros((24, 48, 3), np.uint8)
    stripes[:, ::2] = 200
    clip = dict(imgs=[stripes], seg_fields=[])
    assert np.ptp(ClipResize(scale=(16, 8))(dict(clip))['imgs'][0]) == 200
    inner = ClipResize(scale=(16, 8), **AS_RELEASED)(clip)['imgs'][0][:, 2:-2].astype(int)
    assert np.abs(inner - 100).max() < 20


def test_resize_of_the_releases_agrees_with_its_flow(clip, agree):
    for key in ('imgs', 'flows'):  # pixels in blocks of 3 x 3
        clip[key] = [a.repeat(3, 0).repeat(3, 1) for a in clip[key]]
    clip['flows'][0] *= 3
    results = ClipResize(scale=(24, 16), **AS_RELEASED)(clip)
    np.testing.assert_allclose(results['flows'][0], np.tile([-2.0, 1.0], (16, 24, 1)), atol=1e-6)
    # The bicubic filter reaches over the border, where the neighbours of the frames differ.
    inner = dict(
        imgs=[img[3:-3, 3:-3] for img in results['imgs']], flows=[results['flows'][0][3:-3, 3:-3]]
    )
    assert agree(inner) == 1


def test_resize_keeps_a_label_that_is_loaded_later(clip):
    del clip['gt_seg_map']
    clip['seg_fields'] = []
    assert ClipResize(scale=(12, 8))(clip)['img_shape'] == (8, 12)


def test_resize_keep_ratio(clip):
    results = ClipResize(scale=(48, 24), keep_ratio=True)(clip)
    assert results['img_shape'] == (24, 36)
    np.testing.assert_allclose(results['flows'][0][5, 5], [-3, 1.5], atol=1e-6)


def test_resize_random_ratio(clip):
    np.random.seed(0)
    sizes = {
        ClipResize(scale=(24, 16), ratio_range=(0.5, 2.0))(copy.deepcopy(clip))['img_shape']
        for _ in range(20)
    }
    assert len(sizes) > 10
    assert all(8 <= h <= 32 and 12 <= w <= 48 for h, w in sizes)


def test_flip_negates_u(clip, agree):
    before = copy.deepcopy(clip)
    results = ClipFlip(prob=1.0)(clip)
    assert results['flip'] is True and results['flip_direction'] == 'horizontal'
    np.testing.assert_array_equal(results['flows'][0], np.tile([2.0, 1.0], (16, 24, 1)))
    for after, img in zip(results['imgs'], before['imgs'], strict=True):
        np.testing.assert_array_equal(after, img[:, ::-1])
    np.testing.assert_array_equal(results['gt_seg_map'], before['gt_seg_map'][:, ::-1])
    assert agree(results) == 1


def test_flip_moves_flow_along(clip):
    clip['flows'][0][3, 1] = 5, 7
    flow = ClipFlip(prob=1.0)(clip)['flows'][0]
    np.testing.assert_array_equal(flow[3, 22], [-5, 7])


def test_forward_flow_is_flow(clip):
    """Whatever is done to the flow is done to the flow forward in time."""
    clip['forward_flows'] = [flow + 7 * (flow > 0) for flow in clip['flows']]
    as_flow = dict(copy.deepcopy(clip), flows=copy.deepcopy(clip['forward_flows']))
    for transform in (
        ClipResize(scale=(48, 8)),
        ClipCrop(crop_size=(6, 20), mode='bottom'),
        ClipFlip(prob=1.0),
    ):
        clip, as_flow = transform(clip), transform(as_flow)
    np.testing.assert_array_equal(clip['forward_flows'][0], as_flow['flows'][0])


def test_no_flip(clip):
    before = copy.deepcopy(clip)
    results = ClipFlip(prob=0.0)(clip)
    assert results['flip'] is False and results['flip_direction'] is None
    np.testing.assert_array_equal(results['flows'][0], before['flows'][0])
    np.testing.assert_array_equal(results['imgs'][0], before['imgs'][0])


def test_random_crop_is_shared_and_keeps_flow(clip, agree):
    np.random.seed(0)
    clip['imgs_aug'] = [img.copy() for img in clip['imgs']]
    before = copy.deepcopy(clip)
    boxes = set()
    for _ in range(10):
        results = ClipCrop(crop_size=(8, 12))(copy.deepcopy(before))
        y1, y2, x1, x2 = results['crop_bbox']
        boxes.add((y1, x1))
        for key in ('imgs', 'imgs_aug', 'flows'):
            for after, array in zip(results[key], before[key], strict=True):
                np.testing.assert_array_equal(after, array[y1:y2, x1:x2])
        np.testing.assert_array_equal(results['gt_seg_map'], before['gt_seg_map'][y1:y2, x1:x2])
        assert results['img_shape'] == (8, 12)
        assert agree(results) == 1
    assert len(boxes) > 5


@pytest.mark.parametrize(
    'mode, box', [('top', (0, 8, 6, 18)), ('center', (4, 12, 6, 18)), ('bottom', (8, 16, 6, 18))]
)
@pytest.mark.parametrize('size', [(8, 12), (0.5, 0.5), (8, 0.5)])
def test_fixed_crop(clip, mode, box, size):
    assert ClipCrop(crop_size=size, mode=mode)(clip)['crop_bbox'] == box


def test_crop_with_cat_max_ratio(clip):
    np.random.seed(0)
    label = np.zeros((16, 24), np.uint8)
    label[:, 12:] = 1
    clip['gt_seg_map'] = label
    crop = ClipCrop(crop_size=(8, 8), cat_max_ratio=0.75)
    shares = []
    for _ in range(20):
        cut = crop(copy.deepcopy(clip))['gt_seg_map']
        shares.append(max((cut == 0).mean(), (cut == 1).mean()))
    # Of 17 places 3 are within 0.75; ten tries find one in 86 % of the draws.
    assert np.mean(np.array(shares) < 0.75) > 0.6
    del clip['gt_seg_map']
    clip['seg_fields'] = []
    with pytest.raises(ValueError, match='cat_max_ratio=0.75 needs a label, but a/2.png'):
        crop(clip)


def test_crop_keeps_the_rare_class_in_view(clip):
    np.random.seed(0)
    label = np.zeros((16, 24), np.uint8)
    label[:4, :4] = 3
    clip['gt_seg_map'] = label

    def counts(crop, **extra):
        cuts = [crop(dict(copy.deepcopy(clip), **extra))['gt_seg_map'] for _ in range(40)]
        return np.array([(cut == 3).sum() for cut in cuts])

    crop = ClipCrop(crop_size=(8, 12), rare_class_min_pixels=3)
    # 11 of the 9 * 13 places have more than 3 of the 16 pixels: one draw hits them in 9 % of the
    # cases, eleven draws in 66 %.
    assert (counts(crop, rare_class=3) > 3).mean() > 0.4
    assert (counts(crop) > 3).mean() < 0.3
    assert (counts(ClipCrop(crop_size=(8, 12)), rare_class=3) > 3).mean() < 0.3
    # The last draw is taken where none is good enough.
    assert counts(crop, rare_class=7).shape == (40,)
    del clip['gt_seg_map']
    clip['seg_fields'] = []
    with pytest.raises(ValueError, match='rare_class_min_pixels=3 needs a label, but a/2.png'):
        crop(dict(clip, rare_class=3))
    assert crop(clip)['img_shape'] == (8, 12)


def test_crop_that_is_larger_than_the_frame_takes_it_all(clip):
    assert ClipCrop(crop_size=(100, 100))(clip)['img_shape'] == (16, 24)


@pytest.mark.parametrize(
    'transform', [ClipCrop((4, 4)), ClassMiningCrop((4, 4)), ClipPad((30, 30))], ids=repr
)
def test_a_label_of_another_size_is_not_cut(clip, transform):
    """It was loaded after a resize, and would be cut at the places of the resized frame."""
    clip['imgs'] = [img[:8, :12] for img in clip['imgs']]
    words = (
        rf'{type(transform).__name__}: gt_seg_map of a/2.png .*\(16, 24\).*\(8, 12\).*ClipResize'
    )
    with pytest.raises(ValueError, match=words):
        transform(clip)


def test_bad_options():
    with pytest.raises(ValueError, match="mode='left'"):
        ClipCrop(crop_size=(4, 4), mode='left')
    for size in ((0.8, 1), (1.5, 1.0), (0.0, 1.0)):
        with pytest.raises(ValueError, match='must be numbers of pixels, or shares'):
            ClipCrop(crop_size=size)
    with pytest.raises(ValueError, match='cat_max_ratio=-1'):
        ClipCrop(crop_size=(4, 4), cat_max_ratio=-1)
    for options in (dict(cat_max_ratio=0.75), dict(rare_class_min_pixels=3)):
        with pytest.raises(ValueError, match="mode='top' has one place"):
            ClipCrop(crop_size=(4, 4), mode='top', **options)
    with pytest.raises(ValueError, match='prob=5'):
        ClipFlip(prob=5)
    with pytest.raises(ValueError, match='scale'):
        ClipResize(scale=(0, 4))
    with pytest.raises(ValueError, match="interpolation='area'"):
        ClipResize(scale=(4, 4), interpolation='area')
    with pytest.raises(ValueError, match="backend='PIL'"):
        ClipResize(scale=(4, 4), backend='PIL')


def mining(folder, predicted, **options):
    write_manifest(
        str(folder), dict(finished=True, classes=['a', 'b', 'c'], predicted=list(predicted))
    )
    return ClassMiningCrop((4, 6), str(folder), **options)


def test_mined_classes_of_the_release(tmp_path):
    golden = np.load(Path(__file__).parents[2] / 'data/golden/rivals_cbst_crst_selection.npz')
    counts = golden['predicted_pixels'].tolist()
    write_manifest(
        str(tmp_path),
        dict(finished=True, classes=[*map(str, range(len(counts)))], predicted=counts),
    )
    mined = ClassMiningCrop((4, 6), str(tmp_path)).mined
    assert set(mined) == set(golden['mine_id'])


@pytest.mark.parametrize('pixel', [(0, 0), (8, 12), (15, 23)])
def test_mining_centres_a_rare_pixel(clip, tmp_path, pixel):
    clip['gt_seg_map'] = np.zeros((16, 24), np.uint8)
    clip['gt_seg_map'][pixel] = 2
    crop = mining(tmp_path, [100000, 50, 50], prob=1.0)
    for _ in range(3):  # class 1 is mined too, but is not here
        results = crop(copy.deepcopy(clip))
        top, bottom, left, right = results['crop_bbox']
        assert (bottom - top, right - left) == (4, 6)
        assert results['gt_seg_map'].shape == (4, 6) and (results['gt_seg_map'] == 2).sum() == 1
        middle = min(max(pixel[0] - 2, 0), 12), min(max(pixel[1] - 3, 0), 18)
        assert (top, left) == middle
        assert results['imgs'][0].shape[:2] == (4, 6)


def test_mining_of_the_folder_of_the_data_set(clip, tmp_path):
    """Which differs from round to round."""
    clip['gt_seg_map'] = np.zeros((16, 24), np.uint8)
    clip['gt_seg_map'][8, 12] = 2
    crop = ClassMiningCrop((4, 6), prob=1.0)
    for name, counts in (('round1', [9, 9, 9]), ('round2', [10**6, 9, 9])):
        (tmp_path / name).mkdir()
        mining(tmp_path / name, counts)
        clip['pseudo_labels'] = str(tmp_path / name)
        places = {crop(copy.deepcopy(clip))['crop_bbox'] for _ in range(9)}
        assert (len(places) == 1) == (name == 'round2')
    clip['pseudo_labels'] = None
    with pytest.raises(ValueError, match='ClassMiningCrop: the data set has no pseudo_labels'):
        crop(clip)


def test_mining_is_a_random_crop_otherwise(clip, tmp_path):
    clip['gt_seg_map'] = np.zeros((16, 24), np.uint8)
    clip['gt_seg_map'][0, 0] = 2
    for predicted, prob in (([100, 100, 100], 1.0), ([10**6, 9, 9], 0.0)):
        crop = mining(tmp_path, predicted, prob=prob)
        places = {crop(copy.deepcopy(clip))['crop_bbox'] for _ in range(9)}
        assert len(places) > 2


def test_mining_needs_a_label(clip, tmp_path):
    del clip['gt_seg_map']
    clip['seg_fields'] = []
    with pytest.raises(ValueError, match='ClassMiningCrop: share=0.001 .*a/2.png.*LoadClipAnnot'):
        mining(tmp_path, [9, 9, 9])(clip)


def test_pad_fills_what_is_missing(clip):
    """Frames of 16x24 to 20x24: black, without label, flow 0; what is large enough stays."""
    zero = ('valid_map', 'gt_soft_map', 'gt_track_map')
    clip['valid_map'] = np.ones((16, 24), np.uint8)
    clip['gt_soft_map'] = np.ones((16, 24, 4), np.uint8)
    clip['gt_track_map'] = np.full((16, 24), 300, np.uint16)
    clip['seg_fields'] += zero
    before = copy.deepcopy(clip)
    results = ClipPad((20, 10))(clip)
    assert results['img_shape'] == (20, 24)
    for key, filling in (('imgs', 0), ('flows', 0)):
        for padded, own in zip(results[key], before[key], strict=True):
            assert padded.dtype == own.dtype and padded.shape == (20, *own.shape[1:])
            np.testing.assert_array_equal(padded[:16], own)
            assert (padded[16:] == filling).all()
    for key, filling in (('gt_seg_map', 255), *((key, 0) for key in zero)):
        np.testing.assert_array_equal(results[key][:16], before[key])
        assert results[key].shape[:2] == (20, 24) and (results[key][16:] == filling).all()


def test_what_is_no_whole_frame_is_noted(clip):
    """The first transform that changes what the frame shows; none for crops of all of it."""
    whole = ClipCrop((100, 1.0), mode='top')(ClipPad((16, 10))(copy.deepcopy(clip)))
    assert 'reframed' not in whole
    assert ClipPad((20, 30))(copy.deepcopy(clip))['reframed'] == ('ClipPad', (16, 24))
    results = ClipPad((16, 24))(ClipCrop((0.5, 1.0), mode='top')(clip))
    assert results['reframed'] == ('ClipCrop', (16, 24))


def test_pad_leaves_large_clips(clip):
    before = copy.deepcopy(clip)
    results = ClipPad((16, 10))(clip)
    np.testing.assert_array_equal(results['imgs'], before['imgs'])
