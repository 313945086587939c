"""Rare-class sampling, against reference numbers and by hand."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdavss.datasets import DomainPairDataset, GTADataset
from mmdavss.datasets.rare_class import (
    RareClassSampler,
    class_probabilities,
    count_pixels,
    label_files,
    read_statistics,
    write_statistics,
)

pytestmark = pytest.mark.slow

# Computed with the published implementation of DAFormer, in single precision.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/daformer_rcs.npz')


@pytest.mark.parametrize(
    'case, temperature',
    [n.removesuffix('_probs').split('_T') for n in GOLDEN.files if n.endswith('_probs')],
)
def test_golden_probabilities(case, temperature):
    pixels = np.zeros(GOLDEN[f'{case}_T{temperature}_classes'].max() + 1)
    for image in json.loads(str(GOLDEN[f'{case}_sample_class_stats_json'])):
        for name, count in image.items():
            if name != 'file':
                pixels[int(name)] += count
    classes, probabilities = class_probabilities(pixels, float(temperature))
    np.testing.assert_array_equal(classes, GOLDEN[f'{case}_T{temperature}_classes'])
    np.testing.assert_allclose(probabilities, GOLDEN[f'{case}_T{temperature}_probs'], rtol=1e-4)


# Pixels of road, sidewalk and car in the three images of the fixture.
PIXELS = {1: {7: 200, 8: 40}, 2: {7: 230, 8: 10}, 3: {7: 120, 8: 80, 26: 40}}
ROAD, SIDEWALK, CAR = 0, 1, 13


@pytest.fixture
def source(gta, tmp_path):
    """GTAV with the pixels above, and its statistics."""
    for n, pixels in PIXELS.items():
        label = np.repeat(list(pixels), list(pixels.values())).astype(np.uint8).reshape(12, 20)
        cv2.imwrite(str(gta / f'labels/{n:05d}.png'), label)
    dataset = GTADataset(str(gta))
    rows = {name: count_pixels(path, dataset.labels) for name, path in label_files(dataset).items()}
    write_statistics(str(gta / 'class_statistics.json'), dataset.metainfo['classes'], rows)
    return dataset


def file_of(source):
    return f'{source.data_root}/class_statistics.json'


def test_counts(source):
    counts = read_statistics(file_of(source), source)
    assert counts.shape == (3, 19)
    np.testing.assert_array_equal(
        counts[:, [ROAD, SIDEWALK, CAR]], [[200, 40, 0], [230, 10, 0], [120, 80, 40]]
    )
    assert counts.sum() == 3 * 240
    # Some of the images, in another order.
    Path(source.data_root, 'list.txt').write_text('00003\n00001\n')
    some = GTADataset(source.data_root, ann_file='list.txt')
    np.testing.assert_array_equal(read_statistics(file_of(source), some), counts[[2, 0]])


def test_draws_classes_by_rarity_and_images_uniformly(source):
    sampler = RareClassSampler(source, file_of(source), temperature=0.5, min_pixels=20)
    # softmax of (1 - 550/720, 1 - 130/720, 1 - 40/720) / 0.5
    weight = np.exp(-2 * np.array([40, 130, 550]) / 720)
    assert sampler.classes.tolist() == [CAR, SIDEWALK, ROAD]
    np.testing.assert_allclose(sampler.probabilities, weight / weight.sum())
    draws = Counter(sampler.draw(np.random.default_rng((0, i))) for i in range(6000))
    # 10 pixels of image 2 are not more than 20.
    holders = {CAR: [2], SIDEWALK: [0, 2], ROAD: [0, 1, 2]}
    assert {c: sorted(i for i, k in draws if k == c) for c in holders} == holders
    for c, p in zip(sampler.classes, sampler.probabilities, strict=True):
        for i in holders[c]:
            share = p / len(holders[c])
            assert abs(draws[i, c] - 6000 * share) < 5 * (6000 * share * (1 - share)) ** 0.5


def test_negative_min_pixels(source):
    """All clips would have all classes."""
    with pytest.raises(ValueError, match='min_pixels=-5 must be 0 or more'):
        RareClassSampler(source, file_of(source), min_pixels=-5)


def test_min_pixels_is_exclusive_and_drops_classes(source):
    sampler = RareClassSampler(source, file_of(source), min_pixels=40)
    assert sampler.classes.tolist() == [SIDEWALK, ROAD]  # no image has more than 40 pixels of car
    assert sampler.probabilities.sum() == pytest.approx(1)
    assert [holders.tolist() for holders in sampler.clips] == [[2], [0, 1, 2]]
    with pytest.raises(ValueError, match='min_pixels=230 of any class.*json.*The most is 230'):
        RareClassSampler(source, file_of(source), min_pixels=230)
    with pytest.raises(ValueError, match='temperature=0 '):
        RareClassSampler(source, file_of(source), temperature=0)


def test_other_files_are_refused(source, tmp_path, gta):
    command = r'python tools/class_statistics.py CONFIG --out \S+json'
    gone = str(tmp_path / 'gone.json')
    with pytest.raises(FileNotFoundError, match=f'gone.json.*do not exist.*{command}'):
        read_statistics(gone, source)
    other = tmp_path / 'other.json'
    for content in ('{', '[]', '{"kind": "other"}', '{"kind": "mmdavss class statistics"}'):
        other.write_text(content)
        with pytest.raises(ValueError, match=f'other.json holds no.*{command} --overwrite'):
            read_statistics(str(other), source)
    fewer = GTADataset(str(gta), metainfo=dict(classes=['road', 'car']))
    with pytest.raises(ValueError, match=r"sidewalk.*the source has \('road', 'car'\)"):
        read_statistics(file_of(source), fewer)
    statistics = json.loads(Path(file_of(source)).read_text())
    del statistics['pixels']['labels/00002.png']
    other.write_text(json.dumps(statistics))
    with pytest.raises(ValueError, match="lacks 1 of the 3 labels.*'labels/00002.png'.*--overwri"):
        read_statistics(str(other), source)
    with pytest.raises(ValueError, match='has no labels'):
        read_statistics(file_of(source), GTADataset(str(gta), with_labels=False))


@pytest.mark.parametrize(
    'row',
    [
        5,
        None,
        {},
        [1],
        'x',
        [1.5, *[0] * 18],
        [-5, *[0] * 18],
        [True, *[0] * 18],
        ['1', *[0] * 18],
        [0] * 20,
        [10**30, *[0] * 18],
        [None] * 19,
    ],
)
def test_rows_are_counts_of_every_class(source, tmp_path, row):
    content = json.loads(Path(file_of(source)).read_text())
    content['pixels']['labels/00002.png'] = row
    (tmp_path / 'x.json').write_text(json.dumps(content))
    with pytest.raises(
        ValueError,
        match=r"x.json: 'labels/00002.png' must have 19 numbers of "
        'pixels.*class_statistics.py .*--overwrite',
    ):
        read_statistics(str(tmp_path / 'x.json'), source)


@pytest.mark.parametrize(
    'change',
    [
        dict(pixels=5),
        dict(pixels=None),
        dict(pixels=[]),
        dict(classes=5),
        dict(classes='abc'),
        dict(classes=[1, 2]),
        dict(classes=[['a']]),
        dict(classes=['a', 'a']),
        dict(kind=['x']),
    ],
)
def test_fields_of_another_type(source, tmp_path, change):
    content = json.loads(Path(file_of(source)).read_text())
    (tmp_path / 'x.json').write_text(json.dumps({**content, **change}))
    with pytest.raises(ValueError, match='x.json holds no class statistics.*--overwrite'):
        read_statistics(str(tmp_path / 'x.json'), source)


class RememberClass:
    """The last transform: gives the class that the clip was drawn for."""

    def __call__(self, results):
        name, rare_class = results['frame_name'], results.get('rare_class')
        return dict(inputs=0, data_samples=(name, rare_class))


def pair(source, **options):
    for dataset in (branches := [source, GTADataset(source.data_root, with_labels=False)]):
        dataset.pipeline = RememberClass()
    return DomainPairDataset(*branches, **options)


def test_pairs_are_drawn_from_seed_and_index(source):
    options = dict(statistics=file_of(source), temperature=0.5, min_pixels=20)
    dataset = pair(source, rare_class_sampling=options)
    samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
    again = pair(source, rare_class_sampling=options)
    assert [again[i]['data_samples'] for i in reversed(range(len(again)))] == samples[::-1]
    other = pair(source, rare_class_sampling=options, seed=1)
    assert [other[i]['data_samples'] for i in range(len(other))] != samples
    # The transforms of the source see the class, those of the target do not.
    holders = {CAR: {'00003'}, SIDEWALK: {'00001', '00003'}, ROAD: {'00001', '00002', '00003'}}
    assert all(name in holders[rare] for name, rare in (s['source'] for s in samples))
    assert all(rare is None for _, rare in (s['target'] for s in samples))
    # The target's partners are those that they are without it.
    plain = pair(source)
    assert [plain.indices(i)['target'] for i in range(9)] == [
        dataset.indices(i)['target'] for i in range(9)
    ]
    assert plain[0]['data_samples']['source'] == ('00001', None)


def test_source_alone_is_drawn_too(source):
    source.pipeline = RememberClass()
    options = dict(statistics=file_of(source), temperature=0.5, min_pixels=20)
    dataset = DomainPairDataset(source, rare_class_sampling=options)
    # An index draws, so that there are more of them than images.
    assert len(dataset) > 1000
    drawn = {dataset[i]['data_samples']['source'] for i in range(200)}
    assert drawn == {
        ('00003', CAR),
        ('00001', SIDEWALK),
        ('00003', SIDEWALK),
        ('00001', ROAD),
        ('00002', ROAD),
        ('00003', ROAD),
    }


def test_source_free_needs_no_statistics(source):
    dataset = DomainPairDataset(
        target=GTADataset(source.data_root, with_labels=False),
        rare_class_sampling=dict(statistics='none.json'),
    )
    assert len(dataset) == 3
    with pytest.raises(TypeError, match='min_pixel'):
        DomainPairDataset(source, rare_class_sampling=dict(statistics=file_of(source), min_pixel=3))
