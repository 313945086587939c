"""mVC by hand, and against a literal evaluation window by window."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from mmdavss.evaluation import VideoConsistencyMetric
from tests.evaluation.names import refuses_videos_of_one_name
from tests.evaluation.two_processes import in_two_processes

VOID = 255


def samples_of(videos):
    """Samples of videos, which are lists of (label, prediction), each a row of pixels."""
    return [
        SegDataSample(
            metainfo=dict(seq_name=f'video{v}', frame_name=f'f{n}'),
            gt_sem_seg=PixelData(data=torch.as_tensor(label).reshape(1, 1, -1)),
            pred_sem_seg=PixelData(data=torch.as_tensor(prediction).reshape(1, 1, -1)),
        )
        for v, video in enumerate(videos)
        for n, (label, prediction) in enumerate(video)
    ]


def evaluate(samples, **kwargs):
    evaluator = Evaluator(METRICS.build(dict(type='VideoConsistencyMetric', **kwargs)))
    evaluator.dataset_meta = dict(classes=('a', 'b', 'c'))
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


STILL = [0, 0, 1, 1]


def test_perfect_and_flickering():
    perfect = [(STILL, STILL)] * 20
    assert evaluate(samples_of([perfect])) == {'mVC8': 100, 'mVC16': 100}
    # One of four pixels is wrong in frame 10 of 0 to 19. Of the windows of 8, which begin at 0 to
    # 12, those that begin at 3 to 10 hold it; of the windows of 16, begun at 0 to 4, all do.
    flicker = list(perfect)
    flicker[10] = (STILL, [0, 0, 1, 0])
    assert evaluate(samples_of([flicker])) == {
        'mVC8': pytest.approx(100 * (5 + 8 * 3 / 4) / 13, abs=0.005),
        'mVC16': 75,
    }


def test_only_pixels_whose_label_stays():
    """The second pixel changes its label: it does not count, whatever is predicted."""
    video = [([0, n >= 2, 1], [0, n % 2, n == 0]) for n in range(4)]
    # Windows of 2: the label of pixel 1 changes in the second alone. The prediction of pixel 0
    # stays, that of pixel 1 never does, that of pixel 2 changes in the first window.
    assert evaluate(samples_of([video]), lengths=(2,))['mVC2'] == pytest.approx(
        100 * (1 / 3 + 2 / 2 + 2 / 3) / 3, abs=0.005
    )


def test_mean_of_all_windows_not_of_videos():
    """Seven windows of 1 and one of 0: not the mean of a video with 1 and another with 0."""
    right, wrong = (STILL, STILL), (STILL, [1, 1, 0, 0])
    long, short = [right] * 8, [right, wrong]
    assert evaluate(samples_of([long, short]), lengths=(2,)) == {'mVC2': 87.5}


def test_steady_but_wrong():
    """As published, a constant prediction is consistent; with `correct` it has to be right."""
    video = [(STILL, [0, 1, 1, 1])] * 9
    assert evaluate(samples_of([video]), lengths=(8,)) == {'mVC8': 100}
    assert evaluate(samples_of([video]), lengths=(8,), correct=True) == {'mVC8': 75}


def test_void():
    video = [([0, VOID, 1, 1], [0, n, 1, 1]) for n in range(3)]
    samples = samples_of([video])
    assert evaluate(samples, lengths=(2,)) == {'mVC2': 100}
    assert evaluate(samples, lengths=(2,), mode='published') == {'mVC2': 75}
    nothing = samples_of([[([VOID] * 2, [0, 1])] * 3])
    assert np.isnan(evaluate(nothing, lengths=(2,))['mVC2'])


def test_windows_of_the_published_evaluation():
    """It leaves out the last window of each video."""
    right, wrong = (STILL, STILL), (STILL, [1, 1, 0, 0])
    video = [right, right, right, wrong]
    assert evaluate(samples_of([video]), lengths=(3,)) == {'mVC3': 50}
    assert evaluate(samples_of([video]), lengths=(3,), mode='published') == {'mVC3': 100}


def test_videos_that_are_too_short():
    long, short = [(STILL, STILL)] * 8, [(STILL, STILL), (STILL, [1, 1, 0, 0])]
    result = evaluate(samples_of([long, short]))
    assert result['mVC8'] == 100 and np.isnan(result['mVC16'])
    with pytest.raises(ValueError, match=r"has 2 labelled frames, too few.*frames='all'"):
        evaluate(samples_of([short]))
    with pytest.raises(ValueError, match='has 8 labelled frames, too few'):
        evaluate(samples_of([long]), mode='published')


def naive(videos, n, published, correct):
    values = []
    for video in videos:
        for start in range(len(video) - n + 1 - published):
            window = video[start : start + n]
            stable = consistent = 0
            for pixels in zip(*(zip(*pair, strict=True) for pair in window), strict=True):
                labels, predictions = ({*values} for values in zip(*pixels, strict=True))
                if len(labels) == 1 and (published or labels != {VOID}):
                    stable += 1
                    consistent += len(predictions) == 1 and (not correct or labels == predictions)
            if stable:
                values.append(consistent / stable)
    return 100 * np.mean(values)


@pytest.mark.parametrize('published', [False, True])
@pytest.mark.parametrize('correct', [False, True])
def test_against_windows_pixel_by_pixel(published, correct):
    rng = np.random.default_rng(0)
    videos = []
    for frames in (9, 5, 3):
        label, prediction, video = rng.integers(0, 3, 30), rng.integers(0, 3, 30), []
        for _ in range(frames):
            label = np.where(rng.random(30) < 0.15, rng.choice([0, 1, 2, VOID], 30), label)
            prediction = np.where(rng.random(30) < 0.4, rng.integers(0, 3, 30), prediction)
            video.append((label, prediction))
        videos.append(video)
    options = dict(lengths=(2, 4), mode='published' if published else 'all', correct=correct)
    result = evaluate(samples_of(videos), **options)
    for n in (2, 4):
        expected = naive(videos, n, published, correct)
        assert 10 < expected < 90
        assert result[f'mVC{n}'] == pytest.approx(expected, abs=0.006)


def test_order_and_padding():
    """Frame 10 comes after frame 9, videos may be mixed, and repeated frames count once."""
    video = [(STILL, STILL if n < 10 else [1, 1, 1, 1]) for n in range(12)]
    samples = samples_of([video, video[:3]])
    expected = evaluate(samples, lengths=(2,))
    assert expected['mVC2'] == pytest.approx(100 * (12 + 0.5) / 13, abs=0.005)
    for order in itertools.islice(itertools.permutations(samples), 0, 40000, 9111):
        assert evaluate([*order, samples[3]], lengths=(2,)) == expected


def test_videos_of_one_name():
    samples = samples_of([[(STILL, STILL)] * 8] * 2)
    refuses_videos_of_one_name(samples, evaluate)


def test_two_processes(tmp_path):
    flip = [1, 0, 1, 1]
    samples = samples_of([[(STILL, STILL), (STILL, flip), (STILL, STILL)], [(STILL, flip)] * 4])
    expected = evaluate(samples, lengths=(2, 3))
    assert 50 < expected['mVC3'] < 100
    found = in_two_processes(
        VideoConsistencyMetric(lengths=(2, 3)), dict(classes=('a', 'b')), samples, tmp_path
    )
    assert found == [expected] * 2


def test_errors():
    with pytest.raises(ValueError, match=r'lengths=\(1, 8\)'):
        VideoConsistencyMetric(lengths=(1, 8))
    with pytest.raises(ValueError, match="mode='literal'"):
        VideoConsistencyMetric(mode='literal')
    metric = VideoConsistencyMetric()
    metric.dataset_meta = dict(classes=('a',))
    with pytest.raises(ValueError, match='seq_name and frame_name.*PackClipInputs'):
        metric.process({}, [dict(seq_name='x')])
    with pytest.raises(ValueError, match='f1 of x has no label.*with_labels=True'):
        metric.process({}, [dict(seq_name='x', frame_name='f1')])
    one, two = samples_of([[(STILL, STILL), ([0], [0])]])
    with pytest.raises(ValueError, match='video0 differ in size'):
        evaluate([one, two], lengths=(2,))
