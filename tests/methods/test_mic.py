"""MIC against the published code, and what it hides from whom."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.methods.mean_teacher import Labelled
from mmdavss.modules import norm_layers
from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing import build_method, build_optimisers, make_batch, train
from mmdavss.testing.methods import training_batch
from mmdavss.testing.numerics import double_precision
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


def test_weight_of_the_masked_loss_on_hrda(monkeypatch):
    """As published it is that of the joined scores, not of the detail by itself."""
    model = method('mic_hrda', loss_weight=0.5)
    losses = {'decode.loss_ce': torch.tensor(1.0), 'detail.loss_ce': torch.tensor(10.0)}
    monkeypatch.setattr(model, 'weighted_losses', lambda *args: losses)
    clip = torch.zeros(2, 1, 3, 32, 48)
    labelled = Labelled(Clip(clip, clip), None, torch.zeros(2, 32, 48), torch.ones(2, 32, 48))
    loss = model.masked_loss(model.masked, labelled, labelled)
    assert {name: value.item() for name, value in loss.items()} == {'masked.loss_ce': 10.5}


def test_masked_losses_of_hrda_have_its_factors():
    """0.9 and 0.1 of the cross-entropies of the joined scores and of the detail."""
    model = method('mic_hrda')
    torch.manual_seed(0)
    labels = torch.randint(4, (2, 32, 48))
    args = torch.randn(2, 1, 3, 32, 48), None, labels, torch.rand(2, 32, 48)
    seen = []
    for weight in (0.1, 0.4):
        model.net.segmentor.detail_weight = weight
        torch.manual_seed(1)
        seen.append(model.weighted_losses(*args))
    assert {n for n in seen[0] if 'loss' in n} == {'decode.loss_ce', 'detail.loss_ce'}
    for name, ratio in {'decode.loss_ce': 0.9 / 0.6, 'detail.loss_ce': 0.1 / 0.4}.items():
        torch.testing.assert_close(seen[0][name], ratio * seen[1][name])


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
    torch.testing.assert_close(weights, data['confident_share'].float() * valid)
    model.confidence_threshold = 0.0
    _, weights = model.pseudo_labels(Clip(clip, clip, valid=valid), None)
    assert torch.equal(weights, data['pseudo_weight_without_threshold'] * valid)


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


@pytest.mark.parametrize(
    'case', ['vat_masked', 'davsn_masked', 'adaptsegnet_masked', 'minent_masked']
)
def test_a_method_without_teacher_and_masked_clips(case, monkeypatch):
    """The student's step is the method's and that of the masked clips, with a teacher's labels.

    Its own teacher sees the plain target clips; each backward pass has only its own graph.
    """
    with double_precision():
        case = CASES[case]
        data = training_batch(case)
        before = build_method(case)
        moves = []
        for masked in (None, MASKED):
            model = build_method(case, masked=masked)
            torch.manual_seed(3)
            model.train_step(data, build_optimisers(model, lr=1.0))
            moves.append(dict(model.student.named_parameters()))
        model = build_method(case)
        batch = DomainBatch(**model.data_preprocessor(data, True))
        clip = batch.target.clip
        with torch.no_grad():
            labels, weights = model.pseudo_labels(clip, model.clip_flow(clip))
        torch.manual_seed(3)
        target = Labelled(clip, model.clip_flow(clip), labels, weights)
        model.masked_loss(model.masked, target, target)['masked.loss_ce'].backward()
    for name, parameter in model.student.named_parameters():
        own = 0 if parameter.grad is None else parameter.grad
        expected = moves[0][name] - own
        torch.testing.assert_close(moves[1][name], expected, rtol=1e-6, atol=1e-9, msg=name)
    start = dict(before.student.named_parameters())
    assert any(not torch.equal(moves[0][name], moves[1][name]) for name in start)


@pytest.mark.parametrize('name', ['davsn_masked', 'minent_masked'])
@pytest.mark.parametrize('mode', ['source', 'separate'])
def test_methods_without_teacher_mask_the_source_too(mode, name):
    case = CASES[name]
    model = build_method(case, masked=dict(MASKED, mode=mode))
    log = model.train_step(training_batch(case), build_optimisers(model))
    assert log['masked.loss_ce'] > 0


@pytest.mark.parametrize('name', ['vat', 'minent'])
def test_a_teacher_that_nobody_needs(name):
    model = build_method(CASES[name])
    assert not hasattr(model, 'teacher')
    assert {n.partition('.')[0] for n in model.state_dict()} <= {'student', 'discriminator'}
    with pytest.raises(TypeError, match=f'{type(model).__name__} has no teacher.*model.masked'):
        model.update_teacher(0.9)


def test_batch_norm_sees_both_scales():
    """As published context and detail are two passes, each with statistics of its own."""
    case = CASES['mic_hrda']
    model = build_method(case)
    train(case, model, [training_batch(case)])
    counts = {int(norm.num_batches_tracked) for norm in norm_layers(model.student)}
    assert counts == {2 * 3}  # source, mix, masked target


def test_the_pretrained_copy_stays_as_it_is():
    case = CASES['mic_hrda']
    model = build_method(case)
    parts = [*model.pretrained.named_parameters(), *model.pretrained.named_buffers()]
    before = {name: value.clone() for name, value in parts}
    train(case, model, [training_batch(case, step) for step in range(2)])
    assert any('running_mean' in name for name in before)
    for name, value in parts:
        assert torch.equal(value, before[name]), name
