"""The machinery of clip data sets, on the VIPER layout; and a user's own frames."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import DATASETS

from mmdavss.datasets import ClipFolderDataset, ViperSeqDataset
from mmdavss.datasets.label_folder import mask_name, write_frames, write_manifest

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def numbers(dataset):
    """Frame numbers of every clip, as the files have them."""
    return [
        [int(Path(path).stem[-5:]) for path in dataset.get_data_info(i)['frame_paths']]
        for i in range(len(dataset))
    ]


def names(dataset):
    return [dataset.get_data_info(i)['frame_name'] for i in range(len(dataset))]


def test_clips_are_consecutive_and_repeat_the_first_frame(viper):
    dataset = ViperSeqDataset(str(viper), sequences=['002'], clip_length=3)
    assert numbers(dataset) == [[1, 1, 1], [1, 1, 2], [1, 2, 3]]
    info = dataset.get_data_info(2)
    assert info['img_path'] == info['frame_paths'][-1] == str(viper / 'train/img/002/002_00003.jpg')
    assert info['seg_map_path'] == str(viper / 'train/cls/002/002_00003.png')
    assert (info['seq_name'], info['frame_name']) == ('002', '002_00003')
    assert info['frame_number'] == 3


@pytest.mark.parametrize(
    'options, clips',
    [
        (dict(clip_length=2), [[1, 2], [2, 3]]),
        (dict(clip_length=3), [[1, 2, 3]]),
        (dict(clip_length=2, frame_distance=2), [[1, 3]]),
        (dict(clip_length=1), [[1], [2], [3]]),
    ],
)
def test_whole_clips_only(viper, options, clips):
    dataset = ViperSeqDataset(str(viper), sequences=['002'], whole_clips=True, **options)
    assert numbers(dataset) == clips


def test_no_whole_clip(viper):
    with pytest.raises(ValueError, match='none of the 3 frames.*clip_length=4.*whole_clips=False'):
        ViperSeqDataset(str(viper), sequences=['002'], whole_clips=True, clip_length=4)


def test_frame_distance(viper):
    dataset = ViperSeqDataset(str(viper), sequences=['001'], clip_length=3, frame_distance=4)
    assert numbers(dataset)[4] == [1, 1, 5]
    assert numbers(dataset)[11] == [4, 8, 12]


def test_single_frames(viper):
    for n in range(1, 10):  # only every tenth frame is on disk, as in one of VIPER's archives
        (viper / f'train/img/001/001_{n:05d}.jpg').unlink()
    dataset = ViperSeqDataset(str(viper), sequences=['001'], clip_length=1, annotated='*0')
    assert numbers(dataset) == [[10]]


def test_sequences_of_a_list(viper):
    (viper / 'day.txt').write_text('002\n\n002\n')
    dataset = ViperSeqDataset(str(viper), sequences='day.txt')
    assert names(dataset) == ['002_00001', '002_00002', '002_00003']
    (viper / 'day.txt').write_text('002\n078\n')
    with pytest.raises(FileNotFoundError, match=r"sequences \['078'\] are not in"):
        ViperSeqDataset(str(viper), sequences='day.txt')
    (viper / 'day.txt').write_text('\n')
    with pytest.raises(ValueError, match=r'day.txt \(sequences\) is empty'):
        ViperSeqDataset(str(viper), sequences='day.txt')
    with pytest.raises(FileNotFoundError, match=r'night.txt \(sequences\) does not exist'):
        ViperSeqDataset(str(viper), sequences='night.txt')


def test_sequences_whose_names_are_numbers(viper):
    """--cfg-options reads 101 as a number, and 001 as text."""
    folder = viper / 'train/img'
    (folder / '002').rename(folder / '101')
    for n in range(1, 4):
        (folder / f'101/002_{n:05d}.jpg').rename(folder / f'101/101_{n:05d}.jpg')
    dataset = ViperSeqDataset(str(viper), sequences=[101], with_labels=False)
    assert names(dataset) == ['101_00001', '101_00002', '101_00003']
    for given in (101, '001'):
        words = rf'{given} \(sequences\) does not exist.*sequences=\[{given}\]'
        with pytest.raises(FileNotFoundError, match=words):
            ViperSeqDataset(str(viper), sequences=given, with_labels=False)


def test_missing_previous_frame_is_named(viper):
    missing = viper / 'train/img/001/001_00005.jpg'
    missing.unlink()
    with pytest.raises(FileNotFoundError) as error:
        ViperSeqDataset(str(viper))
    for word in (str(missing), '001_00006.jpg', '1 of 14', 'ann_file', 'frame_distance'):
        assert word in str(error.value)
    # Frames whose clips are whole can still be used.
    split = viper / 'whole.txt'
    split.write_text('001_00004\n001_00007\n')
    assert numbers(ViperSeqDataset(str(viper), ann_file='whole.txt')) == [[3, 4], [6, 7]]


def test_annotated_pattern(viper):
    assert names(ViperSeqDataset(str(viper), annotated='*0')) == ['001_00010']
    assert len(ViperSeqDataset(str(viper))) == 15
    # It needs no labels where none are used.
    shutil.rmtree(viper / 'train/cls')
    options = dict(annotated='*0', with_labels=False)
    assert names(ViperSeqDataset(str(viper), **options)) == ['001_00010']
    assert len(ViperSeqDataset(str(viper), frames='all', **options)) == 15


def test_annotated_are_the_frames_with_a_label(viper):
    for n in (2, 3):
        (viper / f'train/cls/002/002_{n:05d}.png').unlink()
    assert names(ViperSeqDataset(str(viper), sequences=['002'])) == ['002_00001']
    assert len(ViperSeqDataset(str(viper), sequences=['002'], with_labels=False)) == 3
    with pytest.raises(FileNotFoundError, match='2 of 3 frames have no label.*002_00002.png'):
        ViperSeqDataset(str(viper), sequences=['002'], frames='all')
    with pytest.raises(FileNotFoundError, match='1 of 1 frames have no label.*002_00003.png'):
        ViperSeqDataset(str(viper), sequences=['002'], annotated='*3')


def test_without_labels_none_are_needed(viper):
    shutil.rmtree(viper / 'train/cls')
    dataset = ViperSeqDataset(
        str(viper), with_labels=False, pipeline=[dict(type='LoadClip'), dict(type='PackClipInputs')]
    )
    assert len(dataset) == 15
    assert 'gt_sem_seg' not in dataset[0]['data_samples']
    dataset = ViperSeqDataset(str(viper), with_labels=False, pipeline=LOAD)
    with pytest.raises(ValueError, match='002_00003.jpg.*with_labels'):
        dataset[14]
    with pytest.raises(FileNotFoundError, match='none of the 15 frames has a label'):
        ViperSeqDataset(str(viper))


@pytest.mark.parametrize(
    'line', ['001_00010', '001/001_00010', 'train/img/001/001_00010.jpg', '001_00010.png']
)
def test_split_file(viper, line):
    (viper / 'split.txt').write_text(f'{line}\n\n')
    assert numbers(ViperSeqDataset(str(viper), ann_file='split.txt')) == [[9, 10]]


PIPELINE = [
    dict(type='LoadClip'),
    dict(type='LoadClipAnnotations'),
    dict(type='ClipFlip', prob=1.0),
    dict(type='PackClipInputs'),
]


def test_labels_of_the_whole_clip(viper):
    """Every frame's own label, moved with its frame; a repeated first frame repeats its label."""
    for n in (1, 2):
        ids = np.full((12, 20), 3 if n == 1 else 4, np.uint8)
        ids[:, 0] = 2  # sky on the left, right after the flip
        cv2.imwrite(str(viper / f'train/cls/001/001_{n:05d}.png'), ids)
    data = ViperSeqDataset(data_root=str(viper), label_clips=True, pipeline=PIPELINE)
    for index, earlier in ((0, 0), (1, 0)):
        sample = data[index]['data_samples']
        maps = sample.gt_clip_seg.data
        assert maps.shape == (2, 12, 20) and maps.dtype == torch.int64
        assert torch.equal(maps[1:], sample.gt_sem_seg.data)
        assert maps[0, :, :-1].unique().tolist() == [earlier] and (maps[:, :, -1] == 8).all()
    assert maps[1, :, :-1].unique().tolist() == [1]
    assert (
        'gt_clip_seg'
        not in ViperSeqDataset(data_root=str(viper), pipeline=PIPELINE)[1]['data_samples']
    )


def test_missing_label_of_an_earlier_frame(viper):
    (viper / 'train/cls/001/001_00001.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'label_clips=True, but 1 .*001_00001.png'):
        ViperSeqDataset(data_root=str(viper), label_clips=True, sequences=['001'])
    with pytest.raises(ValueError, match='label_clips=True needs'):
        ViperSeqDataset(data_root=str(viper), label_clips=True, with_labels=False)


def test_split_file_errors(viper):
    (viper / 'empty.txt').write_text('\n')
    with pytest.raises(ValueError, match='empty.txt .*is empty'):
        ViperSeqDataset(str(viper), ann_file='empty.txt')
    with pytest.raises(FileNotFoundError, match='gone.txt.*does not exist'):
        ViperSeqDataset(str(viper), ann_file='gone.txt')
    (viper / 'other.txt').write_text('001_00010\n009_00001\n')
    with pytest.raises(FileNotFoundError, match='1 of the 2 frames.*other.txt.*009_00001'):
        ViperSeqDataset(str(viper), ann_file='other.txt')


def test_list_of_frames(viper, tmp_path, monkeypatch):
    """Of the frames that the other options select; clips may begin before them."""
    monkeypatch.chdir(tmp_path)
    Path('easy.txt').write_text('002/002_00003\n001/001_00010\n\n')
    dataset = ViperSeqDataset(str(viper), frame_list='easy.txt')
    assert numbers(dataset) == [[9, 10], [2, 3]]
    assert numbers(ViperSeqDataset(str(viper), frame_list='easy.txt', clip_length=1)) == [[10], [3]]
    with pytest.raises(FileNotFoundError, match='1 of the 2 frames of easy.txt.*001/001_00010'):
        ViperSeqDataset(str(viper), frame_list='easy.txt', sequences=['002'])
    Path('hard.txt').write_text('')
    with pytest.raises(ValueError, match='list of frames hard.txt .frame_list. is empty'):
        ViperSeqDataset(str(viper), frame_list='hard.txt')
    with pytest.raises(FileNotFoundError, match='gone.txt .frame_list. does not exist'):
        ViperSeqDataset(str(viper), frame_list='gone.txt')
    with pytest.raises(ValueError, match='both select frames'):
        ClipFolderDataset(str(viper), clips='clips.txt', frame_list='easy.txt')


@pytest.mark.parametrize(
    'option',
    [
        dict(ann_file='a.txt'),
        dict(sequences=['a']),
        dict(annotated='*0'),
        dict(frames='all'),
        dict(frame_distance=2),
        dict(whole_clips=True),
    ],
)
def test_own_list_and_another_selection(folder, option):
    (folder / 'clips.txt').write_text('a/f9.png a/f11.jpg\n')
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f'clips.txt.* and {name}=.*both select frames'):
        ClipFolderDataset(str(folder), clips='clips.txt', **option)
    unset = {name: None if name in ('sequences', 'annotated', 'frames') else type(value)()}
    if name == 'frame_distance':
        unset = dict(frame_distance=1)
    assert len(ClipFolderDataset(str(folder), clips='clips.txt', **unset)) == 1


def test_empty_selection(viper):
    with pytest.raises(ValueError, match=r"no frame is left.*annotated='x\*'"):
        ViperSeqDataset(str(viper), annotated='x*')


def test_unknown_sequence(viper):
    with pytest.raises(FileNotFoundError, match=r"\['077'\].*001, 002"):
        ViperSeqDataset(str(viper), sequences=['001', '077'])


@pytest.mark.parametrize(
    'option', [dict(clip_length=0), dict(frame_distance=0), dict(frames='some')]
)
def test_bad_options(viper, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        ViperSeqDataset(str(viper), **option)
    with pytest.raises(TypeError):
        ViperSeqDataset(str(viper), frame_distanse=2)


def test_not_the_data_set(tmp_path, viper):
    with pytest.raises(FileNotFoundError, match='does not exist.*NNN_FFFFF.jpg.*docs/datasets.md'):
        ViperSeqDataset(str(tmp_path))
    shutil.rmtree(viper / 'train/img')
    (viper / 'train/img').mkdir()
    with pytest.raises(FileNotFoundError, match='no frame was found.*docs/datasets.md'):
        ViperSeqDataset(str(viper))


def test_subset_of_classes(viper):
    dataset = ViperSeqDataset(str(viper), metainfo=dict(classes=['sky', 'road']), pipeline=LOAD)
    assert dataset.metainfo['classes'] == ('sky', 'road')
    assert [list(colour) for colour in dataset.metainfo['palette']] == [
        [70, 130, 180],
        [128, 64, 128],
    ]
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy()[0]
    # The fixture's ids count up from 0: 2 is sky, 3 is road.
    np.testing.assert_array_equal(label[0, :6], [255, 255, 0, 1, 255, 255])


class GiveNone(BaseTransform):
    def transform(self, results):
        return None


def test_none_from_the_pipeline_is_an_error(viper):
    dataset = ViperSeqDataset(str(viper), pipeline=[GiveNone()])
    with pytest.raises(RuntimeError, match='001_00002.jpg'):
        dataset[1]


@pytest.fixture
def folder(tmp_path, texture, write):
    for name in ('a/f9.png', 'a/f10.png', 'a/f11.jpg', 'b/x/f1.png'):
        write(tmp_path / name, texture(0))
    return tmp_path


def test_own_folder_in_natural_order(folder):
    dataset = DATASETS.build(
        dict(
            type='ClipFolderDataset',
            data_root=str(folder),
            pipeline=[dict(type='LoadClip'), dict(type='PackClipInputs')],
        )
    )
    paths = [dataset.get_data_info(i)['frame_paths'] for i in range(len(dataset))]
    expected = [
        ('a/f9.png', 'a/f9.png'),
        ('a/f9.png', 'a/f10.png'),
        ('a/f10.png', 'a/f11.jpg'),
        ('b/x/f1.png', 'b/x/f1.png'),
    ]
    assert paths == [[str(folder / name) for name in clip] for clip in expected]
    assert dataset.get_data_info(3)['seq_name'] == 'b/x'
    assert dataset[1]['inputs']['frames'].shape == (2, 3, 12, 20)


def test_own_list_of_clips(folder):
    (folder / 'clips.txt').write_text('a/f9.png a/f11.jpg\nb/x/f1.png\ta/f10.png\n')
    dataset = ClipFolderDataset(str(folder), clips='clips.txt')
    assert dataset.get_data_info(0)['frame_paths'] == [
        str(folder / 'a/f9.png'),
        str(folder / 'a/f11.jpg'),
    ]
    assert dataset.get_data_info(1)['frame_paths'] == [
        str(folder / 'b/x/f1.png'),
        str(folder / 'a/f10.png'),
    ]


def test_own_list_errors(folder):
    (folder / 'short.txt').write_text('a/f9.png\n')
    with pytest.raises(ValueError, match='clip of 1 frame, clip_length is 2'):
        ClipFolderDataset(str(folder), clips='short.txt')
    (folder / 'gone.txt').write_text('a/f8.png a/f9.png\n')
    with pytest.raises(FileNotFoundError, match='a/f8.png is missing'):
        ClipFolderDataset(str(folder), clips='gone.txt')
    (folder / 'empty.txt').write_text('')
    with pytest.raises(ValueError, match='empty.txt.*is empty'):
        ClipFolderDataset(str(folder), clips='empty.txt')
    with pytest.raises(FileNotFoundError, match='no frame was found'):
        empty = folder / 'nothing'
        empty.mkdir()
        ClipFolderDataset(str(empty))


DOCS = Path(__file__).parents[2] / 'docs' / 'datasets.md'


def test_messages_name_sections_that_exist():
    text = DOCS.read_text()
    for name in (
        'ViperSeqDataset',
        'SynthiaSeqDataset',
        'CityscapesSeqDataset',
        'CamVidDataset',
        'ClipFolderDataset',
    ):
        assert f'\n## {DATASETS.get(name).DOCS}\n' in text


def test_own_data_set_of_the_docs(tmp_path, texture, write):
    section = DOCS.read_text().split('## Your own frames')[1].split('\n## ')[0]
    code = next(block for block in section.split('```python\n')[1:] if 'class ' in block)
    exec(code.split('```')[0], {})  # the example registers its class
    for n in (1, 2):
        write(tmp_path / 'frames' / 'v' / f'{n:06d}.png', texture(n))
        write(tmp_path / 'labels' / 'v' / f'{n:06d}.png', np.full((12, 20), 26, np.uint8))
    dataset = DATASETS.build(dict(type='MyCityDataset', data_root=str(tmp_path), pipeline=LOAD))
    assert (dataset[1]['data_samples'].gt_sem_seg.data == 1).all()
    with pytest.raises(FileNotFoundError, match='frames does not exist.*frames/VIDEO/000001.png'):
        DATASETS.build(dict(type='MyCityDataset', data_root=str(tmp_path / 'labels')))


def pseudo(folder, dataset, **changes):
    """Pseudo-labels of all frames of a data set, as the tool writes them: 0 with 1 in a corner."""
    masks = []
    for sequence, frames in dataset.scan().items():
        for path in frames.values():
            masks.append(mask_name(sequence, dataset.frame_name(path)))
            label = np.zeros((12, 20), np.uint8)
            label[0, :2] = 1, 255
            (folder / masks[-1]).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / masks[-1]), label)
    write_frames(str(folder), masks)
    write_manifest(
        str(folder),
        dict(dict(finished=True, classes=dataset.metainfo.get('classes'), palette=None), **changes),
    )
    return dict(with_labels=False, pseudo_labels=str(folder))


def test_pseudo_labels_take_the_place_of_labels(viper, tmp_path):
    shutil.rmtree(viper / 'train/cls')
    data = ViperSeqDataset(str(viper), with_labels=False)
    options = pseudo(tmp_path / 'out', data)
    dataset = ViperSeqDataset(str(viper), label_clips=True, pipeline=LOAD, **options)
    assert dataset.metainfo['classes'] == data.metainfo['classes']
    assert dataset.metainfo['palette'] == data.metainfo['palette']
    assert len(dataset) == 15
    assert dataset.get_data_info(14)['seg_map_path'] == str(tmp_path / 'out/002/002_00003.png')
    maps = dataset[14]['data_samples'].gt_clip_seg.data
    # Train ids, not VIPER's: the own label set would not know 0, nor make 1 of 1.
    assert maps.shape == (2, 12, 20) and maps[:, 0, :3].tolist() == [[1, 255, 0]] * 2
    few = ViperSeqDataset(str(viper), sequences=['002'], annotated='*2', **options)
    assert names(few) == ['002_00002']


def test_pseudo_labels_of_some_frames(viper, tmp_path):
    """By default the frames that have a mask; all only if all have one."""
    options = pseudo(tmp_path / 'out', ViperSeqDataset(str(viper), split='val'))
    dataset = ViperSeqDataset(str(viper), **options)
    assert names(dataset) == ['001_00001', '001_00002']
    with pytest.raises(FileNotFoundError, match='13 of 15 frames have no mask in .*001_00003.png'):
        ViperSeqDataset(str(viper), frames='all', **options)
    with pytest.raises(FileNotFoundError, match='none of the 3 frames has a mask.*002_00001.png'):
        ViperSeqDataset(str(viper), sequences=['002'], **options)


def test_pseudo_label_errors(viper, tmp_path):
    data = ViperSeqDataset(str(viper))
    out = tmp_path / 'out'
    options = pseudo(out, data)
    with pytest.raises(ValueError, match='set with_labels=False'):
        ViperSeqDataset(str(viper), pseudo_labels=str(out))
    with pytest.raises(FileNotFoundError, match='gone does not exist.*generate_pseudo_labels.py'):
        ViperSeqDataset(str(viper), with_labels=False, pseudo_labels=str(tmp_path / 'gone'))
    with pytest.raises(ValueError, match="the classes .*'road'.*has .'sky', 'road'."):
        ViperSeqDataset(str(viper), metainfo=dict(classes=['sky', 'road']), **options)
    (out / '001/001_00004.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 15 masks .*001_00004.png.*--overwrite'):
        ViperSeqDataset(str(viper), **options)
    assert len(ViperSeqDataset(str(viper), sequences=['002'], **options)) == 3
    (out / 'frames.txt').unlink()
    with pytest.raises(FileNotFoundError, match='frames.txt is missing.*--overwrite'):
        ViperSeqDataset(str(viper), **options)
    with pytest.raises(ValueError, match='are unfinished'):
        ViperSeqDataset(str(viper), **pseudo(out, data, finished=False))
    (out / 'pseudo_labels.json').write_text('{"kind": "other"}')
    with pytest.raises(ValueError, match='pseudo_labels.json is not a file of tools/generate'):
        ViperSeqDataset(str(viper), **options)
    (out / 'pseudo_labels.json').unlink()
    with pytest.raises(FileNotFoundError, match='pseudo_labels.json is missing'):
        ViperSeqDataset(str(viper), **options)


@pytest.mark.parametrize(
    'name, fixture, options',
    [
        ('CityscapesSeqDataset', 'cityscapes', {}),
        ('CityscapesVPSDataset', 'cityscapes_vps', dict(label_folder='panoptic_video')),
        ('CamVidDataset', 'camvid', {}),
        ('SynthiaSeqDataset', 'synthia', {}),
        ('CityscapesImageDataset', 'cityscapes', {}),
    ],
)
def test_pseudo_labels_of_every_data_set(request, tmp_path, name, fixture, options):
    root = request.getfixturevalue(fixture)
    data = DATASETS.build(
        dict(
            type=name,
            data_root=str(root),
            with_labels=False,
            frames='all',
            clip_length=1,
            **options,
        )
    )
    own = pseudo(tmp_path / 'out', data)
    clips = {} if name == 'CityscapesImageDataset' else dict(clip_length=2)
    if name == 'CityscapesVPSDataset':  # the fixture has gaps
        (root / 'some.txt').write_text(
            '\n'.join(data.get_data_info(i)['frame_name'] for i in (1, 5, 6))
        )
        clips['ann_file'] = 'some.txt'
    dataset = DATASETS.build(
        dict(type=name, data_root=str(root), pipeline=LOAD, **own, **options, **clips)
    )
    assert len(dataset) == (3 if 'ann_file' in clips else len(data))
    assert dataset.get_data_info(0)['label_spec'].classes == data.metainfo['classes']
    if fixture != 'synthia':  # its frames have another size
        label = dataset[0]['data_samples'].gt_sem_seg.data
        assert label[0, 0, :3].tolist() == [1, 255, 0]


def test_own_frames_have_no_labels(folder):
    for options in (dict(with_labels=True), dict(frames='annotated')):
        with pytest.raises(ValueError, match='have no labels'):
            ClipFolderDataset(str(folder), **options)
