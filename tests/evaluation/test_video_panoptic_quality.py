"""VPQ^s by hand, and against a literal tube by tube evaluation."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from mmdavss.evaluation.video_panoptic_quality import VPQMetric, confusion_with_void
from tests.evaluation.names import refuses_videos_of_one_name
from tests.evaluation.two_processes import in_two_processes

VOID = 255


def sample(sequence, frame, label, prediction):
    def data(values):
        return PixelData(data=torch.as_tensor(values).reshape(1, 1, -1))

    return SegDataSample(
        metainfo=dict(seq_name=sequence, frame_name=frame),
        gt_sem_seg=data(label),
        pred_sem_seg=data(prediction),
    )


def samples_of(clips):
    """Samples of clips, which are lists of (label, prediction)."""
    return [
        sample(f'{c:04d}', f'{c}_{f}', *pair)
        for c, clip in enumerate(clips)
        for f, pair in enumerate(clip)
    ]


def evaluate(samples, classes='ab', **kwargs):
    evaluator = Evaluator(METRICS.build(dict(type='VPQMetric', **kwargs)))
    evaluator.dataset_meta = dict(classes=tuple(classes))
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


def row(**counts):
    """``row(a=2, b=1, v=1)``: classes 0 and 1 and void, so many pixels of each."""
    ids = dict(a=0, b=1, c=2, v=VOID)
    return [ids[name] for name, count in counts.items() for _ in range(count)]


def test_perfect():
    result = evaluate(samples_of([[(row(a=4), row(a=4))] * 5] * 2))
    assert result == {'VPQ': 100, 'VPQ.1': 100, 'VPQ.2': 100, 'VPQ.3': 100, 'VPQ.4': 100}


def test_by_hand():
    truth = row(a=6, b=4)
    clip = [(truth, row(a=4, b=6)), (truth, row(a=10))]
    result = evaluate(samples_of([clip]), windows=(1, 2), per_class=True)
    # Frame 1: a 4/6, b 4/6. Frame 2: a 6/10, b missed.
    a, b = (4 / 6 + 6 / 10) / 2, 4 / 6 / 1.5
    assert result['VPQ.1'] == pytest.approx(100 * (a + b) / 2, abs=0.005)
    # Both as one tube: a 10 of 12 + 14 - 10, b 4 of 8 + 6 - 4, no match: one missed, one wrong.
    assert result['VPQ.2'] == pytest.approx(100 * (10 / 16 + 0) / 2, abs=0.005)
    assert result['VPQ'] == pytest.approx(100 * ((a + b) / 2 + 10 / 32) / 2, abs=0.005)
    assert result['VPQ.a'] == pytest.approx(100 * (a + 10 / 16) / 2, abs=0.005)
    assert result['VPQ.b'] == pytest.approx(100 * b / 2, abs=0.005)


@pytest.mark.parametrize(
    'label, prediction, expected',
    [
        # a: its pixel on void is not in the union. b: wholly on void, so neither right nor wrong.
        (row(a=2, v=4), row(a=3, b=3), 100),
        # b: more than half on void is no false positive, exactly half is one. a: 2/3 in both.
        (row(a=3, v=2), row(a=2, b=3), 100 * 2 / 3),
        (row(a=3, v=1), row(a=2, b=2), 100 / 3),
        # Void alone has no tube to find: no value at all.
        (row(v=3), row(a=3), np.nan),
        # A match needs more than 0.5; b is only predicted: a false positive.
        (row(a=4), row(a=2, b=2), 0),
        (row(a=5), row(a=3, b=2), 100 * (3 / 5) / 2),
        # b occurs nowhere: left out.
        (row(a=4), row(a=4), 100),
        # b is missed: it counts with 0.
        (row(a=3, b=1), row(a=4), 100 * (3 / 4) / 2),
    ],
)
def test_void_and_absent_classes(label, prediction, expected):
    result = evaluate(samples_of([[(label, prediction)]]), windows=(1,))
    assert result['VPQ'] == pytest.approx(expected, abs=0.005, nan_ok=True)


def test_void_over_frames():
    """What is void counts for the window, not for each frame."""
    clip = [(row(v=4), row(b=4)), (row(a=4), row(a=1, b=3))]
    # Frame by frame: b on void is excused in the first, wrong in the second; a missed and wrong.
    assert evaluate(samples_of([clip]), windows=(1,))['VPQ'] == 0
    # In the window 4 of its 7 pixels are on void: excused; a is left, missed and wrong.
    result = evaluate(samples_of([clip]), windows=(2,), per_class=True)
    assert np.isnan(result['VPQ.b']) and result['VPQ.a'] == result['VPQ'] == 0


def test_prediction_that_is_void():
    """No tube of its own, but pixels that the true tube lacks (masks with ignored pixels)."""
    assert confusion_with_void(
        torch.tensor([0, 255, 1], dtype=torch.uint8),
        torch.tensor([0, 0, 255], dtype=torch.uint8),
        2,
    ).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    result = evaluate(samples_of([[(row(a=4), row(a=3, v=1))]]), windows=(1,))
    assert result['VPQ'] == 75


def test_frames_larger_than_a_block(monkeypatch):
    monkeypatch.setattr('mmdavss.evaluation.video_panoptic_quality.BLOCK', 7)
    label, prediction = (torch.arange(24).view(4, 6) % n for n in (3, 4))
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (label.numpy(), prediction.numpy()), 1)
    assert np.array_equal(confusion_with_void(prediction, label, 3), counts)


def test_windows_do_not_cross_clips():
    right, wrong = (row(a=2), row(a=2)), (row(a=2), row(b=2))
    result = evaluate(samples_of([[right, right], [wrong, wrong]]), windows=(2,), per_class=True)
    # Two windows: one match of a, one miss; b once wrong. A third one would miss and err again.
    assert (result['VPQ.a'], result['VPQ.b']) == (pytest.approx(100 / 1.5, abs=0.005), 0)


def test_clips_that_are_shorter_than_a_window():
    right, wrong = (row(a=2), row(a=2)), (row(a=2), row(b=2))
    result = evaluate(samples_of([[right, right], [wrong]]), windows=(1, 2, 3))
    # One frame: two matches of a, one miss, b wrong. Two frames: the first clip alone.
    first = 100 * (2 / 2.5 + 0) / 2
    assert result['VPQ.1'] == pytest.approx(first) and result['VPQ.2'] == 100
    # No clip has three: neither a value nor a part of the mean.
    assert np.isnan(result['VPQ.3']) and result['VPQ'] == pytest.approx((first + 100) / 2)


def test_frames_are_sorted_within_their_clips():
    """Frame 10 comes after frame 9, and clips may be mixed."""
    right, wrong = (row(a=2), row(a=2)), (row(a=2), row(b=2))
    clip = [sample('x', f'f{n}', *(wrong if n == 9 else right)) for n in range(8, 12)]
    other = [sample('y', f'f{n}', *right) for n in range(8, 12)]
    expected = evaluate([*clip, *other], windows=(2,))
    # 8-9 and 9-10 have an IoU of 0.5, a is missed and wrong; 10-11 and the other clip match. By
    # letters 10-11 and 11-8 would.
    assert expected['VPQ'] == pytest.approx(100 * (4 / (4 + 1 + 1)) / 2, abs=0.005)
    for order in itertools.islice(itertools.permutations([*clip, *other]), 0, 40000, 4111):
        assert evaluate(order, windows=(2,)) == expected
    # As a sampler pads: a frame that comes again is the same frame.
    assert evaluate([*other, *clip, *clip[:2]], windows=(2,)) == expected


def naive(clips, num_classes, length):
    """Kim et al., pixel by pixel; the value of each class."""
    stats = {k: [0.0, 0, 0, 0] for k in range(num_classes)}
    for clip in clips:
        for start in range(len(clip) - length + 1):
            pixels = [
                pixel
                for label, prediction in clip[start : start + length]
                for pixel in zip(label, prediction, strict=True)
            ]
            for k in range(num_classes):
                true = sum(t == k for t, _ in pixels)
                found = sum(p == k for _, p in pixels)
                void = sum(t == VOID and p == k for t, p in pixels)
                both = sum(t == k and p == k for t, p in pixels)
                union = true + found - both - void
                if union and both / union > 0.5:
                    stats[k][0] += both / union
                    stats[k][1] += 1
                else:
                    stats[k][2] += true > 0
                    stats[k][3] += found > 0 and not void / found > 0.5
    return [
        total / (tp + fn / 2 + fp / 2) if tp + fn + fp else np.nan
        for total, tp, fn, fp in stats.values()
    ]


def test_against_tubes_pixel_by_pixel():
    rng = np.random.default_rng(0)
    clips = []
    for frames in (6, 5, 3, 1):
        clip = []
        for _ in range(frames):
            label = rng.choice([0, 1, 2, 3, VOID], 40, p=[0.5, 0.25, 0.1, 0.05, 0.1])
            flip = rng.random(40) < 0.2
            prediction = np.where(flip | (label == VOID), rng.integers(0, 5, 40), label)
            clip.append((label, prediction))
        clips.append(clip)
    result = evaluate(samples_of(clips), 'abcde', per_class=True)
    expected = np.array([naive(clips, 5, n) for n in (1, 2, 3, 4)]) * 100
    lengths = np.nanmean(expected, 1)
    for n, value in enumerate(lengths, 1):
        assert result[f'VPQ.{n}'] == pytest.approx(value, abs=0.006)
    assert result['VPQ'] == pytest.approx(lengths.mean(), abs=0.006)
    for name, value in zip('abcde', np.nanmean(expected, 0), strict=True):
        assert result[f'VPQ.{name}'] == pytest.approx(value, abs=0.006)
    assert 10 < result['VPQ'] < 90


def test_subset_of_the_classes():
    """A prediction outside of the subset is still wrong for the true class."""
    clip = [(row(a=6, b=2), row(a=4, c=2, b=2))]
    result = evaluate(samples_of([clip]), 'abc', subset=['b', 'a'], windows=(1,), per_class=True)
    assert result == {
        'VPQ': pytest.approx(100 * (4 / 6 + 1) / 2, abs=0.005),
        'VPQ.1': result['VPQ'],
        'VPQ.b': 100,
        'VPQ.a': pytest.approx(100 * 4 / 6, abs=0.005),
    }
    # c is a false positive.
    whole = evaluate(samples_of([clip]), 'abc', windows=(1,))
    assert whole['VPQ'] == pytest.approx(100 * (4 / 6 + 1 + 0) / 3, abs=0.005)


def test_videos_of_one_name():
    samples = samples_of([[(row(a=2), row(a=2))] * 2] * 2)
    refuses_videos_of_one_name(samples, evaluate)


def test_two_processes(tmp_path):
    truth = row(a=6, b=4)
    samples = samples_of(
        [
            [(truth, row(a=4, b=6)), (truth, row(a=10)), (truth, truth)],
            [(truth, row(b=10)), (truth, truth)],
        ]
    )
    expected = evaluate(samples, windows=(1, 2))
    found = in_two_processes(VPQMetric(windows=(1, 2)), dict(classes=('a', 'b')), samples, tmp_path)
    assert found == [expected] * 2


def test_errors():
    with pytest.raises(ValueError, match=r'windows=\(0, 2\)'):
        VPQMetric(windows=(0, 2))
    with pytest.raises(ValueError, match='tram'):
        evaluate(samples_of([[(row(a=1), row(a=1))]]), subset=['a', 'tram'])
    with pytest.raises(ValueError, match='seq_name and frame_name.*PackClipInputs'):
        metric = VPQMetric()
        metric.dataset_meta = dict(classes=('a',))
        metric.process({}, [dict(seq_name='x')])
