"""CCM's selection of source frames and pixels against golden arrays of its release."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmdavss.pseudo_labels import source_selection
from mmdavss.pseudo_labels.generator import PseudoLabelGenerator
from mmdavss.pseudo_labels.predictor import Prediction
from mmdavss.pseudo_labels.rules import RULES
from mmdavss.pseudo_labels.source_selection import (
    SourceSelection,
    Survey,
    divergence,
    k_means,
    layout,
    similar_pixels,
    softened_sums,
    survey_target,
)

GOLDEN = dict(np.load(Path(__file__).parents[1] / 'data/golden/rivals_ccm.npz'))
CLASSES = GOLDEN['target_scores'].shape[1]


def probabilities(name: str, temperature: float = 1.0) -> np.ndarray:
    scores = torch.nn.functional.interpolate(
        torch.from_numpy(GOLDEN[name]),
        GOLDEN['size'].tolist(),
        mode='bilinear',
        align_corners=True,
    )
    return (scores / temperature).softmax(1).numpy()


def prediction_of(maps: np.ndarray) -> Prediction:
    return Prediction(
        maps.max(0), maps.argmax(0).astype(np.uint8), maps.shape[1:], torch.from_numpy(maps)
    )


def of_labels(labels: np.ndarray) -> np.ndarray:
    return np.stack([labels == k for k in range(CLASSES)])


def test_layouts():
    for n, maps in enumerate(probabilities('target_scores')):
        rows, columns = layout(maps)
        np.testing.assert_allclose(rows.T, GOLDEN['target_rows'][n], atol=1e-5)
        np.testing.assert_allclose(columns.T, GOLDEN['target_columns'][n], atol=1e-5)
    assert not layout(np.zeros((2, 3, 4)))[0].any()


@pytest.mark.parametrize('name', ['rows', 'columns'])
def test_centres(name):
    """From some of the points Lloyd's algorithm ends where it does in the release, and stays."""
    points = GOLDEN[f'target_{name}'].astype(np.float64)
    for k in range(CLASSES):
        expected = GOLDEN[f'centres_{name}'][:, k]
        np.testing.assert_allclose(k_means(points[..., k], expected), expected, atol=1e-5)
        # Each is the mean of the points that are nearest to it.
        distances = ((points[:, None, :, k] - expected) ** 2).sum(-1)
        nearest = distances.argmin(1)
        for c in set(nearest):
            mine = points[nearest == c, :, k]
            np.testing.assert_allclose(mine.mean(0), expected[c], atol=1e-5)


def test_k_means_from_afar():
    points = np.concatenate([np.zeros((4, 2)), np.ones((3, 2))]) + 0.01 * np.eye(7, 2)
    found = k_means(points, np.array([[0.4, 0.4], [0.6, 0.6], [9.0, 9.0]]))
    expected = [points[:4].mean(0), points[4:].mean(0), [9, 9]]
    np.testing.assert_allclose(found, expected)


def test_distances_and_choice():
    rows, columns = (GOLDEN[f'centres_{name}'].astype(np.float64) for name in ('rows', 'columns'))
    found = []
    for label in GOLDEN['source_label']:
        own = layout(of_labels(label))
        found.append(divergence(rows, own[0]) + divergence(columns, own[1]))
    np.testing.assert_allclose(found, GOLDEN['layout_distance'], rtol=1e-4)
    # The release takes one frame less than it is asked for.
    chosen = np.argsort(found)[: len(GOLDEN['selected_for_src_count_4'])]
    np.testing.assert_array_equal(chosen, GOLDEN['selected_for_src_count_4'])


def test_class_means():
    """Of one image; and of several with the counts of the release, which counts votes twice."""
    thresholds = np.where(GOLDEN['class_present'], GOLDEN['threshold_prop0.1'], 1)
    rule = RULES['ccm'](portion=0.1)
    means, counts = np.zeros((CLASSES, CLASSES)), np.zeros(CLASSES)
    maps = probabilities('target_scores')
    for own in maps:
        prediction = prediction_of(own)
        classes, local = rule.votes(prediction, thresholds)
        # A pixel once for each class that exceeds its threshold, and once for the frame.
        sums = count = 0
        for vote in (*classes, local):
            voted = np.where(vote, prediction.labels, 255)
            some = softened_sums(own, voted)
            sums, count = sums + some[0], count + some[1]
        first, later = (counts == 0) & (count > 0), (counts > 0) & (count > 0)
        counts += count
        means[first] = sums[first] / count[first, None]
        # The release adds the new count before it weighs the old mean.
        old = means[later] * counts[later, None]
        means[later] = (old + sums[later]) / (counts + count)[later, None]
    np.testing.assert_allclose(counts, GOLDEN['class_count'])
    np.testing.assert_allclose(means, GOLDEN['class_mean_probability'], atol=1e-5)


def test_softened_sums_by_hand():
    maps = np.array([[[0.64, 0.5]], [[0.36, 0.5]]])
    sums, counts = softened_sums(maps, np.array([[0, 255]]))
    np.testing.assert_allclose(sums, [[0.8 / 1.4, 0.6 / 1.4], [0, 0]])
    np.testing.assert_array_equal(counts, [1, 0])


def test_similar_pixels():
    means = GOLDEN['class_mean_probability_used'].astype(np.float64)
    for own, label, expected in zip(
        probabilities('source_scores'),
        GOLDEN['source_label'],
        GOLDEN['source_label_kept'],
        strict=True,
    ):
        kept = similar_pixels(own, label, means, 0.9)
        np.testing.assert_array_equal(np.where(kept, label, 255), expected)
    # A class that the target lacks.
    means[0] = np.nan
    assert not similar_pixels(own, label, means, 0.9)[label == 0].any()


def test_layouts_are_of_the_frames_that_are_labelled(tmp_path):
    """Of the target's training frames, where only these have pseudo-labels."""
    folder = tmp_path / 'leftImg8bit_sequence/train/aachen'
    folder.mkdir(parents=True)
    for number in (18, 19):
        image = np.zeros((2, 4, 3), np.uint8)
        cv2.imwrite(str(folder / f'aachen_000000_{number:06d}_leftImg8bit.png'), image)
    target = dict(type='CityscapesSeqDataset', data_root=str(tmp_path), annotated='*19')
    cfg = Config(dict(train_dataloader=dict(dataset=dict(source=None, target=target))))
    generator = PseudoLabelGenerator([], 'ccm', aggregate=False, frames='training')
    surveyed = []

    def runner(surveyor, clips):
        for clip in clips:
            surveyed.extend(frame.mask for frame in clip.frames)
            maps = prediction_of(np.full((15, 2, 4), 1 / 15, np.float32))
            yield clip, surveyor(clip, iter([maps] * len(clip.frames)), None)

    survey = survey_target(cfg, generator, runner, dict(thresholds=dict(a=[0.0] * 15)))
    assert surveyed == ['aachen_000000_000018/aachen_000000_000019.png']
    assert len(survey.rows) == 1


def test_few_frames_have_few_centres():
    survey = Survey(np.eye(4)[:2, None], np.eye(4)[:2, None], np.eye(1))
    rows, _ = survey.centres(10, np.random.default_rng(0))
    assert rows.shape == (2, 1, 4) and sorted(rows[:, 0].argmax(1)) == [0, 1]


def test_a_pool_of_all_source_frames(monkeypatch):
    """The count selects among them."""

    class Frames:
        metainfo = dict(classes=('road', 'sky'))

        def __len__(self):
            return 5

        def get_data_info(self, i):
            return dict(number=i)

    monkeypatch.setattr(source_selection.DATASETS, 'build', lambda options: Frames())
    pool = SourceSelection({}, count=2, pool=1.0).pool_of(('road', 'sky'))
    assert [info['number'] for info in pool] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(pool=0), 'source_selection.pool=0 must be between 0 and 1'),
        (dict(pool=1.01), 'source_selection.pool=1.01 must be between 0 and 1'),
        (dict(pixels=1), 'source_selection.pixels=1 must be between 0 and 1'),
        (dict(count=0), 'source_selection.count=0'),
        (dict(centres=0), 'source_selection.centres=0'),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        SourceSelection(**{'source': {}, 'count': 3, **options})
