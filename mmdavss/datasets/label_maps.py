"""Official label ids of the data sets, and the training classes that papers map them to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from mmdavss.utils.errors import InputError, number_of

IGNORE = 255
#: Rows of a label that are decoded at a time: the intermediate results stay in the cache.
ROWS = 32
RGB = tuple[int, int, int]


@dataclass(frozen=True)
class LabelSet:
    """How a data set stores its labels, and which training class each official id becomes.

    Attributes:
        name: Name of the data set, for messages.
        classes: Names of the training classes.
        palette: One RGB colour for each class.
        train_ids: Training class of each official id; all other official ids are ignored (255).
        official: Number of official ids; they are 0 to ``official - 1``.
        encoding: What the files hold: ``ids`` (one channel, or a palette image), ``panoptic`` (one
            channel, the id or 1000 times the id plus the number of the instance), ``red`` (16-bit
            colour image with the id in the red channel), ``first`` (the id in the first channel of
            8 bits, whatever the others hold), ``tracks`` (8-bit RGB: the id in red, the number of
            the instance, the same in all frames, is 256 times green plus blue) or ``colour`` (RGB
            codes).
        colours: RGB of each official id: the codes in the files for ``colour``; for the other
            encodings, what a mask's palette must agree with (default: the palette of the classes;
            empty if no table was published).
        official_palette: Whether the official masks have a palette, equal to `colours`; masks whose
            classes have other colours are rejected.
        ego_id: Official id of the ego vehicle's region, if it has to be ignored.
        void_ids: Official ids of unlabelled pixels that are not below `official`.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[RGB, ...]
    train_ids: Mapping[int, int]
    official: int
    encoding: str = 'ids'
    colours: tuple[RGB, ...] | None = None
    ego_id: int | None = None
    void_ids: tuple[int, ...] = ()
    official_palette: bool = False

    def subset(self, classes: Sequence[str]) -> LabelSet:
        """The same labels with fewer classes, in the order given; the others are ignored.

        Raises:
            ValueError: If a name is not one of the classes, or there twice.
        """
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise ValueError(
                f'{self.name}: metainfo asks for the classes {unknown}, but the '
                f'classes are {self.classes}.'
            )
        if twice := sorted({name for name in classes if list(classes).count(name) > 1}):
            raise ValueError(f'{self.name}: metainfo asks for the classes {twice} more than once.')
        old = [self.classes.index(name) for name in classes]
        return replace(
            self,
            classes=tuple(classes),
            palette=tuple(self.palette[k] for k in old),
            train_ids={i: old.index(k) for i, k in self.train_ids.items() if k in old},
        )

    @property
    def metainfo(self) -> dict:
        """``classes`` and ``palette``, as in mmseg's METAINFO."""
        return dict(classes=self.classes, palette=[list(colour) for colour in self.palette])

    @cached_property
    def _table(self) -> np.ndarray:
        """Training class of every 16-bit value, -1 where it is not an official id."""
        table = np.full(1 << 16, -1, np.int16)
        table[: self.official] = IGNORE
        table[list(self.void_ids)] = IGNORE
        for official, train in self.train_ids.items():
            table[official] = train
        return table

    @cached_property
    def _ids_of_colours(self) -> np.ndarray:
        """Official id of every 24-bit code (blue, green, red); elsewhere one more than the last."""
        colours = self.colours or ()
        table = np.full(1 << 24, len(colours), np.min_scalar_type(len(colours)))
        for i, (r, g, b) in enumerate(colours):
            table[b << 16 | g << 8 | r] = i
        return table

    @cached_property
    def _owners(self) -> dict[tuple[int, ...], set[int]]:
        """Official ids of each colour."""
        owners: dict[tuple[int, ...], set[int]] = {}
        colours = self.train_ids if self.colours is None else range(len(self.colours))
        for i in colours:
            colour = self.palette[self.train_ids[i]] if self.colours is None else self.colours[i]
            owners.setdefault(tuple(colour), set()).add(i)
        # Programs write black for entries unknown to them.
        owners.pop((0, 0, 0), None)
        return owners

    def check_palette(self, used: Iterable[int], palette: Sequence[int], path: str) -> None:
        """Checks that the indices of a palette image can be label ids.

        A program that reorders a palette changes all indices, but nothing visible.

        Args:
            used: Indices that occur in the image.
            palette: Red, green and blue of index 0, of index 1, and so on.
            path: File of the label, for messages.

        Raises:
            InputError: If an index has the colour of another id, or all have greys other than their
                own; or, if official masks have a palette, if a class has another colour.
        """
        found = {int(i): tuple(palette[3 * i : 3 * i + 3]) for i in used}
        if all(colour == (i, i, i) for i, colour in found.items()):
            return
        black = (0, 0, 0)
        grey = all(
            len(set(colour)) == 1 and colour not in self._owners for colour in found.values()
        )
        for i, colour in found.items():
            owners = self._owners.get(colour)
            if self.official_palette and self.colours is not None and i in self.train_ids:
                wrong = colour not in (self.colours[i], black)
            else:
                wrong = i not in owners if owners else grey and colour not in (black, (i, i, i))
            if wrong:
                whose = f' (of id {min(owners)})' if owners else ''
                raise InputError(
                    f'{path}: the palette gives index {i} the colour {colour}{whose}, which is not '
                    f'that of the id {i} of {self.name}: a program has reordered the palette. '
                    'Use the official masks as they are; if the indices are right, save the mask '
                    'without a palette (grey, 8 bits).'
                )

    def decode(self, image: np.ndarray, path: str) -> np.ndarray:
        """Converts a label image to official ids.

        Args:
            image: (H, W) ids, or (H, W, 3) RGB colour codes for ``encoding='colour'``.
            path: File of the label, for messages.

        Returns:
            (H, W) official ids, not checked if the file holds ids.

        Raises:
            ValueError: For a colour that is not in the table.
        """
        if self.encoding == 'panoptic' and image.dtype != np.uint8:  # 8 bits have no room for more
            return np.where(image < 1000, image, image // 1000)
        if self.encoding != 'colour':
            return image
        table = self._ids_of_colours
        ids = np.empty(image.shape[:2], table.dtype)
        for top in range(0, len(image), ROWS):
            # The bytes of a pixel as one number; alpha is 255.
            rgba = cv2.cvtColor(image[top : top + ROWS], cv2.COLOR_RGB2RGBA)
            table.take(rgba.view('<u4')[..., 0] & 0xFFFFFF, out=ids[top : top + ROWS], mode='clip')
        if ids.max() == len(self.colours or ()):
            wrong = image[ids == ids.max()]
            found = np.unique(wrong, axis=0).tolist()
            colours = ', '.join(str(tuple(colour)) for colour in found[:5])
            raise InputError(
                f'{path}: {number_of(len(wrong), "pixel")} '
                f'{"has" if len(wrong) == 1 else "have"} colours that {self.name} does not '
                f'define, RGB {colours}{" ..." if len(found) > 5 else ""}. Use the official masks, '
                'not resized, recoloured or saved as JPEG.'
            )
        return ids

    def to_train_ids(self, ids: np.ndarray, path: str) -> np.ndarray:
        """Maps official ids to training classes.

        Args:
            ids: (H, W), official ids.
            path: File of the label, for messages.

        Returns:
            (H, W), uint8: training classes, 255 for ignored pixels.

        Raises:
            ValueError: For ids that are not official.
        """
        if ids.dtype == np.uint8:
            train = cv2.LUT(ids, self._table[:256])
        else:
            train = self._table.take(ids)
        if train.min() < 0:
            unknown = np.unique(ids[train < 0]).tolist()
            void = ''.join(f', {i}' for i in self.void_ids)
            raise InputError(
                f'{path}: has the label ids {unknown[:10]}, which are not among the official ids '
                f'of {self.name} (0 to {self.official - 1}{void}). The files must be the official '
                'masks: ids are mapped to training classes when they are loaded; masks that '
                'were already converted to training ids do not work.'
            )
        train = train.astype(np.uint8)
        if self.ego_id is not None:
            train[ego_vehicle(ids, self.ego_id)] = IGNORE
        return train


def ego_vehicle(ids: np.ndarray, ego_id: int) -> np.ndarray:
    """Region of the car that carries the camera.

    This is the 8-connected region of `ego_id` that contains the middle pixel of the bottom row
    (evaluation protocol of DA-VSN and SFC).

    Args:
        ids: (H, W), official ids.
        ego_id: Official id of the ego vehicle's region.

    Returns:
        (H, W), bool: true inside the region.
    """
    height, width = ids.shape
    region = np.zeros((height + 2, width + 2), np.uint8)
    seed = (width // 2, height - 1)
    if ids[seed[::-1]] == ego_id:
        same = (ids == ego_id).astype(np.uint8)
        cv2.floodFill(same, region, seed, 0, flags=8 | cv2.FLOODFILL_MASK_ONLY | 1 << 8)
    return region[1:-1, 1:-1].astype(bool)


def colour_map(count: int) -> tuple[RGB, ...]:
    """Colours of the first ids in the colour map of PASCAL VOC, all different, black first.

    The bits of an id, three at a time from the lowest, are bits of red, green and blue, from the
    highest.
    """

    def channel(i: int, which: int) -> int:
        return sum((i >> 3 * place + which & 1) << 7 - place for place in range(8))

    return tuple((channel(i, 0), channel(i, 1), channel(i, 2)) for i in range(count))


_COLOURS: dict[str, RGB] = {
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

CLASSES_15 = (
    'road',
    'sidewalk',
    'building',
    'fence',
    'light',
    'sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'car',
    'truck',
    'bus',
    'motorcycle',
    'bicycle',
)
CLASSES_12 = (
    'road',
    'sidewalk',
    'building',
    'fence',
    'pole',
    'light',
    'sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
)
#: Classes reported for SYNTHIA-Seq -> Cityscapes-Seq: fence is trained, but not in the mean.
CLASSES_11 = tuple(name for name in CLASSES_12 if name != 'fence')
#: Classes of Cityscapes, in the order of its train ids.
CLASSES_19 = (
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'light',
    'sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'train',
    'motorcycle',
    'bicycle',
)
#: Classes reported for SYNTHIA-RAND-CITYSCAPES -> Cityscapes: all that SYNTHIA has, and those that
#: older papers report.
CLASSES_16 = tuple(name for name in CLASSES_19 if name not in ('terrain', 'truck', 'train'))
CLASSES_13 = tuple(name for name in CLASSES_16 if name not in ('wall', 'fence', 'pole'))


def _palette(classes: Sequence[str]) -> tuple[RGB, ...]:
    return tuple(_COLOURS[name] for name in classes)


#: Colours of Cityscapes' label ids (labels.py of cityscapesScripts), then of licence plates; the
#: colour of id 4, black there, is GTAV's.
_CITYSCAPES_COLOURS: tuple[RGB, ...] = (
    (0, 0, 0),
    (0, 0, 0),
    (0, 0, 0),
    (0, 0, 0),
    (20, 20, 20),
    (111, 74, 0),
    (81, 0, 81),
    (128, 64, 128),
    (244, 35, 232),
    (250, 170, 160),
    (230, 150, 140),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (180, 165, 180),
    (150, 100, 100),
    (150, 120, 90),
    (153, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 0, 90),
    (0, 0, 110),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
    (0, 0, 142),
)

#: Colours of VIPER's ids (classes.csv of the release).
_VIPER_COLOURS: tuple[RGB, ...] = (
    (0, 0, 0),
    (111, 74, 0),
    (70, 130, 180),
    (128, 64, 128),
    (244, 35, 232),
    (230, 150, 140),
    (152, 251, 152),
    (87, 182, 35),
    (35, 142, 35),
    (70, 70, 70),
    (153, 153, 153),
    (190, 153, 153),
    (150, 20, 20),
    (250, 170, 30),
    (220, 220, 0),
    (180, 180, 100),
    (173, 153, 153),
    (168, 153, 153),
    (81, 0, 21),
    (81, 0, 81),
    (220, 20, 60),
    (255, 0, 0),
    (119, 11, 32),
    (0, 0, 230),
    (0, 0, 142),
    (0, 80, 100),
    (0, 60, 100),
    (0, 0, 70),
    (0, 0, 90),
    (0, 80, 100),
    (0, 100, 100),
    (50, 0, 90),
)

#: VIPER, 15 classes of DA-VSN, TPS and SFC; tree joins vegetation.
VIPER_15 = LabelSet(
    'VIPER',
    CLASSES_15,
    _palette(CLASSES_15),
    {
        3: 0,
        4: 1,
        9: 2,
        11: 3,
        13: 4,
        14: 5,
        7: 6,
        8: 6,
        6: 7,
        2: 8,
        20: 9,
        24: 10,
        27: 11,
        26: 12,
        23: 13,
        22: 14,
    },
    official=32,
    ego_id=24,
    colours=_VIPER_COLOURS,
)

#: SYNTHIA-Seq, 12 classes of DA-VSN and TPS. Its id 11 is called bicycle and stands for rider.
SYNTHIA_12 = LabelSet(
    'SYNTHIA-Seq',
    CLASSES_12,
    _palette(CLASSES_12),
    {3: 0, 4: 1, 2: 2, 5: 3, 7: 4, 15: 5, 9: 6, 6: 7, 1: 8, 10: 9, 11: 10, 8: 11},
    official=23,
    encoding='red',
)

#: Cityscapes label ids in the classes of VIPER; rider joins person.
CITYSCAPES_15 = LabelSet(
    'Cityscapes',
    CLASSES_15,
    _palette(CLASSES_15),
    {
        7: 0,
        8: 1,
        11: 2,
        13: 3,
        19: 4,
        20: 5,
        21: 6,
        22: 7,
        23: 8,
        24: 9,
        25: 9,
        26: 10,
        27: 11,
        28: 12,
        32: 13,
        33: 14,
    },
    official=34,
    colours=_CITYSCAPES_COLOURS[:34],
)

#: Cityscapes label ids in the classes of SYNTHIA-Seq.
CITYSCAPES_12 = LabelSet(
    'Cityscapes',
    CLASSES_12,
    _palette(CLASSES_12),
    {7: 0, 8: 1, 11: 2, 13: 3, 17: 4, 19: 5, 20: 6, 21: 7, 23: 8, 24: 9, 25: 10, 26: 11},
    official=34,
    colours=_CITYSCAPES_COLOURS[:34],
)

_CITYSCAPES_19 = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
    32: 17,
    33: 18,
}

#: Cityscapes label ids in its own 19 classes.
CITYSCAPES_19 = LabelSet(
    'Cityscapes',
    CLASSES_19,
    _palette(CLASSES_19),
    _CITYSCAPES_19,
    official=34,
    colours=_CITYSCAPES_COLOURS[:34],
)

#: Cityscapes-VPS, whose semantic ids are the train ids of Cityscapes and 255 for void, in the
#: classes of VIPER; rider joins person.
CITYSCAPES_VPS_15 = LabelSet(
    'Cityscapes-VPS',
    CLASSES_15,
    _palette(CLASSES_15),
    {
        0: 0,
        1: 1,
        2: 2,
        4: 3,
        6: 4,
        7: 5,
        8: 6,
        9: 7,
        10: 8,
        11: 9,
        12: 9,
        13: 10,
        14: 11,
        15: 12,
        17: 13,
        18: 14,
    },
    official=19,
    void_ids=(255,),
)

#: Cityscapes-VPS in the classes of SYNTHIA-Seq.
CITYSCAPES_VPS_12 = LabelSet(
    'Cityscapes-VPS',
    CLASSES_12,
    _palette(CLASSES_12),
    {0: 0, 1: 1, 2: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 10: 8, 11: 9, 12: 10, 13: 11},
    official=19,
    void_ids=(255,),
)

#: GTAV: palette images whose indices are the label ids of Cityscapes, and 34 for licence plates.
GTA_19 = LabelSet(
    'GTAV',
    CLASSES_19,
    _palette(CLASSES_19),
    _CITYSCAPES_19,
    official=35,
    colours=_CITYSCAPES_COLOURS,
    official_palette=True,
)

#: SYNTHIA-RAND-CITYSCAPES in the classes of Cityscapes; terrain, truck and train have ids, but no
#: pixels.
SYNTHIA_RAND_19 = LabelSet(
    'SYNTHIA-RAND-CITYSCAPES',
    CLASSES_19,
    _palette(CLASSES_19),
    {
        3: 0,
        4: 1,
        2: 2,
        21: 3,
        5: 4,
        7: 5,
        15: 6,
        9: 7,
        6: 8,
        16: 9,
        1: 10,
        10: 11,
        17: 12,
        8: 13,
        18: 14,
        19: 15,
        20: 16,
        12: 17,
        11: 18,
    },
    official=23,
    encoding='red',
)

#: Dark Zurich: the files hold the train ids of Cityscapes, 255 for void.
DARK_ZURICH_19 = LabelSet(
    'Dark Zurich',
    CLASSES_19,
    _palette(CLASSES_19),
    {i: i for i in range(19)},
    official=19,
    void_ids=(255,),
)

# The 32 official classes of CamVid: their colour, and which of the 11 classes (Badrinarayanan et
# al., SegNet) they join; 11 is void.
_CAMVID: tuple[tuple[str, RGB, int], ...] = (
    ('Animal', (64, 128, 64), 9),
    ('Archway', (192, 0, 128), 1),
    ('Bicyclist', (0, 128, 192), 10),
    ('Bridge', (0, 128, 64), 1),
    ('Building', (128, 0, 0), 1),
    ('Car', (64, 0, 128), 8),
    ('CartLuggagePram', (64, 0, 192), 9),
    ('Child', (192, 128, 64), 9),
    ('Column_Pole', (192, 192, 128), 2),
    ('Fence', (64, 64, 128), 7),
    ('LaneMkgsDriv', (128, 0, 192), 3),
    ('LaneMkgsNonDriv', (192, 0, 64), 3),
    ('Misc_Text', (128, 128, 64), 6),
    ('MotorcycleScooter', (192, 0, 192), 10),
    ('OtherMoving', (128, 64, 64), 8),
    ('ParkingBlock', (64, 192, 128), 4),
    ('Pedestrian', (64, 64, 0), 9),
    ('Road', (128, 64, 128), 3),
    ('RoadShoulder', (128, 128, 192), 4),
    ('Sidewalk', (0, 0, 192), 4),
    ('SignSymbol', (192, 128, 128), 6),
    ('Sky', (128, 128, 128), 0),
    ('SUVPickupTruck', (64, 128, 192), 8),
    ('TrafficCone', (0, 0, 64), 2),
    ('TrafficLight', (0, 64, 64), 6),
    ('Train', (192, 64, 128), 8),
    ('Tree', (128, 128, 0), 5),
    ('Truck_Bus', (192, 128, 192), 8),
    ('Tunnel', (64, 0, 64), 1),
    ('VegetationMisc', (192, 192, 0), 5),
    ('Void', (0, 0, 0), 11),
    ('Wall', (64, 192, 0), 1),
)
CLASSES_CAMVID = (
    'sky',
    'building',
    'pole',
    'road',
    'pavement',
    'tree',
    'sign symbol',
    'fence',
    'car',
    'pedestrian',
    'bicyclist',
)
_CAMVID_PALETTE: tuple[RGB, ...] = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (0, 0, 192),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)

#: CamVid as released by its authors: masks in 32 colours.
CAMVID_COLOUR = LabelSet(
    'CamVid',
    CLASSES_CAMVID,
    _CAMVID_PALETTE,
    {i: train for i, (_, _, train) in enumerate(_CAMVID) if train < 11},
    official=32,
    encoding='colour',
    colours=tuple(colour for _, colour, _ in _CAMVID),
)

#: CamVid with masks that hold the ids of the 11 classes, 11 for void.
CAMVID_IDS = LabelSet(
    'CamVid (id masks)', CLASSES_CAMVID, _CAMVID_PALETTE, {i: i for i in range(11)}, official=12
)

#: KITTI-STEP: ids are the train ids of Cityscapes; the numbers of people and cars are beside them.
KITTI_STEP_19 = replace(DARK_ZURICH_19, name='KITTI-STEP', encoding='tracks')

# The 23 ids of SHIFT (those of CARLA 0.9.12) and their colours. What is not scored is ignored.
_SHIFT: tuple[tuple[str, RGB, bool], ...] = (
    ('unlabeled', (0, 0, 0), False),
    ('building', (70, 70, 70), True),
    ('fence', (100, 40, 40), True),
    ('other', (55, 90, 80), False),
    ('pedestrian', (220, 20, 60), True),
    ('pole', (153, 153, 153), True),
    ('road line', (157, 234, 50), True),
    ('road', (128, 64, 128), True),
    ('sidewalk', (244, 35, 232), True),
    ('vegetation', (107, 142, 35), True),
    ('vehicle', (0, 0, 142), True),
    ('wall', (102, 102, 156), True),
    ('traffic sign', (220, 220, 0), True),
    ('sky', (70, 130, 180), True),
    ('ground', (81, 0, 81), False),
    ('bridge', (150, 100, 100), False),
    ('rail track', (230, 150, 140), False),
    ('guard rail', (180, 165, 180), False),
    ('traffic light', (250, 170, 30), True),
    ('static', (110, 190, 160), False),
    ('dynamic', (170, 120, 50), False),
    ('water', (45, 60, 150), False),
    ('terrain', (145, 170, 100), True),
)
_SHIFT_SCORED = [i for i, (_, _, scored) in enumerate(_SHIFT) if scored]

#: SHIFT, the 14 classes of its challenge, in the order of the ids.
SHIFT_14 = LabelSet(
    'SHIFT',
    tuple(_SHIFT[i][0] for i in _SHIFT_SCORED),
    tuple(_SHIFT[i][1] for i in _SHIFT_SCORED),
    {i: k for k, i in enumerate(_SHIFT_SCORED)},
    official=23,
    encoding='first',
    colours=tuple(colour for _, colour, _ in _SHIFT),
)

#: VSPW's 124 classes, the ids 1 to 124 of its table (label_num_dic_final.json); 0 is others.
CLASSES_VSPW = tuple(
    """
    wall ceiling door stair ladder escalator Playground_slide handrail_or_fence window rail goal
    pillar pole floor ground grass sand athletic_field road path crosswalk building house bridge
    tower windmill well_or_well_lid other_construction sky mountain stone wood ice snowfield
    grandstand sea river lake waterfall water billboard_or_Bulletin_Board sculpture pipeline flag
    parasol_or_umbrella cushion_or_carpet tent roadblock car bus truck bicycle motorcycle
    wheeled_machine ship_or_boat raft airplane tyre traffic_light lamp person cat dog horse cattle
    other_animal tree flower other_plant toy ball_net backboard skateboard bat ball
    cupboard_or_showcase_or_storage_rack box traveling_case_or_trolley_case basket bag_or_package
    trash_can cage plate tub_or_bowl_or_pot bottle_or_cup barrel fishbowl bed pillow table_or_desk
    chair_or_seat bench sofa shelf bathtub gun commode roaster other_machine refrigerator
    washing_machine Microwave_oven fan curtain textiles clothes painting_or_poster mirror
    flower_pot_or_vase clock book tool blackboard tissue screen_or_television computer printer
    Mobile_phone keyboard other_electronic_product fruit food instrument train
    """.split()
)

#: VSPW: others (0) and void (255) are ignored, and 253, which some copies of the masks hold. No
#: table of colours was published: the palette is for drawing, and that of a mask says nothing.
VSPW_124 = LabelSet(
    'VSPW',
    CLASSES_VSPW,
    colour_map(len(CLASSES_VSPW) + 1)[1:],
    {i + 1: i for i in range(len(CLASSES_VSPW))},
    official=len(CLASSES_VSPW) + 1,
    colours=(),
    void_ids=(253, IGNORE),
)
