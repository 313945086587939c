"""The rules of the papers against golden arrays of their releases.

Thresholds come through the files of a first pass, as in the generator.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmdavss.datasets.spatial_prior import spatial_prior
from mmdavss.pseudo_labels import confidences
from mmdavss.pseudo_labels.confidences import Confidences
from mmdavss.pseudo_labels.folder import write_soft
from mmdavss.pseudo_labels.predictor import ClipPredictor, Frame, FrameClip, Prediction
from mmdavss.pseudo_labels.rules import RULES
from mmdavss.structures import Clip

GOLDEN = Path(__file__).parents[1] / 'data/golden'


def arrays(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f'rivals_{name}.npz'))


def predicted(probabilities: np.ndarray) -> list[tuple[Frame, Prediction]]:
    """Predictions of frames, from (N, K, H, W)."""
    maps = torch.from_numpy(probabilities)
    return [
        (
            Frame(f'{n}.png', ''),
            Prediction(
                p.max(0).values.numpy(), p.argmax(0).numpy().astype(np.uint8), p.shape[1:], p
            ),
        )
        for n, p in enumerate(maps)
    ]


def thresholds_of(rule, frames, num_classes, folder) -> np.ndarray:
    """The first pass, a clip for each frame."""
    for number, (_, prediction) in enumerate(frames):
        confidences.write(str(folder), number, rule.sample(prediction, num_classes))
    return rule.start(num_classes, Confidences(str(folder), len(frames), rule.joined))


def labelled(rule, frames, thresholds, size=None):
    """Labels, soft labels and thresholds, of clips of `size` frames (all by default)."""
    state, found, after = thresholds.copy(), [], []
    for first in range(0, len(frames), size or len(frames)):
        clip = frames[first : first + (size or len(frames))]
        found += rule.label(clip, len(thresholds), lambda: nullcontext(state))
        after.append(state.copy())
    return np.stack([one.labels for one in found]), [one.soft for one in found], np.stack(after)


@pytest.mark.parametrize('portion', ['0.2', '0.25', '0.3'])
def test_cbst(portion, tmp_path):
    golden = arrays('cbst_crst_selection')
    frames = predicted(golden['prob'])
    rule = RULES['cbst'](portion=float(portion), every=int(golden['ds_rate']))
    thresholds = thresholds_of(rule, frames, golden['prob'].shape[1], tmp_path)
    np.testing.assert_allclose(thresholds, golden[f'threshold_p{portion}'], atol=1e-6)
    labels = labelled(rule, frames, thresholds)[0]
    np.testing.assert_array_equal(labels, golden[f'label_p{portion}'])
    counts = Confidences(str(tmp_path), len(frames)).counts
    np.testing.assert_array_equal(counts, golden['confidences_kept_per_class'])


def test_cbst_without_subsampling(tmp_path):
    golden = arrays('cbst_crst_selection')
    frames = predicted(golden['prob'])
    rule = RULES['cbst'](portion=0.2, every=1)
    thresholds = thresholds_of(rule, frames, golden['prob'].shape[1], tmp_path)
    np.testing.assert_allclose(thresholds, golden['threshold_p02_no_subsampling'], atol=1e-6)
    labels = labelled(rule, frames, thresholds)[0]
    np.testing.assert_array_equal(labels, golden['label_p02_no_subsampling'])


def test_cbst_by_hand():
    """A label may be another class than the most probable one; >= keeps; 1 is no threshold."""
    maps = np.float32([[0.6, 0.5, 0.2], [0.4, 0.25, 0.2], [0.0, 0.25, 0.6]])[None, :, None]
    labels = labelled(RULES['cbst'](), predicted(maps), np.array([0.75, 0.25, 1.0]))[0]
    assert labels.ravel().tolist() == [1, 1, 255]
    labels = labelled(RULES['cbst'](), predicted(maps), np.array([0.5, 0.5, 1.0]))[0]
    assert labels.ravel().tolist() == [0, 0, 255]


def test_lrent(tmp_path):
    golden = arrays('cbst_crst_selection')
    frames = predicted(golden['prob'])
    rule = RULES['lrent'](portion=0.2, temperature=float(golden['lrent_alpha']))
    thresholds = thresholds_of(rule, frames, golden['prob'].shape[1], tmp_path)
    labels, soft, _ = labelled(rule, frames, thresholds)
    np.testing.assert_array_equal(labels, golden['lrent_label_p02'])
    np.testing.assert_allclose(np.stack(soft), golden['lrent_soft_label_p02'], atol=1e-5)
    # Another way to say which pixels are kept.
    ratio = (golden['prob'] / thresholds[:, None, None]) ** (1 / rule.temperature)
    assert np.array_equal(labels != 255, ratio.sum(1) > 1)


@pytest.mark.parametrize('portion', ['0.15', '0.2'])
@pytest.mark.parametrize('kind', ['cb', 'cb_prior', 'global'])
def test_cbst_of_the_mxnet_release(kind, portion, tmp_path):
    golden = arrays('cbst_release_priors')
    frames = predicted(golden['prob'])
    num_classes = golden['prob'].shape[1]
    np.save(tmp_path / 'prior.npy', golden['spatial_prior'])
    rule = RULES['cbst'](
        portion=float(portion),
        prior=str(tmp_path / 'prior.npy') if kind == 'cb_prior' else None,
        balanced=kind != 'global',
        leading_zeros=True,
    )
    rule.check(num_classes)
    thresholds = thresholds_of(rule, frames, num_classes, tmp_path)
    expected = golden[f'{kind}_threshold_p{portion}']
    expected = np.where(expected == 0, 1, expected)  # they count as 1
    np.testing.assert_allclose(thresholds, expected, atol=1e-6)
    labels = labelled(rule, frames, thresholds)[0]
    np.testing.assert_array_equal(labels, golden[f'{kind}_label_p{portion}'])


def test_priors_of_source_labels(tmp_path):
    """Where a network is undecided, the label is what the source has there."""
    top, bottom = np.full((2, 128, 256), 255, np.uint8)
    top[:64], top[64:] = 1, 0
    bottom[:64, :128], bottom[64:] = 2, 0
    np.save(tmp_path / 'prior.npy', spatial_prior([top, bottom], 4))
    rule = RULES['cbst'](portion=0.5, every=1, prior=str(tmp_path / 'prior.npy'))
    rule.check(4)
    frames = predicted(np.full((1, 4, 32, 64), 0.25, np.float32))
    thresholds = thresholds_of(rule, frames, 4, tmp_path)
    labels = labelled(rule, frames, thresholds)[0][0]
    # Left of the middle both are as frequent, and the first wins.
    assert (labels[:14] == 1).mean() > 0.4 and {*labels[:14].ravel()} <= {1, 2, 255}
    assert {*labels[18:].ravel()} == {0}
    maps = rule.weighted(frames[0][1])
    np.testing.assert_allclose(maps.sum(0), 0.25, rtol=1e-5)
    np.testing.assert_allclose(maps[:, 5, 5], [0, 0.125, 0.125, 0], atol=1e-6)
    np.testing.assert_allclose(maps[:, 5, 60], [0, 0.25, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    'tag, options',
    [
        ('round1_batch2', dict(alpha=0.2)),
        ('round2_batch2', dict(alpha=0.25)),
        ('round3_batch2', dict(alpha=0.3)),
        ('gamma1_batch2', dict(alpha=0.2, gamma=1.0)),
        ('start09999_batch2', dict(alpha=0.2, start=0.9999)),
    ],
)
def test_iast(tag, options):
    """Two images at a time, in one clip or in several."""
    golden = arrays('iast_thresholds')
    frames = predicted(golden['probability'])
    num_classes = golden['probability'].shape[1]
    rule = RULES['iast'](**options)
    for size in (len(frames), 2):
        labels, _, after = labelled(rule, frames, rule.start(num_classes), size)
        np.testing.assert_array_equal(labels, golden[f'{tag}_label'])
    np.testing.assert_allclose(after, golden[f'{tag}_threshold'], atol=1e-6)


def test_pairs_of_cmom():
    """Both frames' labels and running thresholds, pair by pair."""
    golden = dict(np.load(GOLDEN / 'cmom_pseudo_labels.npz'))
    size = golden['image_size'].tolist()
    options = {key: float(golden[key]) for key in ('alpha', 'gamma', 'start')}
    rule = RULES['pair'](beta=float(golden['momentum']), cap=float(golden['ceiling']), **options)
    assert rule.options() == RULES['pair']().options()
    names = ('current', 'previous')
    num_classes = golden['scores_current'].shape[1]
    state = rule.start(num_classes)
    for n in range(len(golden['scores_current'])):
        scores = torch.from_numpy(np.stack([golden[f'scores_{name}'][n] for name in names[::-1]]))
        scores = torch.nn.functional.interpolate(
            scores.float(), size, mode='bilinear', align_corners=True
        )
        pair = predicted(scores.softmax(1).numpy())
        found = rule.label(pair, num_classes, lambda: nullcontext(state))
        for name, own in zip(names[::-1], found, strict=True):
            np.testing.assert_array_equal(own.labels, golden[f'label_{name}'][n])
        expected = [golden[f'thresholds_{name}_after'][n] for name in names]
        np.testing.assert_allclose(state, np.concatenate(expected), atol=1e-6)


class Network:
    """Predicts the probabilities (1, K, h, w) that it is given."""

    align_corners = True

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps

    def eval(self) -> Network:
        return self

    def data_preprocessor(self, data: dict, training: bool) -> dict:
        size = self.maps.shape[-2:]
        frames = torch.zeros(1, 1, 3, *size)
        sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
        return dict(inputs=Clip(frames, frames), data_samples=[sample])

    def encode_decode(self, clip: Clip) -> Tensor:
        return self.maps.clamp(min=1e-30).log()


def test_mean_of_the_networks_of_fda():
    """The release's weights are 0.3333, 0.3333 and 0.3334."""
    golden = arrays('fda_mbt_labels')
    maps = torch.from_numpy(golden['model_probabilities'])
    for n, expected in enumerate(golden['mean_confidence']):
        first, *further = (Network(own[n : n + 1]) for own in maps)
        predictor = ClipPredictor(first, [], further=further)
        (prediction,) = predictor(FrameClip('', (Frame(f'{n}.png', ''),)))
        mean = torch.nn.functional.interpolate(
            prediction.probabilities[None], expected.shape, mode='bilinear', align_corners=True
        )
        np.testing.assert_allclose(mean[0].max(0).values, expected, rtol=0, atol=1e-4)


def test_fda(tmp_path):
    golden = arrays('fda_mbt_labels')
    confidence, labels = golden['mean_confidence'], golden['mean_label'].astype(np.uint8)
    frames = [
        (Frame(f'{n}.png', ''), Prediction(p.astype(np.float32), own, p.shape))
        for n, (p, own) in enumerate(zip(confidence, labels, strict=True))
    ]
    rule = RULES['quantile']()
    thresholds = thresholds_of(rule, frames, len(golden['threshold']), tmp_path)
    np.testing.assert_allclose(thresholds, golden['threshold'], atol=1e-6)
    np.testing.assert_array_equal(labelled(rule, frames, thresholds)[0], golden['label'])


def test_ccm(tmp_path):
    golden = arrays('ccm')
    scores = torch.from_numpy(golden['target_scores'])
    size = golden['size'].tolist()
    scores = torch.nn.functional.interpolate(scores, size, mode='bilinear', align_corners=True)
    frames = predicted(scores.softmax(1).numpy())
    num_classes = scores.shape[1]
    for portion in ('0.3', '0.1'):
        rule = RULES['ccm'](portion=float(portion))
        thresholds = thresholds_of(rule, frames, num_classes, tmp_path)
        there = golden['class_present']
        expected = np.where(there, golden[f'threshold_prop{portion}'], 1)
        np.testing.assert_allclose(thresholds, expected, atol=1e-6)
    np.testing.assert_array_equal(labelled(rule, frames, thresholds)[0], golden['label'])
    votes = [rule.votes(prediction, thresholds) for _, prediction in frames]
    for where, name in (
        ([classes.any(0) for classes, _ in votes], 'label_global'),
        ([local for _, local in votes], 'label_local'),
    ):
        best = np.stack([prediction.labels for _, prediction in frames])
        np.testing.assert_array_equal(np.where(where, best, 255), golden[name])


def test_all_pixels():
    frames = predicted(
        np.random.default_rng(0).dirichlet(np.ones(4), (2, 3, 5)).transpose(0, 3, 1, 2)
    )
    rule = RULES['all']()
    labels = labelled(rule, frames, rule.start(4))[0]
    np.testing.assert_array_equal(labels, np.stack([p.labels for _, p in frames]))


@pytest.mark.parametrize('joined', [False, True])
def test_order_statistics_are_exact(joined, tmp_path):
    """Equal values, tiny ones and 0 among them; a class without any."""
    rng = np.random.default_rng(0)
    clips = [
        [
            rng.random(7).astype(np.float32) ** 20,
            np.zeros(0, np.float32),
            np.repeat(rng.random(4), 3),
        ],
        [np.float32([0, 1, 1, 0.5]), np.zeros(0, np.float32), rng.random(5).astype(np.float32)],
    ]
    for number, clip in enumerate(clips):
        confidences.write(str(tmp_path), number, clip)
    found = Confidences(str(tmp_path), len(clips), joined)
    lists = [np.sort(np.concatenate(own).astype(np.float32)) for own in zip(*clips, strict=True)]
    lists = [np.sort(np.concatenate(lists))] if joined else lists
    np.testing.assert_array_equal(found.counts, [len(own) for own in lists])
    for place in range(-1, 36):
        expected = [own[place] if 0 <= place < len(own) else np.nan for own in lists]
        places = np.full(len(lists), place)
        np.testing.assert_array_equal(found.ordered(places), np.float32(expected))


def test_soft_labels_are_small(tmp_path):
    """Three classes, to half a 255th."""
    cv2 = pytest.importorskip('cv2')
    soft = np.random.default_rng(0).dirichlet(np.full(5, 0.3), (6, 8)).transpose(2, 0, 1)
    write_soft(str(tmp_path / 'a.png'), soft, (6, 8))
    made = cv2.imread(str(tmp_path / 'a.soft.png'), cv2.IMREAD_UNCHANGED).transpose(2, 0, 1)
    order = np.argsort(-soft, axis=0)[:3]
    shares = np.take_along_axis(soft, order, 0)
    np.testing.assert_array_equal(made[:2], order[1:])
    np.testing.assert_allclose(made[2:] / 255, (shares / shares.sum(0))[1:], atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize(
    'name, options, words',
    [
        ('cbst', dict(portion=0.0), 'portion=0.0 must be between 0 and 1'),
        ('cbst', dict(portion=1), 'portion=1 must be between 0 and 1'),
        ('ccm', dict(portion=0), 'portion=0 must be between 0 and 1'),
        ('quantile', dict(quantile=1.0), 'quantile=1.0 must be between 0 and 1'),
        ('quantile', dict(cap=0), 'cap=0'),
        ('cbst', dict(every=0), 'every=0'),
        ('lrent', dict(temperature=0), 'temperature=0'),
    ],
)
def test_bad_options(name, options, words):
    with pytest.raises(ValueError, match=words):
        RULES[name](**options)


def test_bad_priors(tmp_path):
    rule = RULES['cbst'](prior=str(tmp_path / 'none.npy'))
    with pytest.raises(FileNotFoundError, match=r'none.npy \(prior\) does not exist'):
        rule.check(3)
    (tmp_path / 'text.npy').write_text('no')
    with pytest.raises(ValueError, match='text.npy .prior. is no file'):
        RULES['cbst'](prior=str(tmp_path / 'text.npy')).check(3)
    np.save(tmp_path / 'few.npy', np.ones((2, 4, 4)))
    with pytest.raises(ValueError, match='few.npy .prior. has 2 maps for 3 classes'):
        RULES['cbst'](prior=str(tmp_path / 'few.npy')).check(3)
    for number, value in enumerate((-0.5, np.nan, np.inf, 1e300)):  # the last: inf in float32
        name = f'bad_{number}.npy'
        np.save(tmp_path / name, np.where(np.arange(3) == 1, value, 0.5).reshape(3, 1, 1))
        with np.errstate(over='ignore'), pytest.raises(ValueError, match=f'{name} .prior. has val'):
            RULES['cbst'](prior=str(tmp_path / name)).check(3)


def test_priors_of_minus_zero(tmp_path):
    """Its bits are those of the largest number."""
    np.save(tmp_path / 'zero.npy', np.full((2, 4, 4), -0.0))
    rule = RULES['cbst'](prior=str(tmp_path / 'zero.npy'))
    frames = predicted(np.full((1, 2, 4, 4), 0.5, np.float32))
    assert not np.signbit(rule.sample(frames[0][1], 2)[0]).any()
