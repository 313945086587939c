"""PixMatch: steps of the published code from the shipped config, its views, its options."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmdavss.methods import pixmatch
from mmdavss.methods.base import BaseAdapter
from mmdavss.ops.fourier import window_half_width
from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing import build_method
from mmdavss.testing.methods import training_batch
from tests.methods.table import CASES
from tests.methods.test_adaptsegnet import PARAMETERS, Stub, close, stepped
from tests.shipped import shipped_config

DATA = np.load(Path(__file__).parents[1] / 'data/golden/rivals_pixmatch_step.npz')
GOLDEN = {key: torch.from_numpy(np.asarray(DATA[key])) for key in DATA.files}


class Twentieth(Stub):
    """The published stub sees a twentieth of its input."""

    def forward(self, frames: Tensor, *args: object, **kwargs: object) -> dict:
        return super().forward(frames / 20, *args, **kwargs)

    head_scores = forward


class Doubles:
    """Arrays in double precision."""

    def __getitem__(self, key: str) -> Tensor:
        return GOLDEN[key].double()


def published(tag: str) -> tuple[BaseAdapter, dict, object]:
    """The shipped method with the published stub, its batch and its optimiser.

    The shipped values but for the band, and the perturbations and the threshold of the tag.
    """
    cfg = shipped_config(
        'pixmatch/deeplabv2-r101_gta2city_fourier-cutmix', int(GOLDEN['num_classes'])
    )
    weights = {
        f'{name}_weight': cfg.model[f'{name}_weight'] if name in tag else 0.0
        for name in ('fourier', 'cutmix')
    }
    cfg.model.update(
        weights,
        window='half',
        beta=float(GOLDEN['fourier_beta']),
        confidence_threshold=(
            float(GOLDEN['confidence_threshold']) if 'confident' in tag else None
        ),
    )
    model = MODELS.build(cfg.model).train()
    model.student = Twentieth(dict(model.student.heads), Doubles())
    samples = []
    for labels in GOLDEN['source_label'].long():
        sample = SegDataSample(metainfo=dict(img_shape=tuple(labels.shape)))
        sample.gt_sem_seg = PixelData(data=labels.where(labels >= 0, 255)[None])
        samples.append(sample)
    clips = {
        domain: Clip(*[GOLDEN[domain].double()[:, None]] * 2) for domain in ('source', 'target')
    }
    model.data_preprocessor.forward = lambda data, training: data
    batch = dict(inputs=clips, data_samples=dict(source=samples, target=[]))
    return model, batch, build_optim_wrapper(model, cfg.optim_wrapper)


@pytest.fixture
def published_box(monkeypatch):
    size, beta = GOLDEN['target'].shape[-2:], float(GOLDEN['fourier_beta'])
    if math.floor(beta * min(size)) == 0:  # the release changes nothing; an error here
        with pytest.raises(ValueError, match='leaves no amplitude'):
            window_half_width(size, beta, 'half')
        monkeypatch.setattr(pixmatch, 'window_half_width', lambda *args: 0)
    row0, column0, row1, column1 = GOLDEN['cutmix_box_row0_col0_row1_col1'].tolist()
    inside = bool(GOLDEN['cutmix_patch_from_target'])
    mask = torch.full(GOLDEN['source'].shape[-2:], not inside)
    mask[row0:row1, column0:column1] = inside
    monkeypatch.setattr(pixmatch, 'random_cut', lambda size, device: mask)


@pytest.mark.parametrize('tag', ['fourier', 'fourier_confident', 'cutmix', 'fourier_cutmix'])
def test_equals_the_published_step(tag, published_box):
    model, batch, wrapper = published(tag)
    log, gradients = stepped(model, batch, wrapper)
    names = dict(decode='main', aux='aux')
    for part in ('source', 'fourier', 'cutmix'):
        for head, level in names.items():
            key = f'{tag}.{part}_{level}'
            assert (f'{part}.{head}.loss_ce' in log) == (key in GOLDEN)
            if key in GOLDEN:
                close(log[f'{part}.{head}.loss_ce'], GOLDEN[key], rtol=1e-5)
    for name, key in PARAMETERS.items():
        close(gradients[name], GOLDEN[f'{tag}.grad.{key}'].double(), rtol=1e-5)


def test_labels_and_mix_of_the_published_step(published_box):
    model, batch, _ = published('cutmix')
    both = DomainBatch(**batch)
    labels = model.pseudo_labels(both.target)
    assert torch.equal(labels['decode'], GOLDEN['pseudo_label_main'].long())
    assert torch.equal(labels['aux'], GOLDEN['pseudo_label_mean_of_both'].long())
    mixed = model.cut_mixed(both.source, both.target, labels)
    close(mixed.frames[:, 0], GOLDEN['cutmix_image'].double(), rtol=1e-6)
    expected = GOLDEN['cutmix_label'].long()
    for own in mixed.labels.values():
        assert torch.equal(own, expected.where(expected >= 0, 255))
    model.confidence_threshold = float(GOLDEN['confidence_threshold'])
    confident = GOLDEN['pseudo_confidence_main'] > model.confidence_threshold
    expected = GOLDEN['pseudo_label_main'].long().where(confident, 255)
    assert torch.equal(model.pseudo_labels(both.target)['decode'], expected)


# ---------------------------------------------------------------------- views


@pytest.fixture
def views():
    """A small method, and a batch whose labels are a map of the columns."""

    def make(**options: object) -> tuple:
        case = CASES['pixmatch']
        model = build_method(case, **options)
        both = DomainBatch(**model.data_preprocessor(training_batch(case), True))
        target = both.target
        columns = torch.arange(48).expand(2, 32, 48)
        return model, both.source, target, dict(decode=columns, aux=columns + 100)

    return make


def test_augmented_labels_are_of_the_same_crop(views):
    """Frames whose value is their column: crops of frames, flow and labels are of one place."""
    model, source, target, labels = views(augment=None, crop=dict(size=(64, 64), scale=(0.2, 0.9)))
    ramp = torch.arange(48.0).expand(2, 2, 3, 32, 48) / 48
    flow = torch.full((2, 1, 2, 32, 48), 3.0)
    target = target._replace(clip=target.clip._replace(raw=ramp, flow=flow))
    view = model.augmented(source, target, labels)
    assert view.frames.shape == (2, 2, 3, 64, 64) and view.flow.shape == (2, 1, 2, 64, 64)
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    columns = (view.frames * std + mean)[:, 0, 0] / 255 * 48
    # Bilinear against nearest: half a pixel.
    assert (columns - view.labels['decode']).abs().max() <= 0.5 + 1e-3
    assert torch.equal(view.labels['aux'], view.labels['decode'] + 100)
    for i in range(2):
        # A pixel of the crop is so many of the image: flow scales by it.
        step = (columns[i, 0, 40] - columns[i, 0, 20]) / 20
        torch.testing.assert_close(view.flow[i, 0, 0], torch.full((64, 64), 3.0) / step)


def test_a_cut_is_of_one_place(views):
    """Frames, flow and labels of a mix are those of one domain in each pixel."""
    model, source, target, labels = views()
    target, source = (
        clips._replace(
            clip=clips.clip._replace(
                frames=torch.full_like(clips.clip.frames, value),
                flow=torch.full_like(clips.clip.flow, value),
            )
        )
        for clips, value in ((target, 1.0), (source, 2.0))
    )
    torch.manual_seed(0)
    parts = set()
    for _ in range(4):
        view = model.cut_mixed(source, target, labels)
        ours = view.frames[0, 0, 0] == 1
        parts |= set(ours.flatten().tolist())
        expected = torch.where(ours, 1.0, 2.0)
        assert torch.equal(view.frames, expected.expand_as(view.frames))
        assert view.flow.shape == target.clip.flow.shape
        assert torch.equal(view.flow, expected.expand_as(view.flow))
        mixed = torch.where(ours, labels['decode'], source.labels)
        assert view.labels.keys() == labels.keys()
        assert all(torch.equal(own, mixed) for own in view.labels.values())
    assert parts == {True, False}


def test_styled_frames_have_the_amplitudes_of_the_source(views):
    model, source, target, labels = views(beta=0.1)
    view = model.styled(source, target, labels)
    assert view.labels is labels and view.flow is target.clip.flow
    low = torch.fft.fft2(view.frames)[..., :4, :4].abs()
    own = torch.fft.fft2(source.clip.frames[:, -1:])[..., :4, :4].abs()
    torch.testing.assert_close(low, own.expand_as(low), rtol=1e-3, atol=1e-2)
    high = torch.fft.fft2(view.frames)[..., 5:10, 5:10]
    torch.testing.assert_close(
        high, torch.fft.fft2(target.clip.frames)[..., 5:10, 5:10], rtol=1e-3, atol=1e-2
    )


def test_weights_choose_the_perturbations():
    """Only those with a weight take a pass."""
    case = CASES['pixmatch']
    model = build_method(case, augmentation_weight=0.0, fourier_weight=0.0, cutmix_weight=0.3)
    log = model.loss(**model.data_preprocessor(training_batch(case), True))
    assert {name.split('.')[0] for name in log} == {'source', 'cutmix'}


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(augmentation_weight=0.0), 'have no weight above 0'),
        (dict(cutmix_weight=-0.1), 'cutmix_weight=-0.1 must be 0 or more'),
        (dict(confidence_threshold=1.0), r'must be in \(0, 1\), or None'),
        (dict(beta=0.5), 'beta=0.5 must be in'),
        (dict(crop=dict(size=(8, 8), scale=(0.5, 1.5))), 'scale=.* up to 1'),
    ],
)
def test_values_that_cannot_be(options, message):
    options = dict(fourier_weight=0.0, cutmix_weight=0.0) | options
    with pytest.raises(ValueError, match=message):
        build_method(CASES['pixmatch'], **options)


@pytest.mark.parametrize('view', ['styled', 'cut_mixed'])
def test_unequal_sizes(views, view):
    model, source, target, labels = views()
    clip = source.clip
    smaller = source._replace(
        clip=clip._replace(frames=clip.frames[..., 8:], raw=clip.raw[..., 8:], flow=None)
    )
    with pytest.raises(ValueError, match='give both pipelines one'):
        getattr(model, view)(smaller, target, labels)


def test_a_window_without_frequencies():
    """Frames of 32 rows: a beta of 0.01 leaves nothing in the window of the release."""
    case = CASES['pixmatch']
    model = build_method(case, beta=0.01, window='half')
    with pytest.raises(ValueError, match='leaves no amplitude'):
        model.loss(**model.data_preprocessor(training_batch(case), True))
