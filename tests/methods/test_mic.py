"""MIC against the published code, and what it hides from whom."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.methods.dacs import Labelled
from mmdavss.structures import Clip
from mmdavss.testing import build_method, make_batch
from tests.methods.table import CASES, MASKED

GOLDEN = Path(__file__).parents[1] / 'data/golden/mic_masked_step.npz'
ARRAYS = np.load(GOLDEN)
CASES_OF_RELEASE = sorted(n.removesuffix('_mask_mode') for n in ARRAYS if n.endswith('_mask_mode'))
MODES = dict(
    separatetrg='target', separatetrgaug='target', separate='separate', separatesrc='source'
)


def method(name='mic', **masked):
    model = build_method(CASES[name], masked=MASKED | masked)
    model.data_preprocessor.normalise = lambda raw: raw
    return model


@pytest.mark.parametrize('case', CASES_OF_RELEASE)
def test_published_step(case, monkeypatch):
    data = {name: torch.tensor(ARRAYS[name]) for name in ARRAYS if ARRAYS[name].dtype.kind in 'fiu'}
    model = method(
        mode=MODES[str(ARRAYS[f'{case}_mask_mode'])],
        block_size=int(data['block']),
        mask_ratio=float(data['mask_ratio']),
        loss_weight=float(data[f'{case}_mask_lambda']),
    )
    weight = data['student_weight'].double().requires_grad_()
    seen = []

    def student(frames, flow):
        seen.append(frames[:, -1])
        return F.conv2d(frames[:, -1].double(), weight, data['student_bias'].double())

    monkeypatch.setattr(model.net, 'forward', student)
    clips = [data[f'{domain}_img'][:, None] for domain in ('source', 'target')]
    labels = data['source_label'][:, 0], data['pseudo_label']
    weights = torch.ones_like(data['pseudo_weight']), data['pseudo_weight']
    torch.manual_seed(int(data[f'{case}_torch_seed']))
    losses = model.masked_loss(
        model.masked,
        *(
            Labelled(Clip(clip, clip), None, label, pixels)
            for clip, label, pixels in zip(clips, labels, weights, strict=True)
        ),
    )
    assert torch.equal(seen[0], data[f'{case}_masked_img'])
    torch.testing.assert_close(losses['masked.loss_ce'], data[f'{case}_loss'], rtol=1e-6, atol=0)
    gradient = torch.autograd.grad(losses['masked.loss_ce'], weight)[0]
    expected = data[f'{case}_grad_student_weight']
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-6 * expected.abs().max().item())


def test_published_label_and_weight(monkeypatch):
    """Those of the plain target: the share of sure pixels of the batch, 0 in the margins."""
    data = {name: torch.tensor(ARRAYS[name]) for name in ARRAYS if ARRAYS[name].dtype.kind in 'fiu'}
    model = method()
    model.confidence_threshold = float(data['pseudo_threshold'])
    logits = data['teacher_logits'].float()
    monkeypatch.setattr(model.teacher, 'forward', lambda frames, flow: logits)
    clip = data['target_img'][:, None]
    valid = data['valid_pseudo_mask'][:, 0].float()
    labels, weights = model.pseudo_labels(Clip(clip, clip, valid=valid), None)
    assert torch.equal(labels, data['pseudo_label'])
    torch.testing.assert_close(weights, data['pseudo_weight'])


def test_the_teacher_sees_what_the_student_does_not(monkeypatch):
    """The mask comes last in a step, and nothing else depends on it."""
    batch = make_batch('source', 'target', count=2)
    steps = []
    for seed in (0, 1):
        model = build_method(CASES['mic'])
        names = []
        draw = model.masked.mask

        def mask(clips, draw=draw, seed=seed, names=names):
            names.append('mask')
            torch.manual_seed(seed)
            return draw(clips)

        monkeypatch.setattr(model.masked, 'mask', mask)
        for name in ('source_loss', 'target', 'mix_loss'):
            step = getattr(model, name)
            monkeypatch.setattr(
                model,
                name,
                lambda *args, step=step, name=name, names=names: (names.append(name), step(*args))[
                    1
                ],
            )
        torch.manual_seed(5)
        steps.append(model.loss(**model.data_preprocessor(batch, True)))
        assert names == ['target', 'source_loss', 'mix_loss', 'mask']
    different = {name for name in steps[0] if not torch.equal(steps[0][name], steps[1][name])}
    assert different == {'masked.loss_ce'}


def test_batches_that_have_no_halves(monkeypatch):
    model = method(mode='separate')
    clip = torch.zeros(3, 1, 3, 16, 16)
    batch = Labelled(Clip(clip, clip), None, torch.zeros(3, 16, 16), torch.ones(3, 16, 16))
    with pytest.raises(ValueError, match='even batch_size'):
        model.masked_loss(model.masked, batch, batch)
