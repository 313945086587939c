"""AdaptSegNet, AdvEnt and MinEnt: a step of the published code, from the shipped configs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmdavss.losses import entropy_loss
from mmdavss.methods import MinEnt
from mmdavss.methods.base import BaseAdapter
from mmdavss.structures import Clip, sample_labels
from mmdavss.testing import PREPROCESSOR, small_net
from mmdavss.video_nets import HeadScores, VideoNet
from tests.shipped import shipped_config

DATA = Path(__file__).parents[1] / 'data/golden'
#: Classifiers, and what they are called in the arrays.
LEVELS = {'decode': 'main', 'aux': 'aux'}


class Golden:
    """Arrays of a published step, in double precision."""

    def __init__(self, name: str) -> None:
        with np.load(DATA / f'rivals_{name}_step.npz') as arrays:
            self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    def __getitem__(self, key: str) -> Tensor:
        return self.arrays[key].double()


class Stub(nn.Module):
    """The published stub: a convolution for each level, with their rates in the published step.

    The released rule gives the first group of parameters the rate of the backbone, and the second
    ten times that: the main and the auxiliary level here.
    """

    align_corners, needs_flow = True, False
    supervise = VideoNet.supervise

    def __init__(self, heads: dict[str, nn.Module], golden: Golden) -> None:
        super().__init__()
        self.num_classes = int(golden['num_classes'])
        self.heads = heads
        parts = dict(decode='backbone', aux='auxiliary_head')
        self.segmentor = nn.ModuleDict()
        for name in heads:
            level = nn.Conv2d(3, self.num_classes, 5, stride=8, padding=2).double()
            level.load_state_dict(
                {key: golden[f'w.{LEVELS[name]}.{key}'] for key in ('weight', 'bias')}
            )
            self.segmentor[parts[name]] = level
        self.levels = {name: self.segmentor[parts[name]] for name in heads}

    def forward(
        self,
        frames: Tensor,
        flow: None = None,
        heads: bool = True,
        parts: tuple = (),
        detached: tuple = (),
        single: Collection[str] | None = None,
    ) -> dict[str, HeadScores]:
        maps = {name: level(frames[:, -1]) for name, level in self.levels.items()}
        return {
            name: HeadScores(own, own.detach() if 'current' in detached else own)
            for name, own in maps.items()
        }

    def loss(self, frames: Tensor, flow: None, samples: list) -> dict[str, Tensor]:
        return self.supervise(self(frames), sample_labels(samples))


def published(
    config: str, golden: Golden, tags: dict[str, str] | None = None
) -> tuple[BaseAdapter, dict, object]:
    """A shipped method with the published stub, its batch and its optimisers.

    Args:
        config: Name below ``configs/``.
        golden: The arrays.
        tags: What the keys of each level's discriminator begin with.
    """
    judges = tuple((tags or {}).values())
    widths = [len(golden[key]) for key in golden.arrays if key.startswith(judges)]
    cfg = shipped_config(config, int(golden['num_classes']), *widths[:1])
    model = MODELS.build(cfg.model).train()
    model.student = Stub(dict(model.student.heads), golden)
    for name in model.student.heads if tags else ():
        layers = model.discriminator.double()[name].layers
        # There the source is 0 and the target 1, here it is so with least squares alone.
        sign = 1 if model.game.gan_loss.source_label == 0 else -1
        keys = [key for key in golden.arrays if key.startswith(tags[name])]
        for layer, key in zip(layers[::2], keys[::2], strict=True):
            weights = {
                part: golden[f'{key.rpartition(".")[0]}.{part}'] for part in ('weight', 'bias')
            }
            if layer is layers[-1]:
                weights = {part: sign * value for part, value in weights.items()}
            layer.load_state_dict(weights)
    sample = SegDataSample(metainfo=dict(img_shape=tuple(golden['src_label'].shape[-2:])))
    sample.gt_sem_seg = PixelData(data=golden['src_label'].long())
    clips = {
        domain: Clip(*[golden[key][:, None]] * 2)
        for domain, key in (('source', 'src'), ('target', 'trg'))
    }
    batch = dict(inputs=clips, data_samples=dict(source=[sample], target=[]))
    model.data_preprocessor.forward = lambda data, training: data
    return model, batch, build_optim_wrapper(model, cfg.optim_wrapper)


def stepped(
    model: BaseAdapter, batch: dict, wrapper: object
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Log and gradients of a step."""
    found: dict[str, Tensor] = {}
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    for own in wrappers:
        # The gradients are there between the two.
        step = own.optimizer.step

        def noted(*args: object, step=step, **kwargs: object) -> None:
            found.update(
                {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
            )
            step(*args, **kwargs)

        own.optimizer.step = noted
    log = model.train_step(batch, wrapper)
    return log, found


def close(value: Tensor, expected: Tensor, rtol: float = 1e-5) -> None:
    """Compares relative to the largest value: the arrays were computed in float32."""
    atol = rtol * float(expected.abs().max())
    torch.testing.assert_close(value.double(), expected, rtol=0, atol=atol)


PARAMETERS = {
    f'student.segmentor.{part}.{kind}': f'{level}.{kind}'
    for part, level in (('backbone', 'main'), ('auxiliary_head', 'aux'))
    for kind in ('weight', 'bias')
}


def test_two_levels_equal_the_release():
    golden = Golden('adaptsegnet')
    tags = dict(decode='d2.', aux='d1.')
    model, batch, wrapper = published('adaptsegnet/deeplabv2-r101_gta2city', golden, tags)
    log, grads = stepped(model, batch, wrapper)
    close(log['source.decode.loss_ce'], golden['multi_loss_seg2'])
    close(log['source.aux.loss_ce'], 0.1 * golden['multi_loss_seg1'])
    close(
        log['loss_adversarial'],
        0.001 * golden['multi_loss_adv2'] + 0.0002 * golden['multi_loss_adv1'],
    )
    close(
        log['discriminator.loss_source'] + log['discriminator.loss_target'],
        golden['multi_loss_D1'] + golden['multi_loss_D2'],
    )
    for name, key in PARAMETERS.items():
        close(grads[name], golden[f'multi_net.grad.{key}'], 1e-4)
        close(model.get_parameter(name).detach(), golden[f'multi_after.{key}'], 1e-6)
    for name, key in (('decode', 'd2'), ('aux', 'd1')):
        for layer, sign, part in ((0, 1, 'conv1'), (8, -1, 'classifier')):
            for kind in ('weight', 'bias'):
                own = grads[f'discriminator.{name}.layers.{layer}.{kind}']
                close(sign * own, golden[f'multi_{key}.grad.{part}.{kind}'], 1e-4)


@pytest.mark.parametrize(
    ('tag', 'config', 'weight'),
    [
        ('single', 'adaptsegnet/deeplabv2-r101_gta2city_single-level', 0.001),
        ('lsgan', 'adaptsegnet/deeplabv2-r101_gta2city_lsgan', 0.01),
    ],
)
def test_one_level_equals_the_release(tag: str, config: str, weight: float):
    golden = Golden('adaptsegnet')
    model, batch, wrapper = published(config, golden, dict(decode='d2.'))
    log, grads = stepped(model, batch, wrapper)
    close(log['source.decode.loss_ce'], golden[f'{tag}_loss_seg2'])
    close(log['loss_adversarial'], weight * golden[f'{tag}_loss_adv2'])
    close(
        log['discriminator.loss_source'] + log['discriminator.loss_target'],
        golden[f'{tag}_loss_D2'],
    )
    for kind in ('weight', 'bias'):
        close(
            grads[f'student.segmentor.backbone.{kind}'], golden[f'{tag}_net.grad.main.{kind}'], 1e-4
        )
        # The release builds the other level and gives it nothing to learn.
        assert not golden[f'{tag}_net.grad.aux.{kind}'].any()


def test_advent_equals_the_release():
    golden = Golden('advent')
    tags = dict(decode='d_main.', aux='d_aux.')
    model, batch, wrapper = published('advent/advent_deeplabv2-r101_gta2city', golden, tags)
    log, grads = stepped(model, batch, wrapper)
    close(log['source.decode.loss_ce'], golden['out_loss_seg_src_main'])
    close(log['source.aux.loss_ce'], 0.1 * golden['out_loss_seg_src_aux'])
    close(
        log['loss_adversarial'],
        0.001 * golden['out_loss_adv_trg_main'] + 0.0002 * golden['out_loss_adv_trg_aux'],
    )
    # The release logs the half of the target only.
    close(log['discriminator.loss_target'], golden['out_loss_d_main'] + golden['out_loss_d_aux'])
    for name, key in PARAMETERS.items():
        close(grads[name], golden[f'grad.{key}'], 1e-4)
        close(model.get_parameter(name).detach(), golden[f'after.{key}'], 1e-6)
    for name, level in LEVELS.items():
        for layer, sign in ((0, 1), (8, -1)):
            own = grads[f'discriminator.{name}.layers.{layer}.weight']
            close(sign * own, golden[f'grad.d_{level}.{layer}.weight'], 1e-4)


def test_minent_equals_the_release():
    golden = Golden('minent')
    model, batch, wrapper = published('advent/minent_deeplabv2-r101_gta2city', golden)
    log, grads = stepped(model, batch, wrapper)
    for name, level in LEVELS.items():
        factor = dict(decode=1.0, aux=0.1)[name]
        close(log[f'source.{name}.loss_ce'], factor * golden[f'out_loss_seg_src_{level}'])
        factor = dict(decode=0.001, aux=0.0002)[name]
        close(log[f'{name}.loss_entropy'], factor * golden[f'out_loss_ent_{level}'])
    for name, key in PARAMETERS.items():
        close(grads[name], golden[f'grad.{key}'], 1e-4)
        close(model.get_parameter(name).detach(), golden[f'after.{key}'], 1e-6)


def test_entropy_of_uniform_and_certain_scores():
    scores = torch.zeros(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    loss = entropy_loss(scores)
    loss.backward()
    assert loss.item() == pytest.approx(1) and scores.grad.abs().max() < 1e-15
    labels = torch.randint(5, (2, 3, 4))
    certain = 200.0 * F.one_hot(labels, 5).permute(0, 3, 1, 2)
    assert entropy_loss(certain).item() == pytest.approx(0, abs=1e-12)


def test_minent_of_a_video_net_sees_what_it_predicts():
    """The entropy is that of the fused frames, and reaches the fusion."""
    model = MODELS.build(
        dict(
            type='MinEnt',
            student=small_net('Accel'),
            data_preprocessor=PREPROCESSOR,
            norm_eval=True,
            entropy_weight=0.5,
        )
    ).train()
    frames, flow = torch.randn(1, 2, 3, 32, 48), torch.zeros(1, 1, 2, 32, 48)
    loss = model.loss(dict(target=Clip(frames, frames, flow)), dict(target=[]))
    fused = F.interpolate(
        model.student(frames, flow), (32, 48), mode='bilinear', align_corners=model.align_corners
    )
    torch.testing.assert_close(loss['decode.loss_entropy'], 0.5 * entropy_loss(fused))
    loss['decode.loss_entropy'].backward()
    assert model.student.fusion.weight.grad.abs().max() > 0


def test_minent_refuses_negative_weights():
    with pytest.raises(ValueError, match='entropy_weight=-1'):
        MinEnt(student=small_net('PerFrame'), data_preprocessor=PREPROCESSOR, entropy_weight=-1)
