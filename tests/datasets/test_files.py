"""What lies in the folders of data sets besides their frames, and lists from other systems."""

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import ClipFolderDataset
from mmdavss.utils.errors import InputError

pytestmark = pytest.mark.slow


class Row(NamedTuple):
    """A data set of small files.

    Attributes:
        name: Of its class.
        fixture: That makes the files.
        options: Of the class.
        folder: Of the images, below the data root.
        without_label: What a frame without a label is: 'left out', an 'error', or None where frames
            have no labels.
        two_suffixes: Whether both .jpg and .png are suffixes of frames.
    """

    name: str
    fixture: str
    options: dict
    folder: str
    without_label: str | None
    two_suffixes: bool


ALL = [
    Row('ViperSeqDataset', 'viper', {}, 'train/img/001', 'left out', True),
    Row(
        'SynthiaSeqDataset',
        'synthia',
        {},
        'SYNTHIA-SEQS-04-DAWN/RGB/Stereo_Left/Omni_F',
        'left out',
        False,
    ),
    Row(
        'SynthiaSeqDataset',
        'synthia',
        dict(sequences=None),
        'SYNTHIA-SEQS-04-DAWN/RGB/Stereo_Left/Omni_F',
        'left out',
        False,
    ),
    Row(
        'CityscapesSeqDataset',
        'cityscapes',
        {},
        'leftImg8bit_sequence/train/aachen',
        'left out',
        False,
    ),
    Row('CityscapesImageDataset', 'cityscapes', {}, 'leftImg8bit/train/aachen', 'left out', False),
    Row('CityscapesVPSDataset', 'cityscapes_vps', {}, 'train/img', 'left out', False),
    Row('GTADataset', 'gta', {}, 'images', 'left out', False),
    Row('SynthiaDataset', 'synthia_rand', {}, 'RGB', 'left out', False),
    Row(
        'DarkZurichImageDataset',
        'dark_zurich',
        dict(with_labels=False, day_pairs='corresp'),
        'rgb_anon/train/night/GOPR0351',
        None,
        False,
    ),
    Row(
        'DarkZurichImageDataset',
        'dark_zurich',
        dict(split='val', time='night', with_labels=True),
        'rgb_anon/val/night/GOPR0356',
        'error',
        False,
    ),
    Row('ACDCDataset', 'acdc', {}, 'rgb_anon/fog/train/GOPR0475', 'left out', False),
    Row(
        'ACDCDataset',
        'acdc',
        dict(reference_pairs=True, conditions=['fog']),
        'rgb_anon/fog/train/GOPR0475',
        'left out',
        False,
    ),
    Row('BDDVidDataset', 'bddvid', {}, 'train/images', 'error', False),
    Row('KITTISTEPDataset', 'kitti_step', {}, 'images/train/0000', 'error', False),
    Row(
        'SHIFTDataset',
        'shift',
        dict(shift='continuous/1x', shift_types=['daytime_to_night']),
        'continuous/videos/1x/train/front/img/00a1-0f2e',
        'error',
        True,
    ),
    Row('VSPWDataset', 'vspw', {}, 'data/1001_5z_ijQjUf_0/origin', 'error', True),
    Row('CamVidDataset', 'camvid', {}, 'images', 'left out', True),
    Row('ClipFolderDataset', 'viper', {}, 'train/img/001', None, True),
]
LABELLED = [row for row in ALL if row.without_label]
LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]


def row_id(row):
    return f'{row.name}-{len(row.options)}'


with_labels = pytest.mark.parametrize('data', LABELLED, ids=row_id, indirect=True)


@pytest.fixture(params=ALL, ids=row_id)
def data(request):
    """Builds a data set of small files: gives its items; its root and folder of images."""
    row = request.param
    root = request.getfixturevalue(row.fixture)

    def items(**more):
        settings = dict(dict(row.options, pipeline=[]), **more)
        made = items.made = DATASETS.build(dict(type=row.name, data_root=str(root), **settings))
        return [
            {key: info.get(key) for key in ('frame_paths', 'seg_map_path', 'seq_name')}
            for info in map(made.get_data_info, range(len(made)))
        ]

    items.row = row
    return items, root, root / row.folder


def test_hidden_files_are_no_frames(data):
    items, root, folder = data
    before = items()
    for path in sorted(root.rglob('*')):
        if path.is_file():
            path.with_name(f'._{path.name}').write_bytes(b'\0\5\x16\7')
    for above in (root, folder.parent, folder):
        for name in ('.ipynb_checkpoints', '__MACOSX', '@eaDir'):
            (above / name).mkdir(exist_ok=True)
            for path in sorted(folder.glob('[!._]*.*'))[:1]:
                shutil.copy(path, above / name / path.name)
    assert items() == before


def test_links_do_not_multiply_the_data(data):
    items, root, folder = data
    before = items()
    for above in {root, folder.parent, folder}:
        (above / 'zz_loop').symlink_to(root)
        (above / 'above').symlink_to(root.parent)
    if folder.parent != root:
        (folder.parent / 'a_twin').symlink_to(folder)
    assert items() == before


def test_suffixes_in_capitals(data):
    items, root, folder = data

    def small(paths):
        return [(os.path.splitext(path)[0], os.path.splitext(path)[1].lower()) for path in paths]

    before = items()
    for number, path in enumerate(sorted(root.rglob('*.*'))):
        if path.is_file() and number % 2:
            path.rename(path.with_suffix(path.suffix.upper()))
    after = items()
    for old, new in zip(before, after, strict=True):
        assert small(new['frame_paths']) == small(old['frame_paths'])
        assert all(Path(path).is_file() for path in new['frame_paths'])
        assert new['seg_map_path'] is None or Path(new['seg_map_path']).is_file()


def test_frames_with_another_suffix_are_not_left_out(data):
    items, _, folder = data
    path = sorted(folder.iterdir())[-1]
    path.rename(path.with_suffix('.tiff'))
    with pytest.raises(InputError, match=f'{path.stem}.tiff.*convert'):
        items()


def test_empty_folders_and_foreign_files(data):
    items, root, folder = data
    before = items()
    for above in {root, folder.parent, folder}:
        (above / 'zz_empty').mkdir()
        (above / 'README.txt').write_text('mine')
        (above / 'Thumbs.db').write_bytes(b'\0')
    assert items() == before


@pytest.mark.parametrize('share', [0, 0.5])
def test_a_truncated_image(data, share):
    """Found when it is drawn, and named; the others are as before."""
    items, _, _ = data
    before = items(pipeline=LOAD)
    path = Path(before[0]['frame_paths'][-1])
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert items(pipeline=LOAD) == before
    with pytest.raises(InputError, match=re.escape(path.name)):
        items.made[0]


def labelled(items):
    """The items that have labels."""
    return [info for info in items(pipeline=LOAD) if info['seg_map_path']]


@with_labels
@pytest.mark.parametrize('share', [0, 0.5])
def test_a_truncated_label(data, share):
    items, _, _ = data
    path = Path(labelled(items)[0]['seg_map_path'])
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=re.escape(path.name)):
        items.made[0]


@with_labels
def test_a_label_without_its_image(data):
    items, _, _ = data
    before = labelled(items)
    path = Path(before[0]['seg_map_path'])
    extra = path.with_name(path.name.replace(re.findall(r'\d+', path.stem)[-1], '99999'))
    shutil.copy(path, extra)
    assert labelled(items) == before
    # The other way round the image is a frame without a label, or it is an error.
    path.unlink()
    if items.row.without_label == 'left out':
        assert labelled(items) == before[1:]
    else:
        with pytest.raises(FileNotFoundError, match=re.escape(path.name)):
            items(pipeline=LOAD)


def test_a_label_beside_its_image(data):
    """Two frames of one name, where both suffixes are frames of the data set."""
    items, _, folder = data
    before = items()
    path = sorted(folder.iterdir())[0]
    shutil.copy(path, path.with_suffix('.png' if path.suffix == '.jpg' else '.jpg'))
    if items.row.two_suffixes:
        words = re.escape(f'{path.stem}.jpg and {path.stem}.png are two images')
        with pytest.raises(InputError, match=words):
            items()
    else:
        assert items() == before


@pytest.fixture
def frames(tmp_path, texture, write):
    for name in ('a/f1.png', 'a/f2.png', 'b/f1.png'):
        write(tmp_path / 'frames' / name, texture(0))
    write(tmp_path / 'mine/f1.png', texture(0))
    return tmp_path / 'frames'


def clip_names(root, **options):
    made = ClipFolderDataset(str(root), pipeline=[], **options)
    return [
        [os.path.relpath(path, root) for path in made.get_data_info(i)['frame_paths']]
        for i in range(len(made))
    ]


def test_labels_beside_own_frames(frames, texture, write):
    for name in ('f1', 'f2'):
        write(frames / f'a/{name}.JPG', texture(1)[:, :, 0])
    with pytest.raises(InputError, match="f1.JPG and f1.png are two.*suffix='.jpg'"):
        clip_names(frames)
    assert clip_names(frames, suffix='.png', clip_length=1) == [
        ['a/f1.png'],
        ['a/f2.png'],
        ['b/f1.png'],
    ]
    assert clip_names(frames, suffix='.jpg', clip_length=1) == [['a/f1.JPG'], ['a/f2.JPG']]


@pytest.mark.parametrize('path', ['a/f3.png', 'a/f3.JPG'])
def test_own_frame_that_is_a_folder(frames, path):
    (frames / path).mkdir()
    with pytest.raises(InputError, match='f3.* is a folder with the name of a frame'):
        clip_names(frames)


def test_frame_of_a_data_set_that_is_a_folder(viper):
    (viper / 'train/img/001/001_00099.jpg').mkdir()
    with pytest.raises(InputError, match='001_00099.jpg is a folder, where an image'):
        DATASETS.build(dict(type='ViperSeqDataset', data_root=str(viper), pipeline=[]))


@pytest.mark.parametrize(
    'line',
    ['a/f1.png\ta/f2.png', 'a/f1.PNG a/f2.png', 'a\\f1.png a\\f2.png', './a/f1.png a/../a/f2.png'],
)
@pytest.mark.parametrize('start, end', [('', '\n'), ('\ufeff', '\r\n')])
def test_lists_of_clips_from_other_systems(frames, line, start, end):
    (frames / 'l.txt').write_bytes(f'{start}{line}{end}'.encode())
    assert clip_names(frames, clips='l.txt') == [['a/f1.png', 'a/f2.png']]


def test_file_name_with_a_backslash(frames, texture, write):
    write(frames / 'a\\f1.png', texture(0))
    (frames / 'l.txt').write_text('a\\f1.png\n')
    assert clip_names(frames, clips='l.txt', clip_length=1) == [['a\\f1.png']]


@pytest.mark.parametrize('line', ['001_00010', '001\\001_00010', 'train\\img\\001\\001_00010.jpg'])
def test_split_files_from_other_systems(viper, line):
    (viper / 'split.txt').write_bytes(f'\ufeff{line}\r\n'.encode())
    (viper / 'sequences.txt').write_bytes('\ufeff001\r\n'.encode())
    made = DATASETS.build(
        dict(
            type='ViperSeqDataset',
            data_root=str(viper),
            pipeline=[],
            ann_file='split.txt',
            sequences='sequences.txt',
        )
    )
    assert [made.get_data_info(i)['frame_name'] for i in range(len(made))] == ['001_00010']


def test_pairs_from_other_systems(dark_zurich):
    options = dict(
        type='DarkZurichImageDataset', data_root=str(dark_zurich), with_labels=False, pipeline=[]
    )

    def pairs(**more):
        made = DATASETS.build(dict(options, **more))
        return [made.get_data_info(i)['frame_paths'] for i in range(len(made))]

    right = pairs(day_pairs='corresp')
    text = ''.join(path.read_text() for path in sorted(dark_zurich.rglob('*.csv')))
    windows = text.replace('/', '\\').replace('day\\', 'day\\').replace('\n', '\r\n')
    (dark_zurich / 'windows.csv').write_bytes(f'\ufeff{windows}'.encode())
    assert pairs(day_pairs='windows.csv') == right
    night = 'train/night/GOPR0351/GOPR0351_frame_000001'
    (dark_zurich / 'evil.csv').write_text(f'{night},../../day/secret\n')
    with pytest.raises(InputError, match='evil.csv .day_pairs., line 1.*allow_outside=True'):
        pairs(day_pairs='evil.csv')


@pytest.mark.parametrize(
    'line', ['../mine/f1.png', 'a/../../mine/f1.png', '{root}/mine/f1.png', '..\\mine\\f1.png']
)
def test_lists_that_lead_outside(frames, line):
    line = line.format(root=frames.parent)
    (frames / 'l.txt').write_text(f'a/f1.png\n\n{line}\n')
    for option in ('clips', 'ann_file'):
        with pytest.raises(
            InputError,
            match=rf'l.txt \({option}\), line 3: .*mine.*'
            'leads out of .*frames.*allow_outside=True',
        ):
            clip_names(frames, clip_length=1, **{option: 'l.txt'})
    clips = clip_names(frames, clip_length=1, clips='l.txt', allow_outside=True)
    assert [os.path.normpath(name) for (name,) in clips] == ['a/f1.png', '../mine/f1.png']


def test_lists_may_name_their_own_folder(frames):
    (frames / 'l.txt').write_text(f'{frames}/a/f2.png\n')
    for option in ('clips', 'ann_file'):
        assert clip_names(frames, clip_length=1, **{option: 'l.txt'}) == [['a/f2.png']]
    made = ClipFolderDataset(str(frames), clips='l.txt', clip_length=1, pipeline=[])
    assert made.get_data_info(0)['seq_name'] == 'a'


def test_sequences_that_lead_outside(synthia):
    shutil.copytree(synthia / 'SYNTHIA-SEQS-04-DAWN', synthia.parent / 'mine')
    (synthia / 'l.txt').write_text('SYNTHIA-SEQS-04-DAWN\n../mine\n')
    options = dict(type='SynthiaSeqDataset', data_root=str(synthia), sequences='l.txt', pipeline=[])
    with pytest.raises(InputError, match=r'l.txt \(sequences\), line 2.*allow_outside=True'):
        DATASETS.build(options)
    assert len(DATASETS.build(dict(options, allow_outside=True))) == 8


def test_two_frames_of_one_number(viper):
    shutil.copy(viper / 'train/img/001/001_00001.jpg', viper / 'train/img/001/001_1.jpg')
    with pytest.raises(InputError, match='001_00001.jpg and 001_1.jpg have the same number'):
        DATASETS.build(dict(type='ViperSeqDataset', data_root=str(viper), pipeline=[]))


def test_order_through_links(frames):
    """That of the names."""
    (frames / 'aa').symlink_to(frames / 'b')
    (frames / 'c').symlink_to(frames.parent / 'mine')
    found = clip_names(frames, clip_length=1)
    assert np.ravel(found).tolist() == ['a/f1.png', 'a/f2.png', 'b/f1.png', 'c/f1.png']


@pytest.mark.parametrize(
    'line, words',
    [
        ('SYNTHIA-SEQS-02-DAWN/000001', 'not among'),
        ('Stereo_Left/Omni_B/000001', 'not among'),
        ('SYNTHIA-SEQS-04-DAWN/000001', ''),
        ('000001.png', ''),
        ('./000001.png', ''),
        ('SYNTHIA-SEQS-04-DAWN/RGB/Stereo_Left/Omni_F/000001.png', ''),
        ('Omni_F/000001.png', ''),
        ('GT/LABELS/Stereo_Left/Omni_F/000001.png', ''),
    ],
)
def test_split_file_with_a_frame_of_another_sequence(synthia, line, words):
    """Names are the same in all sequences; only one is used by default."""
    (synthia / 'split.txt').write_text(f'{line}\n')
    options = dict(
        type='SynthiaSeqDataset', data_root=str(synthia), pipeline=[], ann_file='split.txt'
    )
    if words:
        with pytest.raises(FileNotFoundError, match=words):
            DATASETS.build(options)
    else:
        info = DATASETS.build(options).get_data_info(0)
        assert info['img_path'].endswith('SYNTHIA-SEQS-04-DAWN/RGB/Stereo_Left/Omni_F/000001.png')


def test_split_file_with_sequences_in_sequences(frames, texture, write):
    """The path itself is meant, where another sequence ends in the same way."""
    for k, folder in enumerate(('a', 'b/a')):
        for n in range(2):
            write(frames / folder / f'x{n}.png', texture(k))
    (frames / 'split.txt').write_text('b/a/x1\na/x1\n')
    assert clip_names(frames, ann_file='split.txt') == [
        ['b/a/x0.png', 'b/a/x1.png'],
        ['a/x0.png', 'a/x1.png'],
    ]


@pytest.mark.parametrize('target', ['/gone/1.png', 'itself'])
def test_frames_that_are_links_to_nothing(data, target):
    """Found when the data set is made, and not when the frame is drawn."""
    items, _, folder = data
    image = next(path for path in sorted(folder.iterdir()) if path.is_file())
    (folder / 'notes').symlink_to('notes')
    items()
    image.unlink()
    image.symlink_to(image.name if target == 'itself' else target)
    with pytest.raises(InputError, match=f'{image.name} is a link to .* fetch'):
        items()


def test_lines_that_come_twice_count_once(viper):
    (viper / 'split.txt').write_text('001_00010\n001_00001\n001/001_00010.jpg\n001_00010\n')
    options = dict(type='ViperSeqDataset', data_root=str(viper), pipeline=[])
    made = DATASETS.build(dict(options, ann_file='split.txt'))
    names = [made.get_data_info(i)['frame_name'] for i in range(len(made))]
    assert names == ['001_00010', '001_00001']


def test_clips_that_come_twice_count_once(frames, monkeypatch):
    said = []
    monkeypatch.setattr('mmdavss.datasets.clip.print_log', lambda text, *_: said.append(text))
    (frames / 'l.txt').write_text('a/f2.png\na/f1.png\n./a/f2.png\na/f2.png\n')
    assert clip_names(frames, clips='l.txt', clip_length=1) == [['a/f2.png'], ['a/f1.png']]
    assert len(said) == 1 and 'l.txt lists 2 of 4 lines twice or more: each counts once' in said[0]


@pytest.mark.parametrize('encoding', ['utf-16-le', 'utf-16-be'])
@pytest.mark.parametrize('text', ['a/f1.png\n', 'a/f1.png a/f2.png\r\na/ü.png a/f2.png\r\n'])
def test_utf_16_without_a_mark(frames, encoding, text):
    (frames / 'l.txt').write_bytes(text.encode(encoding))
    with pytest.raises(InputError, match=r'l.txt is not text in UTF-8 \(UTF-16, perhaps\): save'):
        clip_names(frames, clips='l.txt')
