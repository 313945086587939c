from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmdavss.datasets.label_maps import (
    CAMVID_COLOUR,
    CITYSCAPES_12,
    CITYSCAPES_15,
    CITYSCAPES_19,
    CITYSCAPES_VPS_12,
    CITYSCAPES_VPS_15,
    CLASSES_11,
    CLASSES_13,
    CLASSES_16,
    CLASSES_19,
    DARK_ZURICH_19,
    GTA_19,
    ROWS,
    SYNTHIA_12,
    SYNTHIA_RAND_19,
    VIPER_15,
    ego_vehicle,
)

# From the reference arrays, computed with the public code of DA-VSN, TPS, SFC and DAFormer.
GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


@pytest.mark.parametrize(
    'labels, key',
    [
        (VIPER_15, 'viper15'),
        (SYNTHIA_12, 'synthiaseq12'),
        (CITYSCAPES_15, 'cityscapes15'),
        (CITYSCAPES_12, 'cityscapes12'),
        (GTA_19, 'gta19'),
        (SYNTHIA_RAND_19, 'synthiarand19'),
    ],
)
def test_golden_tables(labels, key):
    golden = np.load(GOLDEN / 'label_maps_applied.npz')
    raw = golden[f'{key}_raw']
    expected = golden[f'{key}_train']
    if labels.ego_id is not None:  # these tables leave the own vehicle in
        expected = np.where(ego_vehicle(raw, labels.ego_id), 255, expected)
    np.testing.assert_array_equal(labels.to_train_ids(raw, 'a.png'), expected)


def test_golden_ego_vehicle():
    golden = np.load(GOLDEN / 'viper_ego_vehicle.npz')
    train = VIPER_15.to_train_ids(golden['raw'], 'a.png')
    assert train.dtype == np.uint8
    np.testing.assert_array_equal(train, golden['train'])


def test_ego_vehicle_is_8_connected_from_the_middle_of_the_bottom():
    ids = np.array([[24, 0, 0, 0, 24], [0, 24, 0, 0, 24], [0, 0, 24, 0, 24]])
    expected = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]], bool)
    np.testing.assert_array_equal(ego_vehicle(ids, 24), expected)
    ids[2, 2] = 3
    assert not ego_vehicle(ids, 24).any()


def test_viper_and_cityscapes_have_the_same_classes():
    assert VIPER_15.classes == CITYSCAPES_15.classes and len(VIPER_15.classes) == 15
    assert SYNTHIA_12.classes == CITYSCAPES_12.classes and len(SYNTHIA_12.classes) == 12
    assert set(SYNTHIA_12.classes) - set(CLASSES_11) == {'fence'}


def test_19_classes_are_those_of_cityscapes():
    for labels in (CITYSCAPES_19, GTA_19, SYNTHIA_RAND_19, DARK_ZURICH_19):
        assert labels.classes == CLASSES_19 and labels.palette == CITYSCAPES_19.palette
    # Ids of Cityscapes and, one more, of GTAV.
    ids = np.arange(34)
    np.testing.assert_array_equal(
        CITYSCAPES_19.to_train_ids(ids, 'a.png'), GTA_19.to_train_ids(ids, 'a.png')
    )
    # By their train ids: those that SYNTHIA lacks, and those that older papers leave out as well.
    assert [CLASSES_19.index(c) for c in CLASSES_19 if c not in CLASSES_16] == [9, 14, 16]
    assert [CLASSES_19.index(c) for c in CLASSES_16 if c not in CLASSES_13] == [3, 4, 5]
    # Subsets of the 15 and 12 classes go by name.
    assert set(CITYSCAPES_15.classes) | set(CITYSCAPES_12.classes) < set(CLASSES_19)


def test_void_outside_of_the_ids():
    train = DARK_ZURICH_19.to_train_ids(np.array([0, 18, 255]), 'a.png')
    np.testing.assert_array_equal(train, [0, 18, 255])
    with pytest.raises(ValueError, match=r'\[19, 254\].*0 to 18, 255'):
        DARK_ZURICH_19.to_train_ids(np.array([19, 254]), 'a.png')


# Train ids of Cityscapes in their order, by name: None is void in these classes.
@pytest.mark.parametrize(
    'labels, names',
    [
        (
            CITYSCAPES_VPS_15,
            [
                'road',
                'sidewalk',
                'building',
                None,
                'fence',
                None,
                'light',
                'sign',
                'vegetation',
                'terrain',
                'sky',
                'person',
                'person',
                'car',
                'truck',
                'bus',
                None,
                'motorcycle',
                'bicycle',
            ],
        ),
        (
            CITYSCAPES_VPS_12,
            [
                'road',
                'sidewalk',
                'building',
                None,
                'fence',
                'pole',
                'light',
                'sign',
                'vegetation',
                None,
                'sky',
                'person',
                'rider',
                'car',
                None,
                None,
                None,
                None,
                None,
            ],
        ),
    ],
)
def test_cityscapes_vps(labels, names):
    expected = [255 if name is None else labels.classes.index(name) for name in names]
    ids = np.array([*range(19), 255])
    np.testing.assert_array_equal(labels.to_train_ids(ids, 'a.png'), [*expected, 255])
    with pytest.raises(ValueError, match=r'\[19, 254\].*0 to 18, 255'):
        labels.to_train_ids(np.array([19, 254]), 'a.png')
    # The classes are those of the sources, and of Cityscapes-Seq.
    assert labels.classes in (VIPER_15.classes, SYNTHIA_12.classes)


def test_panoptic_ids_have_the_instance_behind_the_id():
    labels = replace(CITYSCAPES_VPS_15, encoding='panoptic')
    ids = labels.decode(np.array([0, 18, 255, 11000, 11999, 18003], np.int32), 'a.png')
    np.testing.assert_array_equal(ids, [0, 18, 255, 11, 11, 18])
    train = labels.to_train_ids(ids, 'a.png')
    np.testing.assert_array_equal(train, [0, 14, 255, 9, 9, 14])
    bytes_only = np.array([0, 18, 255], np.uint8)
    np.testing.assert_array_equal(labels.decode(bytes_only, 'a.png'), bytes_only)


def test_unknown_ids_name_file_and_ids():
    with pytest.raises(ValueError, match=r'x/7\.png.*\[32, 250\].*official'):
        VIPER_15.to_train_ids(np.array([[3, 32], [250, 4]]), 'x/7.png')


def test_subset_of_classes():
    labels = CITYSCAPES_15.subset(['car', 'road'])
    train = labels.to_train_ids(np.array([[7, 26, 24]]), 'a.png')
    np.testing.assert_array_equal(train, [[1, 0, 255]])
    assert labels.palette == ((0, 0, 142), (128, 64, 128))
    with pytest.raises(ValueError, match='tram'):
        CITYSCAPES_15.subset(['tram'])


# Colours of CamVid's label_colors.txt, and the class of the 11 by name.
@pytest.mark.parametrize(
    'colour, name',
    [
        ((128, 128, 128), 'sky'),
        ((128, 0, 0), 'building'),
        ((64, 192, 0), 'building'),
        ((0, 128, 64), 'building'),
        ((192, 0, 128), 'building'),
        ((64, 0, 64), 'building'),
        ((192, 192, 128), 'pole'),
        ((0, 0, 64), 'pole'),
        ((128, 64, 128), 'road'),
        ((128, 0, 192), 'road'),
        ((192, 0, 64), 'road'),
        ((0, 0, 192), 'pavement'),
        ((64, 192, 128), 'pavement'),
        ((128, 128, 192), 'pavement'),
        ((128, 128, 0), 'tree'),
        ((192, 192, 0), 'tree'),
        ((192, 128, 128), 'sign symbol'),
        ((128, 128, 64), 'sign symbol'),
        ((0, 64, 64), 'sign symbol'),
        ((64, 64, 128), 'fence'),
        ((64, 0, 128), 'car'),
        ((64, 128, 192), 'car'),
        ((192, 128, 192), 'car'),
        ((192, 64, 128), 'car'),
        ((128, 64, 64), 'car'),
        ((64, 64, 0), 'pedestrian'),
        ((192, 128, 64), 'pedestrian'),
        ((64, 0, 192), 'pedestrian'),
        ((64, 128, 64), 'pedestrian'),
        ((0, 128, 192), 'bicyclist'),
        ((192, 0, 192), 'bicyclist'),
        ((0, 0, 0), None),
    ],
)
def test_camvid_colours(colour, name):
    image = np.array([[colour]], np.uint8)
    train = CAMVID_COLOUR.to_train_ids(CAMVID_COLOUR.decode(image, 'a.png'), 'a.png')
    assert train.item() == (255 if name is None else CAMVID_COLOUR.classes.index(name))


def test_unknown_colour_names_file_and_colour():
    image = np.array([[(128, 0, 0), (1, 2, 3)]], np.uint8)
    with pytest.raises(ValueError, match=r'y_L\.png: 1 pixel has.*\(1, 2, 3\)'):
        CAMVID_COLOUR.decode(image, 'y_L.png')


def test_colours_by_a_table():
    """Random pixels, in more rows than are decoded at a time, against a loop."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, len(CAMVID_COLOUR.colours), (ROWS + 5, 7))
    image = np.array(CAMVID_COLOUR.colours, np.uint8)[ids]
    np.testing.assert_array_equal(CAMVID_COLOUR.decode(image, 'a.png'), ids)
    image[ROWS:, 3] = (4, 5, 6)
    image[0, 0] = (4, 2, 6)
    with pytest.raises(ValueError, match=r'6 pixels have.*RGB \(4, 2, 6\), \(4, 5, 6\)\. Use'):
        CAMVID_COLOUR.decode(image, 'a.png')


def test_a_class_twice():
    """The second would never get a pixel."""
    with pytest.raises(ValueError, match=r"the classes \['road'\] more than once"):
        CITYSCAPES_15.subset(['road', 'sky', 'road'])
