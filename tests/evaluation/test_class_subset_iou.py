"""Class-subset IoU against the published evaluations (golden arrays) and by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.evaluation import ClassSubsetIoU

GOLDEN = Path(__file__).parents[1] / 'data/golden'


def processed(predictions, labels, classes, **kwargs):
    metric = ClassSubsetIoU(**kwargs)
    metric.dataset_meta = dict(classes=classes)
    for prediction, label in zip(predictions, labels, strict=True):
        metric.process(
            {},
            [
                dict(
                    pred_sem_seg=dict(data=torch.as_tensor(prediction)[None]),
                    gt_sem_seg=dict(data=torch.as_tensor(label)[None]),
                )
            ],
        )
    return metric


def evaluate(predictions, labels, classes, **kwargs):
    return processed(predictions, labels, classes, **kwargs).evaluate(len(predictions))


def test_synthia_trains_12_reports_11():
    """DA-VSN's and TPS's evaluation: scores go to label size with align_corners, fence is left
    out of the mean and still takes part in the confusion."""
    data = np.load(GOLDEN / 'metric_miou_12_to_11.npz')
    scores = F.interpolate(
        torch.tensor(data['score']), data['gt'].shape[-2:], mode='bilinear', align_corners=True
    )
    classes = tuple(f'c{i}' for i in range(data['score'].shape[1]))
    dropped = f'c{int(data["dropped_index"])}'
    metric = processed(
        scores.argmax(1),
        data['gt'],
        classes,
        per_class=True,
        subset=[c for c in classes if c != dropped],
    )
    intersect, _, predicted, labelled = map(sum, zip(*metric.results, strict=True))
    counts = data['hist_gt_rows']
    np.testing.assert_array_equal(intersect, counts.diagonal())
    np.testing.assert_array_equal(predicted, counts.sum(0))
    np.testing.assert_array_equal(labelled, counts.sum(1))
    result = metric.evaluate(len(scores))
    assert result['mIoU'] == pytest.approx(float(data['miou_11_percent_rounded2']), abs=0.01)
    for index, name in enumerate(classes):
        if name == dropped:
            assert f'IoU.{name}' not in result
        else:
            expected = data['iou_12'][index] * 100  # NaN where it is of no pixel
            assert result[f'IoU.{name}'] == pytest.approx(expected, abs=0.01, nan_ok=True)


def test_absent_class_counts_zero_as_sfc_does():
    data = np.load(GOLDEN / 'metric_miou_sfc.npz')
    count = int(data['num_classes'])
    classes = tuple(f'c{i}' for i in range(count))
    label = np.where((data['gt'] < 0) | (data['gt'] >= count), 255, data['gt'])
    zero = evaluate(data['pred'], label, classes, absent='zero')
    assert zero['mIoU'] == pytest.approx(float(data['miou']) * 100, abs=0.005 + 1e-6)
    # The same arrays where an absent class is left out: mean over the classes that occur.
    area = data['confusion'].sum(0) + data['confusion'].sum(1)
    expected = data['iou'][area > 0].mean() * 100
    nan = evaluate(data['pred'], label, classes)
    assert nan['mIoU'] == pytest.approx(expected, abs=0.005 + 1e-6)


def test_by_hand():
    # Class a: 2 of 3 union, b: 1 of 2, c: 0 of 1 (predicted, never true).
    label = np.array([[0, 0, 1, 255]])
    prediction = np.array([[0, 0, 1, 2]])
    result = evaluate([prediction], [label], ('a', 'b', 'c'))
    assert result['mIoU'] == 100
    prediction = np.array([[0, 2, 1, 2]])
    result = evaluate([prediction], [label], ('a', 'b', 'c'), subset=['a', 'b'], per_class=True)
    assert (result['IoU.a'], result['IoU.b'], result['mIoU']) == (50, 100, 75)
    result = evaluate([prediction], [label], ('a', 'b', 'c'))
    assert result['mIoU'] == 50


def test_samples_without_a_label_of_their_size():
    metric = ClassSubsetIoU()
    metric.dataset_meta = dict(classes=('a', 'b'))

    def sample(label=(4, 6), **names):
        predicted = dict(pred_sem_seg=dict(data=torch.zeros(1, 4, 6, dtype=torch.long)))
        if label:
            names['gt_sem_seg'] = dict(data=torch.zeros(1, *label, dtype=torch.long))
        return predicted | names

    named = dict(seq_name='x', frame_name='f1', img_path='f1.png')
    for one, words in (
        (sample(None, **named), 'ClassSubsetIoU: f1 of x has no label.*with_labels=True'),
        (sample(None, img_path='img/3.png'), 'img/3.png has no label.*LoadAnnotations'),
        (sample(None), 'a sample has no label'),
        (sample((2, 3), **named), r'f1 of x has a label of \(2, 3\) and a prediction of \(4, 6\)'),
        (sample((6, 4), img_path='img/3.png'), 'img/3.png has a label of.*behind Resize'),
    ):
        with pytest.raises(ValueError, match=words):
            metric.process({}, [sample(), one])
    assert metric.results == []
    metric.process({}, [sample(), sample()])
    assert metric.evaluate(2)['mIoU'] == 100


def test_predictions_are_written_without_labels(tmp_path):
    metric = ClassSubsetIoU(format_only=True, output_dir=str(tmp_path))
    metric.dataset_meta = dict(classes=('a', 'b'))
    predicted = dict(data=torch.zeros(1, 4, 6, dtype=torch.uint8))
    metric.process({}, [dict(pred_sem_seg=predicted, img_path='img/3.png')])
    assert (tmp_path / '3.png').is_file()


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(absent='skip'), "absent='skip'"),
        (dict(subset=['a', 'tram']), 'tram'),
        (dict(subset=['a', 'b', 'a']), 'each once'),
        (dict(subset=[]), 'one class or more'),
    ],
)
def test_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        evaluate([np.zeros((1, 1), int)], [np.zeros((1, 1), int)], ('a', 'b'), **kwargs)
