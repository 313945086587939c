"""STQ by hand, and against a literal evaluation pixel by pixel."""

import itertools
from math import sqrt

import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, METRICS
from mmseg.structures import SegDataSample

from mmdavss.evaluation import STQMetric
from tests.evaluation.names import refuses_videos_of_one_name
from tests.evaluation.two_processes import in_two_processes

VOID = 255
#: Classes of the clips: a stuff class and two of things.
CLASSES = ('sky', 'person', 'car')
THINGS = ('person', 'car')


def pixels(text):
    """``'s p1 c2 v'``: classes and numbers of pixels, a row of each."""
    classes = dict(s=0, p=1, c=2, v=VOID)
    words = text.split()
    return [classes[word[0]] for word in words], [int(word[1:] or 0) for word in words]


def samples_of(sequences):
    """Samples of sequences, which are lists of frames (truth, prediction) as in `pixels`."""

    def data(values):
        return PixelData(data=torch.as_tensor(values).reshape(1, 1, -1))

    samples = []
    for s, sequence in enumerate(sequences):
        for n, (truth, prediction) in enumerate(sequence):
            (label, tracks), (classes, numbers) = pixels(truth), pixels(prediction)
            samples.append(
                SegDataSample(
                    metainfo=dict(seq_name=f'{s:04d}', frame_name=f'{n:06d}'),
                    gt_sem_seg=data(label),
                    gt_tracks=data(tracks),
                    pred_sem_seg=data(classes),
                    pred_tracks=data(numbers),
                )
            )
    return samples


def evaluate(samples, **kwargs):
    evaluator = Evaluator(METRICS.build(dict(type='STQMetric', **kwargs)))
    evaluator.dataset_meta = dict(classes=CLASSES, thing_classes=THINGS)
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


def percent(aq, sq):
    return {
        name: pytest.approx(100 * value, abs=0.006)
        for name, value in dict(STQ=sqrt(aq * sq), AQ=aq, SQ=sq).items()
    }


@pytest.mark.parametrize(
    'clip, aq, sq',
    [
        # The number of a track is arbitrary, but has to stay.
        ([('p1 p1 s s', 'p7 p7 s s'), ('p1 p1 s s', 'p7 p7 s s')], 1, 1),
        # It changes from frame to frame: 1/4 (2 * 2/4 + 2 * 2/4) of the track.
        ([('p1 p1 s s', 'p7 p7 s s'), ('p1 p1 s s', 'p8 p8 s s')], 0.5, 1),
        # Two objects with one number: TPA 2, |p| 4, |g| 2, for each.
        ([('p1 p1 p2 p2', 'p5 p5 p5 p5')], 0.5, 1),
        # Half of the object is found: TPA 1, |p| 1, |g| 2. IoU 1/2 of person, 1/2 of sky.
        ([('p1 p1 s', 'p5 s s')], 0.25, 0.5),
        # Found as a car: associated, but of the wrong class (person 0, car 0, sky 1).
        ([('p1 p1 s', 'c5 c5 s')], 1, 1 / 3),
        # Not found.
        ([('p1 s', 's s')], 0, 1 / 4),
        # Stuff that is found as a thing makes the track larger: TPA 2, |p| 3. IoU 2/3 and 1/2.
        ([('p1 p1 s s', 'p5 p5 p5 s')], 2 / 3, (2 / 3 + 1 / 2) / 2),
        # A crowd region, number 0, counts in no track, but in the classes.
        ([('p0 p0 p1 p1', 'p5 p6 p5 p5')], 1, 1),
        ([('p0 p0 p1 p1', 's s p5 p5')], 1, (2 / 4 + 0) / 2),
        # Void does not count in the classes, but in the size of a predicted track: TPA 2, |p| 3.
        ([('v p1 p1', 'p5 p5 p5')], 2 / 3, 1),
        # A stuff class has no tracks, whatever number it is given.
        ([('s p1', 's9 p1')], 1, 1),
        # One number, two classes: two tracks. TPA 1 of |p| 1 and |g| 2 for each.
        ([('p1 p1', 'p5 c5')], 0.5, (1 / 2 + 0) / 2),
    ],
)
def test_by_hand(clip, aq, sq):
    assert evaluate(samples_of([clip])) == percent(aq, sq)


def test_whole_data_set():
    """Tracks and classes of all sequences, not a mean of the sequences."""
    one = [('p1 p1 p2 p2', 'p1 p1 p2 p2')]
    two = [('c1 c1 c1 s', 'c1 c2 c3 p1')]
    # Three tracks: 1, 1, and 3 * 1/3 * 1/3. person 4/5, car 3/3, sky 0/1.
    assert evaluate(samples_of([one, two])) == percent((1 + 1 + 1 / 3) / 3, (4 / 5 + 1 + 0) / 3)
    # The same number in another sequence is another object.
    same = [('p1 p1', 'p1 p1')]
    assert evaluate(samples_of([same, same, same])) == percent(1, 1)
    alone = evaluate(samples_of([two]))
    assert alone == percent(1 / 3, 1 / 3)


def test_predictions_without_tracks(caplog):
    """Each thing class is one track: AQ of one object is 1, of two equal ones 1/2."""
    clip = [('p1 p1 c3 c4 s', 'p5 p6 c1 c1 s')] * 2
    samples = samples_of([clip])
    for sample in samples:
        del sample.pred_tracks
    assert evaluate(samples) == percent((1 + 1 / 2 + 1 / 2) / 3, 1)


def test_tracks_and_sizes_of_predictions():
    for numbers in ([-1, 2], [1.0, 2.0]):
        (sample,) = samples_of([[('p1 c1', 'p1 c1')]])
        sample.pred_tracks = PixelData(data=torch.tensor(numbers).view(1, 1, 2))
        with pytest.raises(ValueError, match='000000 of 0000 must be integers, 0 or more'):
            evaluate([sample])
    (sample,) = samples_of([[('p1 c1', 'p1 c1')]])
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 1, 3).long())
    with pytest.raises(ValueError, match=r'label of \(1, 2\) and a prediction of \(1, 3\)'):
        evaluate([sample])


def test_things_of_the_metric_or_of_the_data_set():
    samples = samples_of([[('p1 c1', 'p1 c1'), ('p1 c1', 'p1 c2')]])
    assert evaluate(samples)['AQ'] == pytest.approx(75)
    assert evaluate(samples, things=['person'])['AQ'] == 100


def naive(sequences):
    """AQ and SQ of Weber et al., pixel by pixel."""
    total, tracks = 0.0, 0
    union, both = np.zeros(3), np.zeros(3)
    for sequence in sequences:
        found, true = {}, {}
        for n, frame in enumerate(sequence):
            (label, numbers), (classes, predicted) = map(pixels, frame)
            for i, (k, g, c, p) in enumerate(zip(label, numbers, classes, predicted, strict=True)):
                if k > 0 and k != VOID and g > 0:
                    true.setdefault((k, g), set()).add((n, i))
                if c > 0 and not (0 < k < VOID and g == 0):
                    found.setdefault((c, p), set()).add((n, i))
                if k != VOID:
                    for one in range(3):
                        union[one] += one in (k, c)
                        both[one] += one == k == c
        for track in true.values():
            total += sum(
                len(track & other) ** 2 / len(track | other) / len(track)
                for other in found.values()
            )
        tracks += len(true)
    return total / tracks, np.mean(both[union > 0] / union[union > 0])


def test_against_tubes_pixel_by_pixel():
    rng = np.random.default_rng(0)

    def frame(size=25):
        truth = rng.choice(['s', 'p0', 'p1', 'p2', 'c0', 'c1', 'c70000', 'v'], size)
        flip = rng.random(size) < 0.3
        other = rng.choice(['s', 's3', 'p0', 'p1', 'p4', 'c1', 'c9'], size)
        return ' '.join(truth), ' '.join(np.where(flip | (truth == 'v'), other, truth))

    sequences = [[frame() for _ in range(n)] for n in (4, 2, 1)]
    aq, sq = naive(sequences)
    assert 0.05 < aq < 0.9 and 0.2 < sq < 0.95
    assert evaluate(samples_of(sequences)) == percent(aq, sq)


SOME = [[('p1 c1 s', 'p1 s s'), ('p1 c1 s', 'p1 c1 s')], [('c1 c1 v', 'c2 c3 s')]]


def test_order_and_padding():
    samples = samples_of(SOME)
    expected = evaluate(samples)
    for order in itertools.permutations(samples):
        assert evaluate([*order, samples[1]]) == expected


def test_videos_of_one_name():
    samples = samples_of([[('p1 c1', 'p1 c1')] * 2] * 2)
    refuses_videos_of_one_name(samples, evaluate)


def test_two_processes(tmp_path):
    samples = samples_of(SOME)
    expected = evaluate(samples)
    found = in_two_processes(
        STQMetric(), dict(classes=CLASSES, thing_classes=THINGS), samples, tmp_path
    )
    assert found == [expected] * 2


def test_errors():
    samples = samples_of([[('s s', 's s')]])
    with pytest.raises(ValueError, match=r'none of the 1 frame has an object.*things'):
        evaluate(samples)
    with pytest.raises(ValueError, match=r"\['tram'\] of `things`.*sky"):
        evaluate(samples, things=['tram'])
    metric = STQMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    with pytest.raises(ValueError, match='thing_classes.*name them'):
        metric.process({}, [samples[0].to_dict()])
    metric.dataset_meta = dict(classes=CLASSES, thing_classes=THINGS)
    with pytest.raises(ValueError, match='seq_name and frame_name.*PackClipInputs'):
        metric.process({}, [dict(seq_name='x')])
    names = dict(seq_name='0001', frame_name='000002')
    with pytest.raises(ValueError, match='000002 of 0001 has no label'):
        metric.process({}, [names])
    del samples[0].gt_tracks
    with pytest.raises(ValueError, match='000000 of 0000 has no gt_tracks.*LoadTracks'):
        metric.process({}, [samples[0].to_dict()])


def test_labels_of_the_data_set(tmp_path):
    """A car that stays and is found in both frames of a KITTI-STEP sequence."""
    for n in range(2):
        label = np.zeros((8, 12, 3), np.uint8)  # BGR: number, number, class
        label[2:4, n : n + 4] = (44, 1, 13)
        for folder, image in (('images', label), ('panoptic_maps', label)):
            path = tmp_path / folder / 'val' / '0002' / f'{n:06d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)
    names = ('LoadClip', 'LoadClipAnnotations', 'LoadTracks', 'PackClipInputs')
    dataset = DATASETS.build(
        dict(
            type='KITTISTEPDataset',
            data_root=str(tmp_path),
            split='val',
            pipeline=[dict(type=name) for name in names],
        )
    )
    evaluator = Evaluator(METRICS.build(dict(type='STQMetric')))
    evaluator.dataset_meta = dataset.metainfo
    for item in dataset:
        sample = item['data_samples']
        sample.pred_sem_seg = PixelData(data=sample.gt_sem_seg.data.clone())
        assert set(sample.gt_tracks.data.unique().tolist()) == {0, 300}
        evaluator.process([sample])
    assert evaluator.evaluate(2) == {'STQ': 100, 'AQ': 100, 'SQ': 100}
