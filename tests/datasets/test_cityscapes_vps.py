import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmdavss.datasets import (
    CityscapesVPSDataset,
    DomainPairDataset,
    SynthiaSeqDataset,
    ViperSeqDataset,
)
from mmdavss.datasets.rare_class import count_pixels, label_sets

pytestmark = pytest.mark.slow

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
# Train ids of Cityscapes 0 to 18 and void, by hand: 15 classes, rider (12) joins person (11).
IN_15 = [0, 1, 2, 255, 3, 255, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 255, 13, 14, 255]
IN_12 = [0, 1, 2, 255, 3, 4, 5, 6, 7, 255, 8, 9, 10, 11, 255, 255, 255, 255, 255, 255]


def infos(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def numbers(dataset):
    return [
        (info['seq_name'], [int(path.split('_')[-2]) for path in info['frame_paths']])
        for info in infos(dataset)
    ]


def label(dataset):
    return dataset[0]['data_samples'].gt_sem_seg.data.numpy()[0]


LABELLED = [
    ('0001', [278, 279]),
    ('0001', [283, 284]),
    ('0001', [293, 294]),
    ('0002', [308, 309]),
    ('0002', [313, 314]),
    ('0002', [323, 324]),
]


def test_clips_end_at_the_labelled_frames(cityscapes_vps):
    dataset = DATASETS.build(dict(type='CityscapesVPSDataset', data_root=str(cityscapes_vps)))
    assert numbers(dataset) == LABELLED
    new, old = infos(dataset)[1:3]
    train = f'{cityscapes_vps}/train'
    assert new['frame_paths'] == [
        f'{train}/img_all/frankfurt_000000_000{n}_leftImg8bit.png' for n in (283, 284)
    ]
    assert new['seg_map_path'] == (
        f'{train}/labelmap/0001_0002_frankfurt_000000_000284_final_mask.png'
    )
    assert old['seg_map_path'] == (
        f'{train}/labelmap/0001_0004_frankfurt_000000_000294_gtFine_color.png'
    )
    assert new['frame_name'] == 'frankfurt_000000_000284'
    assert numbers(CityscapesVPSDataset(str(cityscapes_vps), split='val')) == [
        ('0005', [3, 4]),
        ('0005', [8, 9]),
        ('0005', [18, 19]),
    ]


def test_without_labels(cityscapes_vps):
    shutil.rmtree(cityscapes_vps / 'train/labelmap')
    dataset = CityscapesVPSDataset(str(cityscapes_vps), with_labels=False)
    assert numbers(dataset) == LABELLED
    assert dataset.get_data_info(0)['seg_map_path'] is None
    one = CityscapesVPSDataset(str(cityscapes_vps), with_labels=False, sequences=['0002'])
    assert numbers(one) == LABELLED[3:]
    # All frames: each clip has its own, though one follows on the other.
    dataset = CityscapesVPSDataset(
        str(cityscapes_vps), with_labels=False, frames='all', clip_length=1
    )
    assert numbers(dataset) == [
        (clip, [start + n])
        for clip, start in (('0001', 275), ('0002', 305))
        for n in (3, 4, 8, 9, 18, 19, 20)
    ]
    with pytest.raises(FileNotFoundError, match='none of the 14 frames has a label file'):
        CityscapesVPSDataset(str(cityscapes_vps))


def test_frames_from_cityscapes(cityscapes_vps, tmp_path):
    """The official preparation leaves the training frames where they are."""
    city = tmp_path / 'sequence/val/frankfurt'
    city.parent.mkdir(parents=True)
    (cityscapes_vps / 'train/img_all').rename(city)
    with pytest.raises(FileNotFoundError, match='img_all does not exist.*Set frame_root'):
        CityscapesVPSDataset(str(cityscapes_vps))
    dataset = CityscapesVPSDataset(str(cityscapes_vps), frame_root=str(city.parent))
    assert numbers(dataset) == LABELLED
    assert dataset.get_data_info(0)['frame_paths'] == [
        f'{city}/frankfurt_000000_000{n}_leftImg8bit.png' for n in (278, 279)
    ]
    with pytest.raises(FileNotFoundError, match='nowhere does not exist'):
        CityscapesVPSDataset(str(cityscapes_vps), frame_root='nowhere')
    # The labelled frames alone are enough for images and for clips of them.
    dataset = CityscapesVPSDataset(str(cityscapes_vps), clip_length=1, pipeline=LOAD)
    assert dataset.get_data_info(0)['frame_paths'] == [
        f'{cityscapes_vps}/train/img/0001_0001_frankfurt_000000_000279_newImg8bit.png'
    ]
    assert dataset.get_data_info(0)['frame_name'] == 'frankfurt_000000_000279'
    assert dataset[0]['data_samples'].gt_sem_seg.shape == (12, 20)
    for path in (cityscapes_vps / 'train/img').glob('*_leftImg8bit.png'):  # 14 is not there
        path.unlink()
    dataset = CityscapesVPSDataset(str(cityscapes_vps), frame_distance=5)
    assert numbers(dataset)[:2] == [('0001', [279, 279]), ('0001', [279, 284])]


def test_missing_frame(cityscapes_vps):
    (cityscapes_vps / 'train/img_all/frankfurt_000000_000313_leftImg8bit.png').unlink()
    with pytest.raises(
        FileNotFoundError, match='train/img_all/frankfurt_000000_000313_leftImg8bit.png is missing'
    ):
        CityscapesVPSDataset(str(cityscapes_vps))


def test_split_file(cityscapes_vps):
    (cityscapes_vps / 'list.txt').write_text(
        '0001_0004_frankfurt_000000_000294_leftImg8bit.png\nfrankfurt_000000_000314\n'
    )
    dataset = CityscapesVPSDataset(str(cityscapes_vps), ann_file='list.txt')
    assert numbers(dataset) == [LABELLED[2], LABELLED[4]]


def test_class_subsets(cityscapes_vps, viper, synthia):
    root = str(cityscapes_vps)
    dataset = CityscapesVPSDataset(root, pipeline=LOAD)
    np.testing.assert_array_equal(label(dataset)[0], IN_15)
    assert dataset.metainfo['classes'] == ViperSeqDataset(str(viper)).metainfo['classes']
    dataset = CityscapesVPSDataset(root, classes_from='synthia', pipeline=LOAD)
    np.testing.assert_array_equal(label(dataset)[0], IN_12)
    assert dataset.metainfo['classes'] == SynthiaSeqDataset(str(synthia)).metainfo['classes']
    with pytest.raises(ValueError, match="classes_from='gta'"):
        CityscapesVPSDataset(root, classes_from='gta')


def write_panoptic(root, files):
    """The panoptic forms of the labels: train id, or that and the instance; segments in colours."""
    ids = np.arange(20).reshape(1, 20).repeat(12, 0)
    ids[:, 19] = 255
    instances = np.where((ids > 10) & (ids < 19), ids * 1000 + np.arange(12)[:, None] // 6, ids)
    codes = np.where(ids == 255, 0, 70000 + 7 * instances)
    colours = np.stack([codes & 255, codes >> 8 & 255, codes >> 16], -1).astype(np.uint8)
    segments = [
        dict(id=int(70000 + 7 * i), category_id=int(i // 1000 if i > 999 else i), area=1, iscrowd=0)
        for i in np.unique(instances)
        if i != 255
    ]
    for name in files:
        for folder, image in (
            ('panoptic_inst', Image.fromarray(instances.astype(np.uint16))),
            ('panoptic_video', Image.fromarray(colours)),
        ):
            (root / 'val' / folder).mkdir(exist_ok=True)
            image.save(root / 'val' / folder / name)
    path = root / 'panoptic_gt_val_city_vps.json'
    path.write_text(
        json.dumps(
            dict(annotations=[dict(file_name=name, segments_info=segments) for name in files])
        )
    )
    return path


@pytest.mark.parametrize('folder', ['panoptic_inst', 'panoptic_video'])
@pytest.mark.parametrize('classes_from, expected', [('viper', IN_15), ('synthia', IN_12)])
def test_panoptic_labels(cityscapes_vps, folder, classes_from, expected):
    write_panoptic(cityscapes_vps, [p.name for p in (cityscapes_vps / 'val/labelmap').iterdir()])
    options = dict(split='val', classes_from=classes_from, pipeline=LOAD)
    dataset = CityscapesVPSDataset(str(cityscapes_vps), label_folder=folder, **options)
    assert f'/{folder}/0005_0025_' in dataset.get_data_info(0)['seg_map_path']
    np.testing.assert_array_equal(label(dataset), np.tile(expected, (12, 1)))
    # The semantic masks are taken where there are some, then the panoptic ones.
    assert CityscapesVPSDataset(str(cityscapes_vps), **options).label_folder == 'labelmap'
    for other in {'labelmap', 'panoptic_inst', 'panoptic_video'} - {folder}:
        shutil.rmtree(cityscapes_vps / 'val' / other)
    np.testing.assert_array_equal(
        label(CityscapesVPSDataset(str(cityscapes_vps), **options))[0], expected
    )


def test_segments_of_earlier_frames(cityscapes_vps):
    """Each label has a table of its own: one id is another class in the frame before."""
    files = sorted(p.name for p in (cityscapes_vps / 'val/labelmap').iterdir())
    path = write_panoptic(cityscapes_vps, files)
    content = json.loads(path.read_text())
    road, sidewalk = content['annotations'][0]['segments_info'][:2]
    road['category_id'], sidewalk['category_id'] = 1, 0
    path.write_text(json.dumps(content))
    options = dict(
        split='val',
        label_folder='panoptic_video',
        frame_distance=5,
        label_clips=True,
        ann_file='list.txt',
        pipeline=LOAD,
    )
    names = [name.removesuffix('_final_mask.png') for name in files[:2]]
    (cityscapes_vps / 'list.txt').write_text(f'{names[1]}\n')
    sample = CityscapesVPSDataset(str(cityscapes_vps), **options)[0]['data_samples']
    expected = np.array([[1, 0, *IN_15[2:]], IN_15])
    np.testing.assert_array_equal(sample.gt_clip_seg.data.numpy(), expected[:, None].repeat(12, 1))
    del content['annotations'][0]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f'does not know .*{files[0]}'):
        CityscapesVPSDataset(str(cityscapes_vps), **options)


def test_rare_classes_of_segments(cityscapes_vps):
    """Pixels are counted by the segments of each image."""
    files = sorted(p.name for p in (cityscapes_vps / 'val/labelmap').iterdir())
    write_panoptic(cityscapes_vps, files)
    dataset = CityscapesVPSDataset(
        str(cityscapes_vps), split='val', label_folder='panoptic_video', pipeline=LOAD
    )
    expected = [12 * int((np.array(IN_15) == k).sum()) for k in range(15)]
    counted = [count_pixels(*file) for file in label_sets(dataset).values()]
    assert counted == [expected] * len(files)
    pair = DomainPairDataset(
        dataset, dataset, rare_patches=dict(classes=(9,), count=1, size=(4, 4))
    )
    assert pair.rare_patches.images[9].tolist() == list(range(len(files)))


def test_errors_of_panoptic_labels(cityscapes_vps):
    files = sorted(p.name for p in (cityscapes_vps / 'val/labelmap').iterdir())
    path = write_panoptic(cityscapes_vps, files)
    options = dict(split='val', label_folder='panoptic_video', pipeline=LOAD)
    content = json.loads(path.read_text())
    content['annotations'][0]['segments_info'].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f'{files[0]}: 6 pixels have colours'):
        CityscapesVPSDataset(str(cityscapes_vps), **options)[0]
    path.write_text(json.dumps(dict(annotations=content['annotations'][1:])))
    with pytest.raises(ValueError, match=f'does not know .*{files[0]}'):
        CityscapesVPSDataset(str(cityscapes_vps), **options)

    def table(**segment):
        return dict(
            annotations=[
                dict(file_name='a', segments_info=[dict(dict(id=5, category_id=1), **segment)])
            ]
        )

    for wrong in (
        {},
        dict(annotations=[dict(file_name='a')]),
        [],
        5,
        dict(annotations=5),
        table(id='5'),
        table(id=-1),
        table(id=1 << 24),
        table(category_id=None),
        table(category_id=True),
        table(id=[1]),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match='vps.json holds no table.*create_panoptic_video'):
            CityscapesVPSDataset(str(cityscapes_vps), **options)
    path.unlink()
    with pytest.raises(FileNotFoundError, match='panoptic_gt_val_city_vps.json does not exist'):
        CityscapesVPSDataset(str(cityscapes_vps), **options)
    CityscapesVPSDataset(str(cityscapes_vps), with_labels=False, **options)
    with pytest.raises(ValueError, match="label_folder='cls' is not one of"):
        CityscapesVPSDataset(str(cityscapes_vps), label_folder='cls')


def test_not_the_data_set(cityscapes_vps):
    shutil.rmtree(Path(cityscapes_vps) / 'val/img')
    with pytest.raises(FileNotFoundError, match='val/img does not exist.*section "Cityscapes-VPS"'):
        CityscapesVPSDataset(str(cityscapes_vps), split='val')
