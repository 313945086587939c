import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmdavss.datasets import SHIFTDataset
from mmdavss.datasets.label_maps import SHIFT_14

LOAD = [dict(type='LoadClip'), dict(type='LoadClipAnnotations'), dict(type='PackClipInputs')]
#: Ids of SHIFT that are scored, in the order of the classes.
IDS = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 22]


def names(dataset):
    return [
        (info['seq_name'], info['frame_name'])
        for info in map(dataset.get_data_info, range(len(dataset)))
    ]


def test_discrete_and_continuous(shift):
    dataset = DATASETS.build(dict(type='SHIFTDataset', data_root=str(shift), pipeline=LOAD))
    first = [('0003-17fb', f'{n:08d}') for n in range(3)]
    assert names(dataset) == [*first, ('0aee-69fd', '00000000'), ('0aee-69fd', '00000001')]
    assert dataset[1]['inputs']['frames'].shape == (2, 3, 12, 20)
    continuous = SHIFTDataset(str(shift), shift='continuous/1x')
    assert {s for s, _ in names(continuous)} == {'00a1-0f2e', '0b5c-9d10'}
    assert continuous.get_data_info(0)['img_path'] == str(
        shift / 'continuous/videos/1x/train/front/img/00a1-0f2e/00000000_img_front.jpg'
    )


def test_images_are_ten_frames_apart(shift):
    """By default a clip holds successive images; an explicit distance is kept."""
    dataset = SHIFTDataset(str(shift), framerate='images')
    numbers = [
        [int(path[-22:-14]) for path in dataset.get_data_info(i)['frame_paths']] for i in range(3)
    ]
    assert numbers == [[0, 0], [0, 10], [10, 20]]
    with pytest.raises(FileNotFoundError, match='00000009_img_front.jpg is missing'):
        SHIFTDataset(str(shift), framerate='images', frame_distance=1)


@pytest.mark.parametrize('framerate', ['images', 'videos'])
def test_classes(shift, framerate):
    """The first channel holds the id, in masks of one channel and of three."""
    dataset = SHIFTDataset(str(shift), framerate=framerate, pipeline=LOAD)
    label = dataset[0]['data_samples'].gt_sem_seg.data.numpy().reshape(-1)[:23]
    expected = np.full(23, 255)
    expected[IDS] = range(14)
    np.testing.assert_array_equal(label, expected)
    # Of the table of the challenge.
    assert dict(zip(IDS, SHIFT_14.classes, strict=True)) == {
        1: 'building',
        2: 'fence',
        4: 'pedestrian',
        5: 'pole',
        6: 'road line',
        7: 'road',
        8: 'sidewalk',
        9: 'vegetation',
        10: 'vehicle',
        11: 'wall',
        12: 'traffic sign',
        13: 'sky',
        18: 'traffic light',
        22: 'terrain',
    }
    assert len(set(SHIFT_14.palette)) == 14


def test_conditions(shift):
    def sequences(**options):
        return {s for s, _ in names(SHIFTDataset(str(shift), **options))}

    assert sequences(weathers=['clear']) == {'0003-17fb'}
    assert sequences(times=['daytime', 'dawn/dusk']) == {'0003-17fb', '0aee-69fd'}
    assert sequences(times='dawn/dusk') == {'0aee-69fd'}
    assert sequences(shift='continuous/1x', shift_types=['clear_to_foggy']) == {'0b5c-9d10'}
    both = dict(weathers=['rainy', 'clear'], times=['daytime'])
    assert sequences(**both) == {'0003-17fb'}
    with pytest.raises(ValueError, match=r"weathers=\('haze',\).*seq.csv.*\['clear', 'rainy'\]"):
        sequences(weathers=['haze'])
    with pytest.raises(ValueError, match='no sequence of .*front/img has .*change these options'):
        sequences(weathers=['rainy'], times=['daytime'])


def test_broken_tables(shift):
    path = shift / 'discrete/videos/train/front/seq.csv'
    path.write_text('video,start_weather_fine\n0003-17fb,clear\n')
    with pytest.raises(ValueError, match=r'seq.csv has no column start_timeofday_coarse.*release'):
        SHIFTDataset(str(shift), times=['night'])
    assert len(SHIFTDataset(str(shift))) == 5  # it is not needed
    path.unlink()
    with pytest.raises(FileNotFoundError, match='seq.csv does not exist.*weathers.*group seq'):
        SHIFTDataset(str(shift), weathers=['clear'])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(shift='continuous'), "shift='continuous'.*'continuous/1x'"),
        (dict(framerate='video'), "framerate='video'"),
        (dict(view='center'), "view='center'"),
        (dict(split='trian'), "split='trian'"),
        (dict(split='minitest'), 'minitest.*not public.*with_labels=False'),
    ],
)
def test_bad_options(shift, options, message):
    with pytest.raises(ValueError, match=message):
        SHIFTDataset(str(shift), **options)


def test_packed_or_missing_frames(shift):
    front = shift / 'discrete/videos/train/front'
    (front / 'img').rename(front / 'frames')
    with pytest.raises(FileNotFoundError, match='front/img does not exist.*"SHIFT"'):
        SHIFTDataset(str(shift))
    (front / 'img.tar').write_bytes(b'')
    with pytest.raises(FileNotFoundError, match='img.tar does: unpack.*decompress_videos'):
        SHIFTDataset(str(shift))


def test_a_mask_of_another_kind(shift, write):
    dataset = SHIFTDataset(str(shift), pipeline=LOAD)
    path = shift / 'discrete/videos/train/front/semseg/0003-17fb/00000000_semseg_front.png'
    write(path, np.zeros((12, 20), np.uint16))
    with pytest.raises(ValueError, match='00000000_semseg_front.png.*8 bits.*mode I;16'):
        dataset[0]
    write(path, np.full((12, 20), 23, np.uint8))
    with pytest.raises(ValueError, match=r'00000000_semseg_front.png.*\[23\].*0 to 22'):
        dataset[0]
