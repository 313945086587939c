"""RDA: the published attack and losses from the shipped config, and a gate that learns."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.methods import rda
from mmdavss.modules import FourierGate, most_wanted
from mmdavss.ops import frequency_bands
from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing import build_method, build_optimisers, small_net
from mmdavss.testing.methods import training_batch
from mmdavss.testing.numerics import double_precision
from tests.methods.groups import student_losses
from tests.methods.table import CASES
from tests.shipped import shipped, shipped_config

DATA = np.load(Path(__file__).parents[1] / 'data/golden/rivals_rda_faa.npz')
GOLDEN = {key: torch.from_numpy(np.asarray(DATA[key])) for key in DATA.files}


class Scaled(OptimWrapper):
    """Multiplies losses as mmengine's AmpOptimWrapper does, in float32 and on a CPU."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=8.0)

    def backward(self, loss: Tensor, **_: object) -> None:
        self.loss_scaler.scale(loss).backward()
        self._inner_count += 1

    def step(self, **_: object) -> None:
        self.loss_scaler.step(self.optimizer)
        self.loss_scaler.update()


class Scores(nn.Module):
    """A gate that says the published scores: components are the channels of each band."""

    def forward(self, means: Tensor) -> Tensor:
        self.means = means
        return GOLDEN['gate_score'].view(1, -1, GOLDEN['image'].shape[1])


def attacked(reference: Tensor, **options: object) -> tuple:
    model = shipped('rda/deeplabv2-r101_gta2city')
    assert (model.bands, model.portion) == (32, 0.1)
    if int(GOLDEN['num_bands_built']) != model.bands:  # else its portion is the release's too
        model.bands = int(GOLDEN['num_bands_built'])
        model.portion = (len(GOLDEN['chosen']) + 0.5) / len(GOLDEN['gate_score'])
    for name, value in options.items():
        setattr(model, name, value)
    source, image = reference[:, None], GOLDEN['image']
    clips = dict(source=Clip(source, source), target=Clip(image[:, None], image[:, None]))
    gate = Scores()
    batch = DomainBatch(clips, dict(source=[], target=[]))
    return model, gate, *model.attack(gate, image, batch)


def test_equals_the_published_attack():
    """With the release's bands; the reference is smaller than the image."""
    model, gate, image, protection = attacked(GOLDEN['reference'], released_bands=True)
    chosen = model._played[1].flatten().nonzero().flatten()
    assert torch.equal(chosen, GOLDEN['chosen'])
    torch.testing.assert_close(image, GOLDEN['perturbed_half'], rtol=0, atol=1e-3)
    torch.testing.assert_close(protection, GOLDEN['loss_faa'], rtol=1e-5, atol=0)
    # What the gate sees is the mean over the spectrum, with zeros outside of the component.
    amplitude = torch.fft.fft2(GOLDEN['image']).abs()
    bands = torch.arange(model.bands)[:, None, None]
    inside = (GOLDEN['band_of_pixel'] == bands).to(amplitude)
    torch.testing.assert_close(gate.means[0], (amplitude * inside[:, None]).mean((2, 3)))


def test_symmetric_bands():
    """Our bands differ from the published ones by a row and a column, and leave a real image.

    The chosen components have the amplitudes of the reference, the others their own, and all
    their own phases.
    """
    image = attacked(GOLDEN['reference'])[2]
    assert (image - GOLDEN['perturbed_half']).abs().max() > 1e-2
    size, channels = GOLDEN['image'].shape[-2:], GOLDEN['image'].shape[1]
    bands = frequency_bands(size, int(GOLDEN['num_bands_built']))
    chosen = torch.zeros(len(bands) * channels, dtype=torch.bool)
    chosen[GOLDEN['chosen']] = True
    parts = chosen.view(len(bands), channels, 1, 1) & bands[:, None]
    reference = F.interpolate(
        GOLDEN['reference'].double(), size, mode='bilinear', align_corners=True
    )
    plain, other = (torch.fft.fft2(x) for x in (GOLDEN['image'].double(), reference))
    amplitude = torch.where(parts.any(0), other.abs(), plain.abs())
    expected = torch.fft.ifft2(torch.polar(amplitude, plain.angle()))
    assert expected.imag.abs().max() < 1e-9
    torch.testing.assert_close(image.double(), expected.real, rtol=0, atol=1e-3)


def test_an_image_attacked_with_itself_stays():
    image = attacked(GOLDEN['image'])[2]
    torch.testing.assert_close(image, GOLDEN['image'], rtol=0, atol=1e-3)


def test_equals_the_published_consistency():
    model = shipped('rda/deeplabv2-r101_gta2city')
    perturbed, plain = (GOLDEN[f'scores_{name}'] for name in ('perturbed', 'plain'))
    plain = plain.clone().requires_grad_()
    losses = model.consistency(dict(decode=perturbed, aux=plain), dict(decode=plain, aux=plain))
    torch.testing.assert_close(
        losses['decode.loss_consistency'], GOLDEN['loss_rda'], rtol=1e-5, atol=0
    )
    assert losses['aux.loss_consistency'] == 0
    assert not losses['decode.loss_consistency'].requires_grad  # plain predictions are fixed


def test_the_released_config_has_no_gate():
    """Without its rescaling nothing is left to be consistent with."""
    cfg = shipped_config('rda/deeplabv2-r101_gta2city_released')
    model = MODELS.build(cfg.model).train()
    assert model.gate is None and model.players == ('student', 'discriminator')
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert set(wrapper.keys()) == {'student', 'discriminator'}
    model = build_method(CASES['rda_released'], rescale=None, norm_eval=True)
    log = model.train_step(training_batch(CASES['rda_released']), build_optimisers(model))
    assert log['decode.loss_consistency'] == log['aux.loss_consistency'] == 0
    torch.testing.assert_close(log['loss_adversarial_attacked'], log['loss_adversarial'])
    model = build_method(CASES['rda_released'], rescale=(0.8, 1.2), norm_eval=True)
    torch.manual_seed(1)
    log = model.train_step(training_batch(CASES['rda_released']), build_optimisers(model))
    assert log['decode.loss_consistency'] > 0


def test_scaled_losses_move_the_gate_as_others(monkeypatch):
    """And nothing asks for the scale, for which the host would wait."""
    monkeypatch.delattr(torch.amp.GradScaler, 'get_scale')
    gates = []
    for kind in (OptimWrapper, Scaled):
        model = build_method(CASES['rda'])
        before = [weight.clone() for weight in model.gate.parameters()]
        torch.manual_seed(1)
        model.train_step(training_batch(CASES['rda']), build_optimisers(model, type=kind))
        gates.append(
            [now - then for now, then in zip(model.gate.parameters(), before, strict=True)]
        )
    assert any(change.any() for change in gates[0])
    torch.testing.assert_close(gates[1], gates[0], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize('name', ['rda', 'rda_released'])
def test_levels_of_different_sizes(name, segmentor):
    """Each is compared with its own plain scores."""
    segmentor['auxiliary_head'].update(in_index=0, in_channels=8)  # stride 4
    case = CASES[name]
    model = build_method(case, student=small_net(case.student, segmentor=segmentor))
    maps = model.current_scores(torch.zeros(1, 1, 3, 32, 48))
    assert maps['aux'].shape[-2:] != maps['decode'].shape[-2:]
    log = model.train_step(training_batch(case), build_optimisers(model))
    assert log['aux.loss_consistency'] > 0


@pytest.mark.parametrize('which, passes', [('all', 4), ('target', 1)])
def test_running_statistics(which, passes):
    """Of both frames of the source, the plain target and the attacked one; or the plain target."""
    case = CASES['rda']
    model = build_method(case, running_statistics=which)
    norm, seen = model.student.segmentor.backbone.bn1, []
    norm.register_forward_hook(lambda module, *_: seen.append(module.running_mean.clone()))
    start = norm.running_mean.clone()
    model.train_step(training_batch(case), build_optimisers(model))
    moved = [not torch.equal(a, b) for a, b in pairwise([start, *seen])]
    assert len(moved) == 4
    assert sum(moved) == passes and moved[2]


# ----------------------------------------------------------------------- gate


@pytest.mark.parametrize('counts', [1, 2])
def test_the_gate_climbs_the_losses(counts, monkeypatch):
    """Its gradient is that of its scores times the slope of the student's losses, reversed.

    The slope is measured: each component a little more or less exchanged. Accumulation divides
    the losses of the student, and those of the gate, once.
    """
    case = CASES['rda']
    with double_precision():
        model = build_method(case, norm_eval=True, bands=2, portion=0.5)
        batch = DomainBatch(**model.data_preprocessor(training_batch(case), True))
        given: list[Tensor] = []

        def choose(*args: object) -> Tensor:
            return given[-1] if given else most_wanted(*args)

        monkeypatch.setattr(rda, 'most_wanted', choose)

        def total() -> tuple[Tensor, Tensor, Tensor]:
            torch.manual_seed(3)
            losses, _ = student_losses(model, batch)
            return model.parse_losses(losses)[0], *model._played

        chosen = total()[2].detach().clone()
        slope = torch.zeros_like(chosen)
        for position in np.ndindex(*chosen.shape):
            values = []
            for change in (1e-7, -1e-7):
                given.append(chosen.clone())
                given[-1][position] += change
                values.append(total()[0].item())
            slope[position] = (values[0] - values[1]) / 2e-7
        given.clear()
        assert slope.abs().min() > 0
        parameters = list(model.gate.parameters())
        expected = torch.autograd.grad(-(total()[1] * slope).sum(), parameters)

        wrapper = build_optimisers(model, accumulative_counts=counts)
        gate = wrapper['gate']
        backward, found = gate.backward, []

        def noted(loss: Tensor) -> None:
            backward(loss)
            found.extend(parameter.grad.clone() for parameter in parameters)

        monkeypatch.setattr(gate, 'backward', noted)
        torch.manual_seed(3)
        model.train_step(training_batch(case), wrapper)
        for own, wanted in zip(found, expected, strict=True):
            limit = 1e-6 * wanted.abs().max().item()
            torch.testing.assert_close(own, wanted / counts, rtol=0, atol=limit)


def test_scores_of_a_gate():
    """Noise in training only; each component has its own answer; large amplitudes do no harm."""
    torch.manual_seed(0)
    gate = FourierGate(4)
    means = torch.rand(3, 4, 3) * 1e9
    scores = gate(means)
    assert scores.shape == (3, 4, 3) and scores.dtype == torch.float32
    assert (scores > 0).all() and (scores < 1).all()
    assert not torch.equal(gate(means), scores)
    gate.eval()
    assert torch.equal(gate(means), gate(means))
    # The noise of a yes or no is logistic: its mean share is a half where the gate is undecided.
    gate.train()
    nn.init.zeros_(gate.logits.weight)
    nn.init.zeros_(gate.logits.bias)
    drawn = gate(means.expand(3, 4, 3).repeat(400, 1, 1))
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.015)
    below = (drawn < 0.25).float().mean().item()  # a logit below -ln 3
    assert below == pytest.approx(0.25, abs=0.02)


def test_most_wanted():
    scores = torch.tensor([[[0.1, 0.9], [0.5, 0.2]], [[0.4, 0.3], [0.8, 0.6]]])
    expected = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]])
    assert torch.equal(most_wanted(scores, 0.5), expected)
    assert most_wanted(scores, 0.7).sum() == 4  # 2.8 of 4, rounded down, of each
    assert most_wanted(scores, 1.0).all()


def test_the_reference():
    """The source's current frame or the target's previous one."""
    case = CASES['rda']
    data = training_batch(case)
    for reference, domain, frame in (('source', 'source', -1), ('previous', 'target', -2)):
        model = build_method(case, reference=reference)
        batch = DomainBatch(**model.data_preprocessor(data, True))
        clip = getattr(batch, domain).clip
        assert torch.equal(model.references(batch), clip.frames[:, frame])
    clip = batch.target.clip
    single = dict(source=clip, target=Clip(clip.frames[:, -1:], clip.raw[:, -1:]))
    with pytest.raises(ValueError, match="reference='previous' needs target clips of 2 frames"):
        model.references(DomainBatch(single, dict(source=[], target=[])))


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(reference='next'), "reference='next' is not one of"),
        (dict(portion=0.01), 'portion=0.01 must leave at least one of 24 components'),
        (dict(portion=1.1), 'portion=1.1 must'),
        (dict(portion=1), 'portion=1 must leave at least one of 24 components, .* and not all'),
        (dict(bands=1), 'bands=1 must be 2 or more'),
        (dict(rescale=(1.2, 0.8)), 'RDA: rescale'),
    ],
)
def test_values_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        build_method(CASES['rda'], **options)


def test_every_player_needs_an_optimiser():
    model = build_method(CASES['rda'])
    wrapper = build_optimisers(model)
    del wrapper.optim_wrappers['gate']
    with pytest.raises(TypeError, match=r'gate=dict\(optimizer=...\)'):
        model.train_step(training_batch(CASES['rda']), wrapper)


@pytest.mark.parametrize('bands', [7, 8, 32])
def test_the_advised_portion_is_taken(bands):
    with pytest.raises(ValueError, match='portion=0.001 must leave') as told:
        build_method(CASES['rda'], bands=bands, portion=0.001)
    advised = float(re.search(r'(\S+) to 1\.$', str(told.value)).group(1))
    assert advised < 1.1 / (3 * bands)
    build_method(CASES['rda'], bands=bands, portion=advised)
