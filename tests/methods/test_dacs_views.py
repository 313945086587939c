"""Views of DACS that VFM-UDA++ adds: who sees which, and what the distillation compares."""

import pytest
import torch

from mmdavss.structures import DomainBatch
from mmdavss.testing import build_method
from mmdavss.testing.methods import training_batch
from tests.methods.table import CASES


class Shift(torch.nn.Module):
    """Marks what it has seen."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, clips, decisions=None):
        return clips + self.by


@pytest.fixture
def seen(monkeypatch):
    """The shift of all frames that the student sees, by the loss that they serve."""
    case = CASES['dacs_distilled']
    model = build_method(case)
    model.source_augment, model.target_augment, model.augment = Shift(10), Shift(20), Shift(300)
    model.masked.augment, model.distillation.augment = Shift(4000), Shift(50000)
    model.masked.mask_ratio = 0.0
    model.data_preprocessor.normalise = lambda raw: raw
    data = model.data_preprocessor(training_batch(case), True)
    shifts, frozen = [], []
    levels = model.student.levels

    def noted(frames):
        shifts.append(sorted({int(v) for v in (frames - frames % 10).flatten().tolist()}))
        return levels(frames)

    monkeypatch.setattr(model.student, 'levels', noted)
    model.distillation.backbone.register_forward_pre_hook(lambda _, own: frozen.append(own[0]))
    names = []
    for losses in model.loss_groups(DomainBatch(**data)):
        names.append(next(iter(losses)))
    return dict(zip(names, shifts, strict=True)), frozen, data


def test_views(seen):
    shifts, _, _ = seen
    assert list(shifts) == [
        'source.decode.loss_ce',
        'mix.loss_ce',
        'masked.loss_ce',
        'distillation.loss_source',
        'distillation.loss_target',
    ]
    assert shifts['source.decode.loss_ce'] == [10]
    # Pasted plainly onto the augmented target; then both are augmented.
    assert shifts['mix.loss_ce'] == [300, 320]
    assert shifts['masked.loss_ce'] == [4000]
    assert shifts['distillation.loss_source'] == shifts['distillation.loss_target'] == [50000]


def test_the_frozen_network_sees_plain_frames(seen):
    _, frozen, data = seen
    for images, domain in zip(frozen, ('source', 'target'), strict=True):
        plain = data['inputs'][domain].frames[:, -1]
        resized = torch.nn.functional.interpolate(
            plain, images.shape[-2:], mode='bilinear', align_corners=False
        )
        torch.testing.assert_close(images, resized)


@pytest.mark.parametrize(
    ('options', 'moves'),
    # Source, mix, masked, and the whole network in both passes of the distillation, as released.
    [({}, 5), (dict(running_statistics='mixed'), 2), (dict(norm_eval=True), 0)],
)
def test_distillation_moves_the_statistics_of_the_decoder(options, moves):
    case = CASES['dacs_distilled']
    model = build_method(case, **options)
    batch = DomainBatch(**model.data_preprocessor(training_batch(case), True))
    norm = model.student.segmentor.decode_head.smooth[0][1]
    before, moved = norm.running_mean.clone(), 0
    for _ in model.loss_groups(batch):
        moved += not torch.equal(norm.running_mean, before)
        before = norm.running_mean.clone()
    assert moved == moves


def test_other_methods_see_the_source_augmented():
    """DAFormer and SePiCo have a loss of the source of their own."""
    for name in ('daformer', 'sepico_dist'):
        model = build_method(CASES[name])
        model.source_augment = Shift(10)
        model.data_preprocessor.normalise = lambda raw: raw
        passes = []
        levels = model.student.levels
        model.student.levels = lambda frames, levels=levels, passes=passes: (
            passes.append(float(frames.mean())) or levels(frames)
        )
        batch = DomainBatch(**model.data_preprocessor(training_batch(CASES[name]), True))
        next(model.loss_groups(batch))
        assert max(passes) > 5, name
