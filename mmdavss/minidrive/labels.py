"""Classes inside MiniDrive, and their ids in the data sets that it imitates."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Semantic classes of the world, finer than every label set written to disk."""

    SKY = 0
    ROAD = 1
    LANE_MARK = 2
    SIDEWALK = 3
    TERRAIN = 4
    BUILDING = 5
    FENCE = 6
    POLE = 7
    LIGHT = 8
    SIGN = 9
    TREE = 10
    HEDGE = 11
    PERSON = 12
    RIDER = 13
    CAR = 14
    TRUCK = 15
    BUS = 16
    MOTORCYCLE = 17
    BICYCLE = 18
    CLUTTER = 19
    EGO = 20
    PARKED_BICYCLE = 21


def _table(ids: dict[Label, int]) -> np.ndarray:
    table = np.zeros(len(Label), np.uint8)
    for label in Label:
        table[label] = ids[label]
    return table


#: VIPER ids (0..31). Poles belong to its 'infrastructure', litter bins to 'trashcan'; riders have
#: no separate id, and the bonnet of the ego car is labelled as a car.
VIPER_IDS = _table(
    {
        Label.SKY: 2,
        Label.ROAD: 3,
        Label.LANE_MARK: 3,
        Label.SIDEWALK: 4,
        Label.TERRAIN: 6,
        Label.BUILDING: 9,
        Label.FENCE: 11,
        Label.POLE: 10,
        Label.LIGHT: 13,
        Label.SIGN: 14,
        Label.TREE: 7,
        Label.HEDGE: 8,
        Label.PERSON: 20,
        Label.RIDER: 20,
        Label.CAR: 24,
        Label.TRUCK: 27,
        Label.BUS: 26,
        Label.MOTORCYCLE: 23,
        Label.BICYCLE: 22,
        Label.PARKED_BICYCLE: 22,
        Label.CLUTTER: 19,
        Label.EGO: 24,
    }
)

#: SYNTHIA-Seq ids. It has one class for all vehicles, one for bicycles with cyclists (11), and one
#: for lane marks (12).
SYNTHIA_IDS = _table(
    {
        Label.SKY: 1,
        Label.ROAD: 3,
        Label.LANE_MARK: 12,
        Label.SIDEWALK: 4,
        Label.TERRAIN: 6,
        Label.BUILDING: 2,
        Label.FENCE: 5,
        Label.POLE: 7,
        Label.LIGHT: 15,
        Label.SIGN: 9,
        Label.TREE: 6,
        Label.HEDGE: 6,
        Label.PERSON: 10,
        Label.RIDER: 11,
        Label.CAR: 8,
        Label.TRUCK: 8,
        Label.BUS: 8,
        Label.MOTORCYCLE: 11,
        Label.BICYCLE: 11,
        Label.PARKED_BICYCLE: 11,
        Label.CLUTTER: 0,
        Label.EGO: 0,
    }
)

#: SYNTHIA-RAND-CITYSCAPES ids. As in the original, there are no terrain and no trucks, and lane
#: marks have an id (22).
SYNTHIA_RAND_IDS = _table(
    {
        Label.SKY: 1,
        Label.ROAD: 3,
        Label.LANE_MARK: 22,
        Label.SIDEWALK: 4,
        Label.TERRAIN: 6,
        Label.BUILDING: 2,
        Label.FENCE: 5,
        Label.POLE: 7,
        Label.LIGHT: 15,
        Label.SIGN: 9,
        Label.TREE: 6,
        Label.HEDGE: 6,
        Label.PERSON: 10,
        Label.RIDER: 17,
        Label.CAR: 8,
        Label.TRUCK: 8,
        Label.BUS: 19,
        Label.MOTORCYCLE: 12,
        Label.BICYCLE: 11,
        Label.PARKED_BICYCLE: 11,
        Label.CLUTTER: 0,
        Label.EGO: 0,
    }
)

#: Cityscapes labelIds, also used by GTAV. Litter bins are 'static' (4), the bonnet is 'ego
#: vehicle' (1).
CITYSCAPES_IDS = _table(
    {
        Label.SKY: 23,
        Label.ROAD: 7,
        Label.LANE_MARK: 7,
        Label.SIDEWALK: 8,
        Label.TERRAIN: 22,
        Label.BUILDING: 11,
        Label.FENCE: 13,
        Label.POLE: 17,
        Label.LIGHT: 19,
        Label.SIGN: 20,
        Label.TREE: 21,
        Label.HEDGE: 21,
        Label.PERSON: 24,
        Label.RIDER: 25,
        Label.CAR: 26,
        Label.TRUCK: 27,
        Label.BUS: 28,
        Label.MOTORCYCLE: 32,
        Label.BICYCLE: 33,
        Label.PARKED_BICYCLE: 33,
        Label.CLUTTER: 4,
        Label.EGO: 1,
    }
)

#: Train ids of Cityscapes, 255 for void, as in the semantic masks of Cityscapes-VPS.
CITYSCAPES_TRAIN_IDS = _table(
    {
        Label.SKY: 10,
        Label.ROAD: 0,
        Label.LANE_MARK: 0,
        Label.SIDEWALK: 1,
        Label.TERRAIN: 9,
        Label.BUILDING: 2,
        Label.FENCE: 4,
        Label.POLE: 5,
        Label.LIGHT: 6,
        Label.SIGN: 7,
        Label.TREE: 8,
        Label.HEDGE: 8,
        Label.PERSON: 11,
        Label.RIDER: 12,
        Label.CAR: 13,
        Label.TRUCK: 14,
        Label.BUS: 15,
        Label.MOTORCYCLE: 17,
        Label.BICYCLE: 18,
        Label.PARKED_BICYCLE: 18,
        Label.CLUTTER: 255,
        Label.EGO: 255,
    }
)

#: The 11 classes of CamVid, and 11 for void: what its masks show, merged as SegNet merges its 32
#: classes (mmdavss/datasets/label_maps.py). Lane marks are road, trucks and buses cars, traffic
#: lights sign symbols, riders with bicycle or motorcycle bicyclists, motorcycles without a rider
#: too (MotorcycleScooter); grass, hedges and bushes are VegetationMisc, which joins the trees.
#: Bicycles without a rider have none of the 32 classes and are void in CamVid's masks, like litter
#: bins. No bonnet is in view in CamVid: void, as nothing else fits.
CAMVID_IDS = _table(
    {
        Label.SKY: 0,
        Label.ROAD: 3,
        Label.LANE_MARK: 3,
        Label.SIDEWALK: 4,
        Label.TERRAIN: 5,
        Label.BUILDING: 1,
        Label.FENCE: 7,
        Label.POLE: 2,
        Label.LIGHT: 6,
        Label.SIGN: 6,
        Label.TREE: 5,
        Label.HEDGE: 5,
        Label.PERSON: 9,
        Label.RIDER: 10,
        Label.CAR: 8,
        Label.TRUCK: 8,
        Label.BUS: 8,
        Label.MOTORCYCLE: 10,
        Label.BICYCLE: 10,
        Label.PARKED_BICYCLE: 11,
        Label.CLUTTER: 11,
        Label.EGO: 11,
    }
)

#: Ids of SHIFT, which are those of CARLA 0.9.12: one class for all vehicles with and without motor,
#: riders are pedestrians, litter bins are 'dynamic' (20). No bonnet is in view there.
SHIFT_IDS = _table(
    {
        Label.SKY: 13,
        Label.ROAD: 7,
        Label.LANE_MARK: 6,
        Label.SIDEWALK: 8,
        Label.TERRAIN: 22,
        Label.BUILDING: 1,
        Label.FENCE: 2,
        Label.POLE: 5,
        Label.LIGHT: 18,
        Label.SIGN: 12,
        Label.TREE: 9,
        Label.HEDGE: 9,
        Label.PERSON: 4,
        Label.RIDER: 4,
        Label.CAR: 10,
        Label.TRUCK: 10,
        Label.BUS: 10,
        Label.MOTORCYCLE: 10,
        Label.BICYCLE: 10,
        Label.PARKED_BICYCLE: 10,
        Label.CLUTTER: 20,
        Label.EGO: 0,
    }
)

#: RGB colours for drawing labels: those of Cityscapes.
PALETTE = np.zeros((len(Label), 3), np.uint8)
for _label, _rgb in {
    Label.SKY: (70, 130, 180),
    Label.ROAD: (128, 64, 128),
    Label.LANE_MARK: (128, 64, 128),
    Label.SIDEWALK: (244, 35, 232),
    Label.TERRAIN: (152, 251, 152),
    Label.BUILDING: (70, 70, 70),
    Label.FENCE: (190, 153, 153),
    Label.POLE: (153, 153, 153),
    Label.LIGHT: (250, 170, 30),
    Label.SIGN: (220, 220, 0),
    Label.TREE: (107, 142, 35),
    Label.HEDGE: (107, 142, 35),
    Label.PERSON: (220, 20, 60),
    Label.RIDER: (255, 0, 0),
    Label.CAR: (0, 0, 142),
    Label.TRUCK: (0, 0, 70),
    Label.BUS: (0, 60, 100),
    Label.MOTORCYCLE: (0, 0, 230),
    Label.BICYCLE: (119, 11, 32),
    Label.PARKED_BICYCLE: (119, 11, 32),
}.items():
    PALETTE[_label] = _rgb
