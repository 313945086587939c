import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import ACDCDataset

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def names(dataset):
    return [dataset.get_data_info(i)['frame_name'] for i in range(len(dataset))]


def test_all_conditions_or_some(acdc):
    dataset = DATASETS.build(dict(type='ACDCDataset', data_root=str(acdc), pipeline=LOAD))
    fog = [f'GOPR0475_frame_0000{n}' for n in (41, 42, 77)] + ['GP010475_frame_000041']
    night = [f'GOPR0351_frame_0000{n}' for n in (41, 92)]
    assert names(dataset) == fog + night
    assert dataset[0]['inputs']['frames'].shape == (1, 3, 12, 20)
    assert names(ACDCDataset(str(acdc), conditions=['night', 'fog'])) == night + fog
    assert names(ACDCDataset(str(acdc), conditions='night')) == night
    assert names(ACDCDataset(str(acdc), sequences=['fog/GP010475'])) == fog[3:]


def test_labels_hold_train_ids(acdc, write):
    dataset = ACDCDataset(str(acdc), 'val', pipeline=LOAD)
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:20]
    np.testing.assert_array_equal(label, [*range(19), 255])
    path = acdc / 'gt/snow/val/GP020604/GP020604_frame_000123_gt_labelTrainIds.png'
    write(path, np.full((12, 20), 26, np.uint8))
    with pytest.raises(ValueError, match=r'labelTrainIds.png.*\[26\].*0 to 18, 255'):
        dataset[0]


def test_test_has_no_labels(acdc):
    with pytest.raises(ValueError, match="labels of split='test' are not public.*with_labels"):
        ACDCDataset(str(acdc), 'test')
    dataset = ACDCDataset(str(acdc), 'test', with_labels=False, pipeline=[LOAD[0], LOAD[2]])
    assert names(dataset) == ['GOPR0572_frame_000145']
    assert 'gt_sem_seg' not in dataset[0]['data_samples']


def test_reference_comes_before_the_image(acdc):
    dataset = ACDCDataset(
        str(acdc), conditions=['fog'], reference_pairs=True, with_labels=False, pipeline=LOAD[::2]
    )
    images = acdc / 'rgb_anon/fog'
    name = 'GOPR0475/GOPR0475_frame_000042_rgb'
    assert dataset.get_data_info(1)['frame_paths'] == [
        str(images / f'train_ref/{name}_ref_anon.png'),
        str(images / f'train/{name}_anon.png'),
    ]
    assert dataset.get_data_info(1)['img_path'] == str(images / f'train/{name}_anon.png')
    item = dataset[1]
    assert item['inputs']['frames'].shape == (2, 3, 12, 20)
    assert item['data_samples'].reference_path == item['data_samples'].frame_paths[0]
    (images / f'train_ref/{name}_ref_anon.png').unlink()
    with pytest.raises(FileNotFoundError, match='000042_rgb_ref_anon.png is missing.*rgb_anon'):
        ACDCDataset(str(acdc), reference_pairs=True)
    assert len(ACDCDataset(str(acdc))) == 6


def test_reference_images_by_themselves(acdc):
    dataset = ACDCDataset(str(acdc), 'train_ref', pipeline=LOAD)
    assert names(dataset) == ['GOPR0475_frame_000041']  # the one that has a label
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy()[0, -1]
    np.testing.assert_array_equal(label, [*range(19), 255])
    assert len(ACDCDataset(str(acdc), 'train_ref', with_labels=False)) == 6


def test_a_clip_is_of_one_recording(acdc):
    dataset = ACDCDataset(str(acdc), clip_length=2)
    numbers = [
        [path.split('_frame_')[1][:6] for path in dataset.get_data_info(i)['frame_paths']]
        for i in range(len(dataset))
    ]
    assert numbers == [
        ['000041', '000041'],
        ['000041', '000042'],
        ['000042', '000077'],
        ['000041', '000041'],
        ['000041', '000041'],
        ['000041', '000092'],
    ]
    assert len(ACDCDataset(str(acdc), clip_length=2, whole_clips=True)) == 3


def test_split_file(acdc):
    (acdc / 'some.txt').write_text(
        'night/train/GOPR0351/GOPR0351_frame_000092\nfog/train/GP010475/GP010475_frame_000041.png\n'
    )
    dataset = ACDCDataset(str(acdc), ann_file='some.txt')
    assert names(dataset) == ['GOPR0351_frame_000092', 'GP010475_frame_000041']


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(conditions=['haze']), "'haze'.*'fog', 'night', 'rain', 'snow'"),
        (dict(conditions=[]), 'at least one'),
        (dict(split='trian'), "split='trian'"),
        (dict(reference_pairs=True, clip_length=2), 'leave clip_length out'),
        (dict(reference_pairs=True, split='train_ref'), "use split='train'"),
    ],
)
def test_bad_options(acdc, options, message):
    with pytest.raises(ValueError, match=message):
        ACDCDataset(str(acdc), **options)


def test_a_missing_condition_is_named(acdc):
    (acdc / 'rgb_anon/rain').rename(acdc / 'rain')
    with pytest.raises(FileNotFoundError, match='rgb_anon/rain/train does not exist.*"ACDC"'):
        ACDCDataset(str(acdc))
    with pytest.raises(FileNotFoundError, match='no frame was found.*GOPRXXXX/NAME_rgb_anon.png'):
        ACDCDataset(str(acdc), conditions=['snow'])
