"""Data sets of a few tiny frames in the official layouts, written for each test."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

SIZE = (12, 20)  # height, width
#: Of Cityscapes' classes, by hand.
COLOURS = {
    'road': (128, 64, 128),
    'sidewalk': (244, 35, 232),
    'building': (70, 70, 70),
    'wall': (102, 102, 156),
    'fence': (190, 153, 153),
    'pole': (153, 153, 153),
    'light': (250, 170, 30),
    'sign': (220, 220, 0),
    'vegetation': (107, 142, 35),
    'terrain': (152, 251, 152),
    'sky': (70, 130, 180),
    'person': (220, 20, 60),
    'rider': (255, 0, 0),
    'car': (0, 0, 142),
    'truck': (0, 0, 70),
    'bus': (0, 60, 100),
    'train': (0, 80, 100),
    'motorcycle': (0, 0, 230),
    'bicycle': (119, 11, 32),
}


def texture(seed, size=SIZE):
    """A smooth uint8 picture, different for every seed."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8), size[::-1])


def write(path, array):
    """Writes an image file and its folders; BGR for OpenCV."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
    return path


@pytest.fixture(name='texture')
def texture_fixture():
    return texture


@pytest.fixture(name='write')
def write_fixture():
    return write


def make_viper(tmp_path):
    """Two sequences of 12 and 3 frames in train, one of 2 in val; ids 0 to 31 in every label."""
    root = tmp_path / 'data' / 'viper'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 32).reshape(SIZE).astype(np.uint8)
    for split, sequence, count in (('train', '001', 12), ('train', '002', 3), ('val', '001', 2)):
        for n in range(1, count + 1):
            name = f'{sequence}/{sequence}_{n:05d}'
            write(root / split / 'img' / f'{name}.jpg', texture(n))
            write(root / split / 'cls' / f'{name}.png', ids)
    return root


def make_synthia(tmp_path):
    """04-DAWN with 4 frames of 19 rows: the lowest 3 are those that papers cut (120 of 760)."""
    root = tmp_path / 'data' / 'synthia_seq'
    size = (19, 32)
    ids = (np.arange(size[0] * size[1]) % 16).reshape(size).astype(np.uint16)
    # Red holds the id, green the instance: an id that is read from another channel is wrong.
    label = np.stack([ids * 0, ids + 300, ids], axis=-1)  # BGR
    for n in range(4):
        sequence = root / 'SYNTHIA-SEQS-04-DAWN'
        write(sequence / 'RGB' / 'Stereo_Left' / 'Omni_F' / f'{n:06d}.png', texture(n, size))
        write(sequence / 'GT' / 'LABELS' / 'Stereo_Left' / 'Omni_F' / f'{n:06d}.png', label)
    return root


def make_cityscapes(tmp_path):
    """A drive of one snippet and a drive of two, frames 17 to 19 of each; one snippet in val.

    The annotated frames are in leftImg8bit too.
    """
    root = tmp_path / 'data' / 'cityscapes'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 34).reshape(SIZE).astype(np.uint8)
    for split, drive, current in (
        ('train', 'aachen_000000', 19),
        ('train', 'hamburg_000000', 42),
        ('train', 'hamburg_000000', 104),
        ('val', 'munster_000000', 19),
    ):
        city = drive.split('_')[0]
        for n in range(current - 2, current + 1):
            write(
                root / 'leftImg8bit_sequence' / split / city / f'{drive}_{n:06d}_leftImg8bit.png',
                texture(n),
            )
        write(root / 'gtFine' / split / city / f'{drive}_{current:06d}_gtFine_labelIds.png', ids)
        write(
            root / 'leftImg8bit' / split / city / f'{drive}_{current:06d}_leftImg8bit.png',
            texture(current),
        )
    return root


def make_cityscapes_vps(tmp_path):
    """Two clips of one drive in train, one after the other, and one in val; ids 0 to 18 and void.

    Of each clip the labelled frames 4, 9 and 19, with the frame before, and frame 20.
    """
    root = tmp_path / 'data' / 'cityscapes_vps'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 20).reshape(SIZE).astype(np.uint8)
    ids[ids == 19] = 255
    for split, clip, drive, start in (
        ('train', 1, 'frankfurt_000000', 275),
        ('train', 2, 'frankfurt_000000', 305),
        ('val', 5, 'munster_000173', 0),
    ):
        for n in (3, 4, 8, 9, 18, 19, 20):
            name = f'{drive}_{start + n:06d}'
            write(root / split / 'img_all' / f'{name}_leftImg8bit.png', texture(n))
            if n % 5 == 4:
                name = f'{clip:04d}_{6 * (clip - 1) + n // 5 + 1:04d}_{name}'
                image, label = (
                    ('leftImg8bit', 'gtFine_color') if n == 19 else ('newImg8bit', 'final_mask')
                )
                write(root / split / 'img' / f'{name}_{image}.png', texture(n))
                write(root / split / 'labelmap' / f'{name}_{label}.png', ids)
    return root


def make_gta(tmp_path):
    """Three images; ids 0 to 34 in every label, as palette images."""
    root = tmp_path / 'data' / 'gta'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 35).reshape(SIZE).astype(np.uint8)
    label = Image.frombytes('P', SIZE[::-1], ids.tobytes())
    # The colours of the classes as in the release, which gives black to all other ids.
    palette = np.zeros((35, 3), np.uint8)
    for name, i in dict(
        road=7,
        sidewalk=8,
        building=11,
        wall=12,
        fence=13,
        pole=17,
        light=19,
        sign=20,
        vegetation=21,
        terrain=22,
        sky=23,
        person=24,
        rider=25,
        car=26,
        truck=27,
        bus=28,
        train=31,
        motorcycle=32,
        bicycle=33,
    ).items():
        palette[i] = COLOURS[name]
    label.putpalette(palette.tobytes())
    (root / 'labels').mkdir(parents=True)
    for n in range(1, 4):
        write(root / 'images' / f'{n:05d}.png', texture(n))
        label.save(root / 'labels' / f'{n:05d}.png')
    return root


def make_synthia_rand(tmp_path):
    """Two images; ids 0 to 22 in the red channel of every label."""
    root = tmp_path / 'data' / 'synthia_rand'
    size = (19, 32)
    ids = (np.arange(size[0] * size[1]) % 23).reshape(size).astype(np.uint16)
    label = np.stack([ids * 0, ids + 300, ids], axis=-1)  # BGR
    for n in range(2):
        write(root / 'RGB' / f'{n:07d}.png', texture(n, size))
        write(root / 'GT' / 'LABELS' / f'{n:07d}.png', label)
    return root


def make_dark_zurich(tmp_path):
    """Three night and two day images to train with, one night image in val; lists of pairs."""
    root = tmp_path / 'data' / 'dark_zurich'
    for n, name in enumerate(
        (
            'train/night/GOPR0351/GOPR0351_frame_000001',
            'train/night/GOPR0351/GOPR0351_frame_000002',
            'train/night/GOPR0352/GOPR0352_frame_000001',
            'train/day/GOPR0345/GOPR0345_frame_000081',
            'train/day/GOPR0345/GOPR0345_frame_000082',
            'val/night/GOPR0356/GOPR0356_frame_000321',
        )
    ):
        write(root / 'rgb_anon' / f'{name}_rgb_anon.png', texture(n))
    ids = (np.arange(SIZE[0] * SIZE[1]) % 20).reshape(SIZE).astype(np.uint8)
    ids[ids == 19] = 255
    write(root / 'gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png', ids)
    for recording, pairs in (('GOPR0351', ((1, 82), (2, 81))), ('GOPR0352', ((1, 82),))):
        folder = root / 'corresp' / 'train' / 'night'
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{recording}.csv').write_text(
            ''.join(
                f'train/night/{recording}/{recording}_frame_{night:06d},'
                f'train/day/GOPR0345/GOPR0345_frame_{day:06d}\n'
                for night, day in pairs
            )
        )
    return root


def make_acdc(tmp_path):
    """Two recordings of fog and one by night, with reference images; labels of train and val.

    One recording in val, of snow, and one in test, of rain. In `train_ref` one image has a label.
    """
    root = tmp_path / 'data' / 'acdc'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 20).reshape(SIZE).astype(np.uint8)
    ids[ids == 19] = 255
    for condition, split, recording, frames in (
        ('fog', 'train', 'GOPR0475', (41, 42, 77)),
        ('fog', 'train', 'GP010475', (41,)),
        ('night', 'train', 'GOPR0351', (41, 92)),
        ('snow', 'val', 'GP020604', (123,)),
        ('rain', 'test', 'GOPR0572', (145,)),
    ):
        for n in frames:
            name = f'{recording}/{recording}_frame_{n:06d}'
            images, labels = root / 'rgb_anon' / condition, root / 'gt' / condition
            write(images / split / f'{name}_rgb_anon.png', texture(n))
            write(images / f'{split}_ref' / f'{name}_rgb_ref_anon.png', texture(n + 1000))
            if split != 'test':
                write(labels / split / f'{name}_gt_labelTrainIds.png', ids)
    write(
        root / 'gt/fog/train_ref/GOPR0475/GOPR0475_frame_000041_gt_ref_labelTrainIds.png', ids[::-1]
    )
    for condition in ('night', 'rain', 'snow', 'fog'):
        for split in ('train', 'val', 'test', 'train_ref', 'val_ref', 'test_ref'):
            (root / 'rgb_anon' / condition / split).mkdir(parents=True, exist_ok=True)
    return root


def make_bddvid(tmp_path):
    """Two clips of 9 frames in train, one in val with another frame 307 in `val_orig_10k`."""
    root = tmp_path / 'data' / 'bddvid'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 20).reshape(SIZE).astype(np.uint8)
    ids[ids == 19] = 255
    for split, video in (
        ('train', '00054602-3bf57337'),
        ('train', 'fe1f2409-5b415eb7'),
        ('val', '0010bf16-a457685b'),
    ):
        for n in range(303, 312):
            write(root / split / 'images' / f'{video}_{n}.jpg', texture(n))
            write(
                root / f'{split}_orig_10k' / 'images' / f'{video}_{n}.jpg', texture(n + (n == 307))
            )
        write(root / split / 'labels' / f'{video}_307.png', ids)
    return root


def make_kitti_step(tmp_path):
    """Two sequences of 4 and 2 frames in train, one in val, one without labels in test.

    Ids 0 to 18 and void; where the id is 13 (car), the number of the car is 300 plus the frame's.
    """
    root = tmp_path / 'data' / 'kitti_step'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 20).reshape(SIZE).astype(np.uint8)
    ids[ids == 19] = 255
    for split, sequence, count in (
        ('train', '0000', 4),
        ('train', '0001', 2),
        ('val', '0002', 3),
        ('test', '0000', 2),
    ):
        for n in range(count):
            write(root / 'images' / split / sequence / f'{n:06d}.png', texture(n))
            tracks = np.where(ids == 13, 300 + n, 0)
            label = np.stack([tracks % 256, tracks // 256, ids], axis=-1)  # BGR
            if split != 'test':
                path = root / 'panoptic_maps' / split / sequence / f'{n:06d}.png'
                write(path, label.astype(np.uint8))
    return root


def make_vspw(tmp_path):
    """Two videos in train and one in val, whose frames have no regular numbers; ids 0 to 124."""
    root = tmp_path / 'data' / 'vspw'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 126).reshape(SIZE).astype(np.uint8)
    ids[ids == 125] = 255
    for split, video, numbers in (
        ('train', '1001_5z_ijQjUf_0', (1, 3, 8)),
        ('train', '0_wHCy0fpbqiE', (12, 13)),
        ('val', '1476_75AL-XN84cI', (90, 102)),
        ('test', '988_f_Xvy_DCPt8', (1,)),
    ):
        root.mkdir(parents=True, exist_ok=True)
        with (root / f'{split}.txt').open('a') as file:
            file.write(f'{video}\n')
        for n in numbers:
            write(root / f'data/{video}/origin/{n:08d}.jpg', texture(n))
            if split != 'test':
                write(root / f'data/{video}/mask/{n:08d}.png', ids)
    return root


def make_shift(tmp_path):
    """Discrete images and videos and continuous videos of the front view; ids 0 to 22.

    In the videos, labels have one channel, in the images three, of which the first holds the id.
    """
    root = tmp_path / 'data' / 'shift'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 23).reshape(SIZE).astype(np.uint8)
    colour = np.stack([ids + 100, ids + 50, ids], axis=-1)  # BGR
    table = {}
    for folder, sequence, numbers, row in (
        ('discrete/images/train', '0003-17fb', (0, 10, 20), ',clear,daytime'),
        ('discrete/images/val', '007b-4e72', (0, 10), ',foggy,night'),
        ('discrete/videos/train', '0003-17fb', (0, 1, 2), ',clear,daytime'),
        ('discrete/videos/train', '0aee-69fd', (0, 1), ',rainy,dawn/dusk'),
        ('continuous/videos/1x/train', '00a1-0f2e', (0, 1, 2), 'daytime_to_night,clear,daytime'),
        ('continuous/videos/1x/train', '0b5c-9d10', (0, 1), 'clear_to_foggy,clear,daytime'),
        ('continuous/videos/1x/val', '1c22-77aa', (0, 1), 'clear_to_rainy,cloudy,night'),
    ):
        table.setdefault(folder, []).append(f'{sequence},{row}\n')
        for n in numbers:
            front = root / folder / 'front'
            write(front / f'img/{sequence}/{n:08d}_img_front.jpg', texture(n))
            label = colour if '/images/' in folder else ids
            write(front / f'semseg/{sequence}/{n:08d}_semseg_front.png', label)
    for folder, rows in table.items():
        (root / folder / 'front/seq.csv').write_text(
            'video,shift_type,start_weather_coarse,start_timeofday_coarse\n' + ''.join(rows)
        )
    return root


CAMVID_NAMES = (
    '0001TP_006690',
    '0001TP_006720',
    '0006R0_f00930',
    '0006R0_f00960',
    '0006R0_f01020',
    '0016E5_00390',
    '0016E5_07959',
    '0016E5_07961',
    'Seq05VD_f00000',
)


def make_camvid(tmp_path):
    """All four sequences, with id masks."""
    root = tmp_path / 'data' / 'camvid'
    ids = (np.arange(SIZE[0] * SIZE[1]) % 12).reshape(SIZE).astype(np.uint8)
    for i, name in enumerate(CAMVID_NAMES):
        write(root / 'images' / f'{name}.jpg', texture(i))
        write(root / 'labels' / f'{name}.png', ids)
    return root


def make_all(tmp_path):
    """All data sets in the default folders of the configs, ``data/...``."""
    roots = {name: make(tmp_path) for name, make in MAKERS.items()}
    mini = tmp_path / 'data' / 'minidrive'
    mini.mkdir()
    # Halves of the dusk sequence with two pairs of frames each.
    for kind, tail in (('images', '.jpg'), ('labels', '.png')):
        folder = roots['camvid'] / kind
        (first, *_) = sorted(folder.glob('0001TP_*'))
        for n in range(4):
            (folder / f'0001TP_9{n:05d}{tail}').write_bytes(first.read_bytes())
    for name in ('viper', 'synthia', 'cityscapes', 'cityscapes_vps', 'gta', 'camvid', 'shift'):
        (mini / roots[name].name).symlink_to(roots[name])
    # All frames of the two training clips of Cityscapes-VPS, which are of Cityscapes' val.
    frames = roots['cityscapes_vps'] / 'train/img_all'
    for n in range(275, 335):
        path = frames / f'frankfurt_000000_{n:06d}_leftImg8bit.png'
        if not path.exists():
            path.write_bytes(next(frames.iterdir()).read_bytes())
    (roots['cityscapes'] / 'leftImg8bit_sequence/val/frankfurt').symlink_to(frames)
    return tmp_path


MAKERS = {
    make.__name__.removeprefix('make_'): make
    for make in (
        make_viper,
        make_synthia,
        make_cityscapes,
        make_cityscapes_vps,
        make_gta,
        make_synthia_rand,
        make_dark_zurich,
        make_acdc,
        make_bddvid,
        make_kitti_step,
        make_shift,
        make_vspw,
        make_camvid,
    )
}


def _fixture(name, make):

    @pytest.fixture(name=name)
    def fixture(tmp_path):
        return make(tmp_path)

    return fixture


for _name, _make in MAKERS.items():
    globals()[f'{_name}_fixture'] = _fixture(_name, _make)


@pytest.fixture(scope='session')
def read_only_data(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp('all'))


@pytest.fixture
def data(read_only_data, monkeypatch):
    """All data sets, in ``data/``, for tests that write nothing: made once."""
    monkeypatch.chdir(read_only_data)


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """The same for one test alone; the folder that has ``data/``."""
    monkeypatch.chdir(tmp_path)
    return make_all(tmp_path)
