"""Patches of rare classes: what is drawn, where it is cut out, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from mmdavss.datasets import DomainPairDataset, GTADataset
from mmdavss.datasets.rare_class import count_pixels, label_files, write_statistics
from mmdavss.datasets.sampling import Draw

SIDEWALK, WALL, FENCE, CAR = 1, 3, 4, 13
#: Official ids of these classes.
IDS = {SIDEWALK: 8, FENCE: 13, CAR: 26}
SIZE = (8, 12)


@pytest.fixture
def roots(gta):
    """Three images of road: one has a car, one a fence, one both, in rows and columns of theirs."""
    for n, classes in enumerate(((CAR,), (FENCE,), (CAR, FENCE)), 1):
        label = np.full((12, 20), 7, np.uint8)
        for c in classes:
            row = 4 if c == CAR else 6
            label[row : row + 2, c % 5 + 2 : c % 5 + 8] = IDS[c]
        cv2.imwrite(str(gta / f'labels/{n:05d}.png'), label)
    return str(gta)


def pairs(root, **options):
    pipeline = [
        dict(type='LoadClip'),
        dict(type='LoadClipAnnotations'),
        dict(type='PackClipInputs'),
    ]
    source = GTADataset(root, clip_length=1, pipeline=pipeline)
    options = dict(dict(classes=(FENCE, CAR), count=2, size=SIZE), **options)
    return DomainPairDataset(
        source, GTADataset(root, clip_length=1, pipeline=pipeline), rare_patches=options
    )


def test_what_is_drawn(roots):
    """In the order of the classes, from images that have them; a crop for clip and patches."""
    dataset = pairs(roots)
    assert {c: i.tolist() for c, i in dataset.rare_patches.images.items()} == {
        FENCE: [1, 2],
        CAR: [0, 2],
    }
    images = [dataset.branches['source'][i]['inputs']['frames'][0] for i in range(3)]
    corners = set()
    for seed in range(20):
        item = dataset[Draw(0, (seed, 0))]
        inputs, sample = item['inputs']['source'], item['data_samples']['source']
        top, left = sample.mix_box
        corners.add((top, left))
        assert inputs['rare'].shape == (2, 3, *SIZE) and inputs['rare'].dtype == torch.uint8
        assert inputs['frames'].shape[-2:] == (12, 20)
        window = (..., slice(top, top + SIZE[0]), slice(left, left + SIZE[1]))
        for c, image, label in zip(
            (FENCE, CAR), inputs['rare'], sample.gt_rare_seg.data, strict=True
        ):
            assert set(label.unique().tolist()) <= {c, 255} and (label == c).sum() > 5
            assert any(torch.equal(image, other[window]) for other in images)
        assert 'rare' not in item['inputs']['target']
    assert max(y for y, _ in corners) == 4 and max(x for _, x in corners) == 8


def test_draws_are_those_of_the_position(roots):
    dataset = pairs(roots)
    first, again, other = (dataset[Draw(1, (0, n))] for n in (5, 5, 6))
    for key in ('rare', 'frames'):
        assert torch.equal(first['inputs']['source'][key], again['inputs']['source'][key])
    assert not torch.equal(first['inputs']['source']['rare'], other['inputs']['source']['rare'])


def test_places_and_numbers(roots):
    """One of the classes at a time, crops in given rows, from written statistics."""
    source = pairs(roots).branches['source']
    rows = {name: count_pixels(path, source.labels) for name, path in label_files(source).items()}
    file = Path(roots, 'class_statistics.json')
    write_statistics(str(file), source.metainfo['classes'], rows)
    dataset = pairs(roots, count=1, rows=(2, 3), columns=(1, 9), statistics=str(file))
    boxes, seen = set(), set()
    for seed in range(30):
        sample = dataset[Draw(0, (seed, 0))]['data_samples']['source']
        boxes.add(sample.mix_box)
        seen |= set(sample.gt_rare_seg.data.unique().tolist())
    assert {y for y, _ in boxes} == {2, 3} and {x for _, x in boxes} <= {*range(1, 9)}
    assert seen == {FENCE, CAR, 255}


def test_a_crop_that_shows_too_little_ends(roots):
    """After ten draws the last image is taken, with what it shows: here nothing."""
    dataset = pairs(roots, classes=(CAR,), count=1, size=(3, 12), rows=(9, 9))
    sample = dataset[Draw(0, (0, 0))]['data_samples']['source']
    assert (sample.gt_rare_seg.data == 255).all()


def test_flow_is_not_loaded_for_patches(roots):
    dataset = pairs(roots)
    kinds = [type(t).__name__ for t in dataset.rare_patches.pipeline.transforms]
    assert kinds == ['LoadClip', 'LoadClipAnnotations', 'PackClipInputs']
    source = dataset.branches['source']
    source.pipeline = Compose(
        [*source.pipeline.transforms[:2], dict(type='LoadFlow', provider=dict(type='ZeroFlow'))]
    )
    made = type(dataset.rare_patches)(source, (CAR,), 1, SIZE)
    assert [type(t).__name__ for t in made.pipeline.transforms] == kinds[:2]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(classes=(CAR, WALL)), "enough pixels of 'wall': take .3. out of"),
        (dict(classes=(CAR, FENCE), min_pixels=(12, 5)), "enough pixels of 'car'"),
        (dict(classes=(CAR, 19)), 'must be numbers of the 19 classes'),
        (dict(count=3), 'count=3 must be 1 to 2'),
        (dict(rows=(4, 0)), r'rows=\(4, 0\) must be 0 <= first <= last'),
        (dict(columns=(-3, 1)), r'columns=\(-3, 1\) must be'),
        (dict(min_pixels=-1), 'min_pixels=-1 must be 0 or more'),
        (dict(min_pixels=(1, 2, 3)), 'min_pixels has 3 numbers for 2 of `classes`'),
    ],
)
def test_what_no_image_has(roots, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        pairs(roots, **options)
    assert '\n' not in str(caught.value)


def test_images_of_other_sizes(roots):
    """The crop is moved into them, where it fits; where it does not, the image is named."""
    for kind in ('images', 'labels'):
        path = str(Path(roots, kind, '00001.png'))
        picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        cv2.imwrite(path, picture[:10, :16])  # of 12x20
    options = dict(classes=(CAR,), count=1, min_pixels=8)
    dataset = pairs(roots, **options)
    dataset.rare_patches.images[CAR] = np.array([0])
    image = dataset.branches['source'][0]['inputs']['frames'][0]
    boxes = set()
    for seed in range(20):
        item = dataset[Draw(1, (seed, 0))]
        rare = item['inputs']['source']['rare']
        assert rare.shape == (1, 3, *SIZE)
        top, left = item['data_samples']['source'].mix_box
        y, x = min(top, 2), min(left, 4)
        assert torch.equal(rare[0], image[:, y : y + SIZE[0], x : x + SIZE[1]])
        boxes.add((top > 2, left > 4))
    assert (True, True) in boxes
    dataset = pairs(roots, **options, size=(12, 16))
    dataset.rare_patches.images[CAR] = np.array([0])
    with pytest.raises(ValueError, match=r'exceeds the image .*00001.png, which .* makes 16x10'):
        dataset[Draw(1, (0, 0))]


def test_clips_smaller_than_the_crop(roots):
    with pytest.raises(ValueError, match='exceeds the source clips'):
        pairs(roots, size=(8, 24))[0]
