"""FDA: published images and losses from the shipped configs, its two steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmdavss.losses import robust_entropy
from mmdavss.ops import fourier_swap
from mmdavss.structures import Clip, DomainBatch
from mmdavss.testing import build_method
from mmdavss.testing.methods import training_batch
from tests.methods.table import CASES
from tests.shipped import shipped

DATA = Path(__file__).parents[1] / 'data/golden'
ENTROPY = np.load(DATA / 'rivals_fda_entropy.npz')
SWAP = np.load(DATA / 'rivals_fda_spectrum_swap.npz')


@pytest.mark.parametrize('beta', ['0.01', '0.05', '0.09'])
def test_styled_frames_of_the_release(beta):
    """The shipped method on frames of the published arrays, all frames of a clip alike."""
    model = shipped('fda/deeplabv2-r101_gta2city')
    assert model.window == 'symmetric' and model.beta == 0.01
    model.beta = float(beta)

    def clip(name: str, *others: Tensor) -> Clip:
        # BGR from 0 to 255 there, RGB from 0 to 1 here.
        raw = torch.from_numpy(SWAP[name]).flip(1) / 255
        raw = torch.stack([*others, raw], 1)
        return Clip(raw, raw)

    source, target = clip('source'), clip('target', torch.rand(SWAP['target'].shape))
    source = source._replace(raw=source.raw.expand(-1, 2, -1, -1, -1))
    frames = model.styled(source, target) + model.data_preprocessor.mean
    assert frames.shape == (1, 2, *SWAP['target'].shape[1:])
    for frame in frames[0]:
        torch.testing.assert_close(
            frame, torch.from_numpy(SWAP[f'np_beta{beta}']), rtol=0, atol=2e-3
        )


class Scores(nn.Module):
    """Says what the published network said."""

    align_corners, needs_flow = True, False
    num_classes = ENTROPY['scores'].shape[1]

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.from_numpy(ENTROPY['scores']))

    def forward(self, frames: Tensor, flow: None) -> Tensor:
        return self.scores


def test_losses_of_the_release():
    """Self-supervised training with the shipped values; the release divides by 2.9444."""
    model = shipped('fda/deeplabv2-r101_gta2city')
    model.student, model.learn_labels = Scores(), True
    model.entropy.normaliser = float(ENTROPY['normaliser_in_release'])
    samples = []
    for labels in torch.from_numpy(ENTROPY['label']).long():
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=labels[None])
        samples.append(sample)
    count, *size = ENTROPY['label'].shape
    frames = torch.zeros(count, 1, 3, *size)
    target = DomainBatch(Clip(frames, frames), samples).target
    losses = model.target_loss(target)
    expected = dict(
        loss_entropy=(0.005, 'entropy_loss_eta2.0', 'entropy_grad_eta2.0'),
        loss_ce=(1.0, 'ce_loss', 'ce_grad'),
    )
    assert losses.keys() == {*expected, 'labelled'}
    for name, (weight, value, gradient) in expected.items():
        torch.testing.assert_close(
            losses[name].item(), weight * ENTROPY[value].item(), rtol=1e-6, atol=0
        )
        (own,) = torch.autograd.grad(losses[name], model.student.scores, retain_graph=True)
        wanted = weight * torch.from_numpy(ENTROPY[gradient])
        torch.testing.assert_close(own, wanted, rtol=0, atol=1e-6 * wanted.abs().max().item())


def test_what_the_student_sees():
    """The source in the style of the target; the entropy is that of the plain target."""
    case = CASES['fda']
    model = build_method(case, norm_eval=True, beta=0.1)
    data = model.data_preprocessor(training_batch(case), True)
    source, target = data['inputs']['source'], data['inputs']['target']
    seen = []
    model.student.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    loss = model.student.loss
    model.student.loss = lambda frames, *args: (seen.append(frames), loss(frames, *args))[1]
    log = model.loss(**data)
    styled, plain = seen
    expected = fourier_swap(source.raw, target.raw[:, -1:], 3)
    torch.testing.assert_close(styled, model.data_preprocessor.normalise(expected))
    assert torch.equal(plain, target.frames)
    entropy = robust_entropy(model.student(target.frames, target.flow), 2.0)
    torch.testing.assert_close(log['loss_entropy'], 0.1 * entropy)


def test_the_switch_of_the_release():
    """Before it, the source alone is learnt."""
    case = CASES['fda_sst']
    model = build_method(case)
    data = model.data_preprocessor(training_batch(case), True)
    both = {'loss_entropy', 'loss_ce', 'labelled'}
    assert both < model.loss(**data).keys()
    model.schedule_self_training(False)
    log = model.loss(**data)
    assert not both & log.keys() and 'source.decode.loss_ce' in log
    model.schedule_self_training(True)
    model.entropy, model.learn_labels = None, False
    assert not both & model.loss(**data).keys()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(beta=0.5), 'beta=0.5 must be in'),
        (dict(beta=-0.01), 'beta=-0.01 must be in'),
        (dict(window='square'), "window='square' is not one of"),
        (dict(source_weight=0.0), 'source_weight=0 leaves nothing'),
        (dict(soft_labels=True), 'without learn_labels=True no pseudo-labels'),
    ],
)
def test_values_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        build_method(CASES['fda'], **options)


def test_frames_that_do_not_fit():
    """Frames of 32 rows: a beta of 0.01 leaves nothing in the window of the release."""
    case = CASES['fda']
    model = build_method(case, beta=0.01, window='half')
    data = model.data_preprocessor(training_batch(case), True)
    with pytest.raises(ValueError, match='beta=0.01 leaves no amplitude'):
        model.loss(**data)
    model = build_method(case)
    clip = data['inputs']['source']
    data['inputs']['source'] = clip._replace(raw=clip.raw[..., 8:])
    with pytest.raises(ValueError, match='give both pipelines one size'):
        model.loss(**data)
