"""The functions and modules with tensors, and their comparison between two devices.

Part of benchmarks/gpu_check.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from mmdavss import losses, modules, ops
from mmdavss.modules.class_balanced_crop import crop_at, crop_scores
from mmdavss.modules.class_mix import class_masks, draw_share
from mmdavss.modules.domain_game import self_information

ROOT = Path(__file__).resolve().parents[1]
Figures = dict[str, Any]


class Missed(Exception):
    """A check ran and its result is not what it should be.

    Args:
        message: The difference.
        figures: What was measured.
    """

    def __init__(self, message: str, **figures: Any) -> None:
        super().__init__(message)
        self.figures = figures


class DrawsOnHost(TorchDispatchMode):
    """Draws all random numbers on the CPU: the generators of a CPU and a GPU differ."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        device = tensors[0].device if tensors else torch.device(kwargs.get('device') or 'cpu')
        if device.type == 'cpu' or torch.Tag.nondeterministic_seeded not in function.tags:
            return function(*args, **kwargs)
        host = tree_map(lambda x: x.cpu() if isinstance(x, Tensor) else x, (args, kwargs))
        out = function(*host[0], **{**host[1], **({} if tensors else dict(device='cpu'))})
        if function._schema.is_mutable:
            return args[0].copy_(out)
        return tree_map(lambda x: x.to(device) if isinstance(x, Tensor) else x, out)


@contextmanager
def full_precision() -> Iterator[None]:
    """Context manager: no TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def golden(name: str) -> dict[str, Tensor]:
    """Arrays that were computed with the published code."""
    with np.load(ROOT / f'tests/data/golden/{name}.npz') as data:
        return {key: torch.as_tensor(data[key]) for key in data if data[key].dtype.kind != 'U'}


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed float64 numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def classes(*shape: int, count: int = 5, seed: int = 0) -> Tensor:
    """Labels, a tenth of them to be ignored."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(count, shape, generator=generator)
    return labels.masked_fill(torch.rand(shape, generator=generator) < 0.1, 255)


@dataclass(frozen=True)
class Function:
    """A function to be compared.

    Attributes:
        compute: From the tensors to the result, any tree.
        tensors: Floating-point numbers are in float64 and get a gradient if the result has one.
    """

    compute: Callable[..., Any]
    tensors: tuple[Tensor, ...]


def module(build: Callable[[], nn.Module], *tensors: Tensor) -> Function:
    """A module, whose weights are drawn from the same seed on each device."""

    def compute(*inputs: Tensor) -> Any:
        torch.manual_seed(0)
        with torch.device('cpu'):
            made = build()
        return made.to(inputs[0].device, inputs[0].dtype)(*inputs)

    return Function(compute, tensors)


def _statistics(covariance: str, bank_size: int = 0) -> Function:
    data = golden('sepico_proto_estimator')

    def compute(*tensors: Tensor) -> dict[str, Tensor]:
        made = modules.ClassStatistics(7, 12, covariance, bank_size).to(tensors[0].device)
        for features, labels in zip(tensors[:4], tensors[4:], strict=True):
            made.update(features.detach(), labels)
        return dict(made.state_dict())

    return Function(
        compute,
        tuple(data[f'{name}_{step}'] for name in ('features', 'labels') for step in range(4)),
    )


def _refined(scores: Tensor, other: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Pseudo-labels of scores (N, K, H, W), refined by those of another frame."""

    def made(maps: Tensor) -> modules.PseudoLabels:
        confidence, labels = maps.softmax(1).max(1)
        return modules.PseudoLabels(labels, confidence.round(), confidence)

    refine = modules.LabelRefinement('max-confidence', fill_columns=2).to(flow.device)
    return refine(made(scores), made(other), flow)


def _share(labels: Tensor) -> Tensor:
    torch.manual_seed(0)
    return draw_share(labels, 0.75)


def _aligned(features: Tensor, target: Tensor, labels: Tensor) -> dict[str, Tensor]:
    made = modules.FeatureAlignment((0, 2), (1, 3), 3, prototypes=1, instances=3, components=3)
    made = made.to(features.device, features.dtype)

    def classify(rows: Tensor) -> Tensor:
        return torch.cat([rows, 1 - rows], dim=1)

    for _ in range(2):
        made.update(features.detach(), labels, classify)
    return made(target, labels, classify) | made.state_dict()


def _contrast(name: str) -> Function:
    data = golden(f'sepico_{name}')
    features = data['feat']
    labels = modules.downscale_labels(data['mask'][:, 0], features.shape[-2:], 7).flatten()
    rows = features.permute(0, 2, 3, 1).flatten(0, 2)
    if name == 'protocl':
        compute: Callable = partial(losses.proto_contrast, temperature=0.07)
        return Function(compute, (rows, labels, data['mean']))
    if name == 'distcl':
        compute = partial(losses.dist_contrast, temperature=0.07)
        return Function(compute, (rows, labels, data['mean'], data['covariance_diag']))
    compute = partial(losses.bank_contrast, temperature=0.07)
    return Function(compute, (rows, labels, data['bank_padded'], data['bank_len']))


def _contrast_module(name: str) -> Function:
    bank_size = 3 if name == 'BankCLLoss' else 0
    data = golden('sepico_proto_estimator')
    seen = golden('sepico_protocl')

    def compute(maps: Tensor, labels: Tensor, features: Tensor, own: Tensor) -> dict[str, Tensor]:
        made = modules.ClassStatistics(7, 12, 'diagonal', bank_size).to(maps.device)
        made.update(features.detach(), own)
        return getattr(losses, name)(temperature=0.07)(maps, labels, made)

    labels = modules.downscale_labels(seen['mask'][:, 0], seen['feat'].shape[-2:], 7)
    return Function(compute, (seen['feat'], labels, data['features_0'], data['labels_0']))


def functions() -> dict[str, Callable[[], Function]]:
    """The public functions and modules with tensors, by name; a word after it is a variant."""
    warp = partial(golden, 'flow_warp_gridsample')
    flows = partial(golden, 'flow_fb_consistency')
    advent = partial(golden, 'advent_entropy_adversarial')
    epe = partial(golden, 'sfc_epe')
    stpl = partial(golden, 'stpl_eq3_eq4_literal')
    ur, hcl = partial(golden, 'rivals_ur_loss'), partial(golden, 'rivals_hcl_losses')
    distance = partial(golden, 'daformer_feature_distance')
    logits = noise(2, 5, 12, 16)
    clip = noise(2, 3, 5, 12, 16)
    flow, back = noise(2, 2, 12, 16, seed=1) * 2, noise(2, 2, 12, 16, seed=2) * 2
    labels, visible = classes(2, 12, 16), noise(2, 1, 12, 16, seed=3) > 0
    image, other = noise(2, 3, 12, 16, seed=4).sigmoid(), noise(2, 3, 12, 16, seed=5).sigmoid()
    levels = (image * 255).round() / 255, (other * 255).round() / 255
    corners = torch.tensor([[[0, 0], [3, 4]], [[1, 2], [4, 8]]])
    positive = logits.softmax(1), noise(2, 5, 12, 16, seed=6).softmax(1)
    pair = noise(2, 2, 5, 6, 8)

    def sfm(empty: str) -> Function:
        def compute(a: Tensor, b: Tensor, *regions: Tensor) -> Tensor:
            torch.manual_seed(0)
            with torch.device('cpu'):
                made = modules.SFM(dict(type='FlowNetS', base_channels=2), empty)
            made = made.to(a.device, a.dtype)
            nn.init.constant_(made.flow_net.predict_flow2.weight, 0.1)
            return made(a, b, *(modules.label_regions(own, 3).to(a.dtype) for own in regions))

        shape = (1, 64, 64)
        return Function(
            compute,
            (
                noise(1, 3, 64, 64, seed=7).sigmoid(),
                noise(1, 3, 64, 64, seed=8).sigmoid(),
                classes(*shape, count=2),
                classes(*shape, count=2, seed=1),
            ),
        )

    def mix(own: Tensor, source: Tensor, target: Tensor) -> Any:
        torch.manual_seed(0)
        mask = modules.class_mix_masks(own)
        return mask, modules.class_mix(mask, source, target)

    def pasted(own: Tensor, source: Tensor, target: Tensor) -> Any:
        onto, layer = (
            modules.ClipLayer(frames[:, None], own[:, None], mask=own[:, None] > 3)
            for frames in (target, source)
        )
        return [part for part in modules.paste_layers(onto, [layer]) if part is not None]

    def game(view: str) -> Function:
        def compute(scores: Tensor, source: Tensor) -> Any:
            torch.manual_seed(0)
            with torch.device('cpu'):
                discriminator = modules.ImageDiscriminator(5, 4)
                made = modules.DomainGame(losses.DomainGANLoss(), dict(decode=1.0), view)
            discriminator = discriminator.to(scores.device, scores.dtype)
            shown = dict(source=dict(decode=source), target=dict(decode=scores))
            return (
                made.student_loss(discriminator, shown['target']),
                made.discriminator_losses(discriminator, shown),
            )

        return Function(compute, (noise(1, 5, 64, 64), noise(1, 5, 64, 64, seed=1)))

    def video_game() -> Function:
        def compute(*frames: Tensor) -> Any:
            torch.manual_seed(0)
            with torch.device('cpu'):
                made = modules.VideoDiscriminator(5, 4)
            made = made.to(frames[0].device, frames[0].dtype)
            source, target = frames[:2], frames[2:]
            return (
                made.student_loss(target, (128, 128)),
                made.discriminator_losses(source, target, (128, 128)),
            )

        return Function(compute, tuple(noise(1, 5, 32, 32, seed=n) for n in range(4)))

    def negative_learning(scores: Tensor) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return losses.NegativeLearning(width=1)(scores)

    def augment(images: Tensor) -> Tensor:
        torch.manual_seed(0)
        return modules.StrongAugment()(images)

    def augment_as_torchvision(images: Tensor) -> Tensor:
        torch.manual_seed(0)
        return modules.TorchvisionAugment(grey_prob=0.3)(images)

    def attack(images: Tensor, references: Tensor, chosen: Tensor) -> Any:
        seen = modules.spectra(images, references, 4)
        return modules.attacked_images(images, seen, chosen), seen.means(), seen.changes()

    def resized_crop(clips: Tensor, own_flow: Tensor, own: Tensor) -> Any:
        crop = modules.RandomResizedCrop((8, 8))
        boxes = crop.draw(own)
        return (
            crop.frames(clips.expand(2, -1, -1, -1, -1), boxes),
            crop.flow(own_flow, boxes),
            crop.labels(own, boxes),
        )

    return {
        'carry_by_truncation': lambda: Function(
            partial(ops.carry_by_truncation, lowest_row=int(0.7 * warp()['flow'].shape[-2])),
            (warp()['feat'], warp()['flow']),
        ),
        'compose_by_truncation': lambda: Function(
            ops.compose_by_truncation, (warp()['flow'], warp()['flow'].flip(-1))
        ),
        'backward_warp': lambda: Function(
            partial(ops.backward_warp, return_mask=True), (warp()['feat'], warp()['flow'])
        ),
        'backward_warp border': lambda: Function(
            partial(ops.backward_warp, padding_mode='border'), (warp()['feat'], warp()['flow'])
        ),
        'backward_warp nearest': lambda: Function(
            partial(ops.backward_warp, mode='nearest'), (warp()['feat'], warp()['flow'])
        ),
        'resized_argmax': lambda: Function(
            partial(ops.resized_argmax, size=(192, 256), align_corners=False), (logits,)
        ),
        'resize_flow': lambda: Function(partial(ops.resize_flow, size=(7, 19)), (flow,)),
        'compose_flow': lambda: Function(ops.compose_flow, (flow, back)),
        'chain_flow': lambda: Function(ops.chain_flow, (torch.stack([flow, back], 1),)),
        'mirrored_flow': lambda: Function(ops.mirrored_flow, (flow,)),
        'deformable_sampling': lambda: Function(
            lambda cells, at, weights: ops.deformable_sampling(
                cells, [(12, 16), (6, 8)], at.sigmoid(), weights.softmax(-1)
            ),
            (noise(2, 240, 2, 4), noise(2, 9, 2, 2, 3, 2), noise(2, 9, 2, 2, 3)),
        ),
        'connected_components': lambda: Function(ops.connected_components, (labels,)),
        'forward_splat': lambda: Function(
            partial(ops.forward_splat, return_mask=True), (logits, flow)
        ),
        'correlation': lambda: Function(
            partial(ops.correlation, max_displacement=3, padding=3), (logits, positive[0])
        ),
        'Correlation': lambda: module(
            partial(ops.Correlation, max_displacement=3), logits, positive[1]
        ),
        **{
            f'fourier_swap {window}': partial(
                Function, partial(ops.fourier_swap, half_width=2, window=window), (image, other)
            )
            for window in ('symmetric', 'half', 'real')
        },
        'frequency_bands': lambda: Function(
            lambda x: ops.frequency_bands(x.shape[-2:], 4, device=x.device), (image,)
        ),
        'exchange_amplitudes': lambda: Function(
            ops.exchange_amplitudes, (image, torch.fft.fft2(other).abs())
        ),
        'forward_backward_visible': lambda: Function(
            ops.forward_backward_visible, (flows()['flow_fw'], flows()['flow_bw'])
        ),
        'photometric_weight': lambda: Function(ops.photometric_weight, (image, other)),
        'photometric_visible': lambda: Function(
            partial(ops.photometric_visible, alpha=5.0), (image, other)
        ),
        'at_least_float32': lambda: Function(ops.at_least_float32, (logits,)),
        'cross_entropy': lambda: Function(losses.cross_entropy, (logits, labels)),
        'cross_entropy weighted': lambda: Function(
            lambda scores, own, weights, of_class: losses.cross_entropy(
                scores, own, weights, of_class.detach()
            ),
            (logits, labels, visible[:, 0].double(), noise(5).exp()),
        ),
        'BatchCrossEntropyLoss': lambda: Function(losses.BatchCrossEntropyLoss(), (logits, labels)),
        'soft_cross_entropy': lambda: Function(
            lambda scores, own, shares: losses.soft_cross_entropy(
                scores, torch.stack([own, (own + 1) % 5], 1), shares.softmax(1), own > 0
            ),
            (logits, labels.clamp(max=4), noise(2, 2, 12, 16, seed=7)),
        ),
        'clip_cross_entropy': lambda: Function(
            losses.clip_cross_entropy, (clip, classes(2, 3, 12, 16))
        ),
        'flow_epe': lambda: Function(
            losses.flow_epe,
            (epe()['input_flow'], epe()['target_flow'], epe()['label_for_mask'] != 255),
        ),
        'flow_epe sum': lambda: Function(
            partial(losses.flow_epe, reduction='sum'), (epe()['input_flow'], epe()['target_flow'])
        ),
        'FlowEPELoss': lambda: Function(
            lambda own, target, valid: losses.FlowEPELoss()(own, target, labels=valid),
            (epe()['input_flow'], epe()['target_flow'], epe()['label_for_mask']),
        ),
        'DomainGANLoss': lambda: Function(
            lambda scores: [losses.DomainGANLoss()(scores, domain) for domain in (True, False)],
            (logits,),
        ),
        'temporal_consistency_loss': lambda: Function(
            losses.temporal_consistency_loss, (*positive, visible)
        ),
        'TemporalConsistencyLoss': lambda: Function(
            losses.TemporalConsistencyLoss(), (*positive, visible)
        ),
        'stpl_loss': lambda: Function(
            partial(losses.stpl_loss, num_classes=12),
            tuple(stpl()[key] for key in ('q', 'k', 'label_q', 'label_k')),
        ),
        'stpl_loss all': lambda: Function(
            partial(losses.stpl_loss, num_classes=12, denominator='all'),
            tuple(stpl()[key] for key in ('q', 'k', 'label_q', 'label_k')),
        ),
        'STPLLoss': lambda: Function(
            partial(losses.STPLLoss(), num_classes=12),
            tuple(stpl()[key][None] for key in ('q', 'k', 'label_q', 'label_k')),
        ),
        'robust_entropy': lambda: Function(losses.robust_entropy, (logits,)),
        'RobustEntropyLoss': lambda: Function(losses.RobustEntropyLoss(), (logits,)),
        'entropy_loss': lambda: Function(losses.entropy_loss, (logits,)),
        'EntropyLoss': lambda: Function(losses.EntropyLoss(), (logits,)),
        'negative_learning_loss': lambda: Function(
            partial(losses.negative_learning_loss, rank=3), (logits,)
        ),
        'NegativeLearning': lambda: Function(negative_learning, (logits,)),
        'decoder_disagreement': lambda: Function(
            losses.decoder_disagreement,
            (ur()['logits'], ur()['aux_logits']),
        ),
        'historical_agreement': lambda: Function(
            losses.historical_agreement, (hcl()['scores_hist_main'], hcl()['scores_ema_main'])
        ),
        'historical_contrast': lambda: Function(
            partial(losses.historical_contrast, num_classes=4),
            tuple(hcl()[key][0] for key in ('x', 'y', 'label_x', 'label_y', 'reliability_y')),
        ),
        'HistoricalContrastLoss': lambda: Function(
            partial(losses.HistoricalContrastLoss(), num_classes=5),
            (
                nn.functional.normalize(hcl()['feature_student'], dim=1),
                nn.functional.normalize(hcl()['feature_ema'], dim=1),
                hcl()['label_student_crop'].long(),
                hcl()['label_teacher_crop'].long(),
                hcl()['hccd_weight_main'],
            ),
        ),
        'RareClassWeights': lambda: Function(
            lambda own: modules.RareClassWeights(12).to(own.device)(own), (labels,)
        ),
        'feature_distance': lambda: Function(
            losses.feature_distance,
            (distance()['feat'], distance()['imagenet_feat'], distance()['mask'][:, 0]),
        ),
        'FeatureDistance': lambda: Function(
            lambda *tensors: losses.FeatureDistance(range(6)).to(tensors[0].device)(*tensors, 19),
            (distance()['feat'], distance()['imagenet_feat'], distance()['label'][:, 0]),
        ),
        'feature_distillation': lambda: Function(
            losses.feature_distillation, (logits, positive[1])
        ),
        'FeatureDistillation': lambda: module(
            lambda: losses.FeatureDistillation(
                dict(type='DINOv2', arch=(16, 2, 2)), 5, (28, 42), allow_random_init=True
            ),
            logits,
            image,
        ),
        'PseudoLabelRegulariser': lambda: Function(
            losses.PseudoLabelRegulariser(),
            (
                golden('rivals_iast_regulariser')['logits'],
                golden('rivals_iast_regulariser')['label'].long(),
            ),
        ),
        'proto_contrast': lambda: _contrast('protocl'),
        'bank_contrast': lambda: _contrast('bankcl'),
        'dist_contrast': lambda: _contrast('distcl'),
        **{
            name: partial(_contrast_module, name)
            for name in ('ProtoCLLoss', 'BankCLLoss', 'DistCLLoss')
        },
        'maximum_mean_discrepancy': lambda: Function(
            losses.maximum_mean_discrepancy, (noise(5, 4), noise(5, 4, seed=1))
        ),
        'mean_feature_regulariser': lambda: Function(
            partial(losses.mean_feature_regulariser, temperature=0.07),
            (
                golden('sepico_reg')['feat_rows'],
                torch.zeros(69, dtype=torch.int64),
                golden('sepico_reg')['mean'],
            ),
        ),
        'tube_dice_loss': lambda: Function(
            lambda scores, own: losses.tube_dice_loss(scores.softmax(2), own),
            (clip, classes(2, 3, 12, 16)),
        ),
        'TubeDiceLoss': lambda: Function(losses.TubeDiceLoss(), (clip, classes(2, 3, 12, 16))),
        'ClassBalancedCrop': lambda: Function(
            lambda own, at: (crop_scores(own, at, (6, 8)), crop_at(own, at[:, 0], (6, 8))),
            (labels, corners),
        ),
        'class_mix': lambda: Function(mix, (labels, image, other)),
        'class_mix share': lambda: Function(_share, (labels,)),
        'class_masks': lambda: Function(class_masks, (labels, noise(2, 256) > 0)),
        'occurring_values': lambda: Function(modules.occurring_values, (labels,)),
        'draw_values': lambda: Function(
            lambda own: modules.draw_values(modules.occurring_values(own), 255), (labels,)
        ),
        'paste_layers': lambda: Function(pasted, (labels, image, other)),
        'crop_layer': lambda: Function(
            lambda own, frames: modules.crop_layer(
                modules.ClipLayer(frames[:, None], own[:, None]), [(1, 2), (3, 0)], (6, 8)
            )[:2],
            (labels, image),
        ),
        'class_mean_scores': lambda: Function(modules.class_mean_scores, (logits, labels)),
        'ClassStatistics diagonal': lambda: _statistics('diagonal'),
        'ClassStatistics full': lambda: _statistics('full'),
        'ClassStatistics bank': lambda: _statistics('diagonal', bank_size=3),
        'most_confident': lambda: Function(
            lambda scores: [each.sort(1).values for each in modules.most_confident(scores, 0.3)],
            (logits,),
        ),
        'most_confident per_class': lambda: Function(
            lambda scores: [
                each.sort(1).values for each in modules.most_confident(scores, 0.3, True)
            ],
            (logits,),
        ),
        'class_entropy': lambda: Function(
            lambda own: modules.class_entropy(own.flatten(), 256), (labels,)
        ),
        'day_guided': lambda: Function(
            modules.day_guided,
            tuple(golden('sepico_dark_prob_mix')[f'{when}_prob'] for when in ('night', 'day')),
        ),
        # Drawn on the device: all blocks are hidden, or none.
        'block_mask': lambda: Function(
            lambda x: modules.block_mask(2, (12, 16), 4, 0.0, x.device) * x, (noise(2, 5, 12, 16),)
        ),
        'MaskedConsistency': lambda: Function(
            modules.MaskedConsistency(4, 1.0).mask, (noise(2, 2, 3, 12, 16),)
        ),
        'LabelRefinement': lambda: Function(_refined, (logits, positive[1], flow)),
        'ImageDiscriminator': lambda: module(
            partial(modules.ImageDiscriminator, 5, 4), noise(1, 5, 64, 64)
        ),
        'SequenceDiscriminator': lambda: module(
            partial(modules.SequenceDiscriminator, 5, 4), noise(1, 2, 5, 64, 64)
        ),
        'HeadDiscriminators': lambda: module(
            lambda: _Named(modules.HeadDiscriminators(5, channels=4)), noise(1, 5, 64, 64)
        ),
        'SpatioTemporalDiscriminator': lambda: module(
            lambda: _Named(modules.SpatioTemporalDiscriminator(5, channels=4), pairs=True),
            noise(1, 10, 64, 64),
        ),
        'VideoDiscriminator': video_game,
        'DomainGame': lambda: game('softmax'),
        'DomainGame self_information': lambda: game('self_information'),
        'self_information': lambda: Function(self_information, (advent()['logits'],)),
        'AddFusion': lambda: module(partial(modules.AddFusion, 5), pair),
        'ConcatFusion': lambda: module(partial(modules.ConcatFusion, 5), pair),
        'ConvFusion': lambda: module(partial(modules.ConvFusion, 5), pair),
        'STAM': lambda: module(partial(modules.STAM, 5), pair),
        'ProjectionHead': lambda: module(partial(modules.ProjectionHead, 5, 8), logits),
        'match_histograms': lambda: Function(modules.match_histograms, levels),
        'FeatureAlignment': lambda: Function(_aligned, (image, other, labels)),
        'nearest_labels': lambda: Function(
            partial(modules.nearest_labels, size=(7, 19)), (labels,)
        ),
        'downscale_labels': lambda: Function(
            partial(modules.downscale_labels, size=(6, 8), num_classes=7),
            (golden('sepico_label_downscale')['label'][:, 0],),
        ),
        'label_regions': lambda: Function(partial(modules.label_regions, num_classes=5), (labels,)),
        'occurring_classes': lambda: Function(modules.occurring_classes, (positive[0],)),
        'SFM': lambda: sfm('skip'),
        'SFM mask': lambda: sfm('mask'),
        'random_rescale': lambda: Function(
            partial(modules.random_rescale, factors=(0.5, 2.0), align_corners=True), (image[None],)
        ),
        'RandomResizedCrop': lambda: Function(resized_crop, (image[None], flow[:, None], labels)),
        'random_cut': lambda: Function(
            lambda x: modules.random_cut(x.shape[-2:], x.device) * x, (image,)
        ),
        'spectra': lambda: Function(attack, (image, other[..., ::2, ::2], noise(2, 4, 3))),
        'most_wanted': lambda: Function(
            partial(modules.most_wanted, portion=0.3), (noise(2, 4, 3),)
        ),
        'attacked_images': lambda: Function(attack, (image, other, noise(2, 4, 3))),
        'FourierGate': lambda: module(partial(modules.FourierGate, 4), noise(2, 4, 3).exp()),
        'StrongAugment': lambda: Function(augment, (noise(8, 2, 3, 48, 64, seed=9).sigmoid(),)),
        'TorchvisionAugment': lambda: Function(
            augment_as_torchvision, (noise(8, 2, 3, 48, 64, seed=9).sigmoid(),)
        ),
        'intermediate_flows': lambda: Function(
            partial(modules.intermediate_flows, t=0.3), (flow, back)
        ),
        'synthesise_frame': lambda: Function(
            partial(modules.synthesise_frame, t=0.3), (image, other, flow, back)
        ),
        'normalised_entropy': lambda: Function(modules.normalised_entropy, positive[:1]),
        'round_trip_visible': lambda: Function(
            partial(modules.round_trip_visible, eta=3.0), (flow, back)
        ),
        'rectified_labels': lambda: Function(
            partial(modules.rectified_labels, delta=0.8), (positive[0], visible)
        ),
        'probability_cross_entropy': lambda: Function(
            modules.probability_cross_entropy, (positive[0], labels)
        ),
        'aggregate_predictions': lambda: Function(
            lambda own, now, near, then, to: modules.aggregate_predictions(
                own, now, [(near, then, to)], alpha=5.0
            ),
            (positive[0], image, positive[1], other, flow),
        ),
        'warp_labels': lambda: Function(modules.warp_labels, (labels, flow)),
        'consensus': lambda: Function(
            modules.consensus, (labels, classes(2, 12, 16, seed=1), flow)
        ),
        'fill_in': lambda: Function(
            modules.fill_in, (labels, classes(2, 12, 16, seed=1), flow, visible)
        ),
        'temporal_pseudo_labels': lambda: Function(
            partial(modules.temporal_pseudo_labels, confidence_threshold=0.4), (logits, flow)
        ),
    }


class _Named(nn.Module):
    """A discriminator of the scores of one head, which it takes by name."""

    def __init__(self, own: nn.Module, pairs: bool = False) -> None:
        super().__init__()
        self.own, self.pairs = own, pairs

    def forward(self, scores: Tensor) -> Any:
        return self.own(dict(decode=(scores, scores.flip(0)) if self.pairs else scores))


def evaluated(function: Function, device: str, dtype: torch.dtype) -> list[Tensor]:
    """Results of a function, then its gradients, on the CPU."""
    tensors = [
        x.to(device, dtype).requires_grad_() if x.is_floating_point() else x.to(device)
        for x in function.tensors
    ]
    torch.manual_seed(0)
    with DrawsOnHost(), full_precision():
        results = [x for x in tree_leaves(function.compute(*tensors)) if isinstance(x, Tensor)]
        differentiable = [x for x in results if x.requires_grad]
        wanted = [x for x in tensors if x.requires_grad]
        gradients: Sequence[Tensor | None] = ()
        if differentiable:
            weights = [noise(*x.shape, seed=1).to(x) for x in differentiable]
            gradients = torch.autograd.grad(differentiable, wanted, weights, allow_unused=True)
    results += [x for x in gradients if x is not None]
    return [x.detach().cpu() for x in results]


def compare(function: Function, device: str) -> Figures:
    """Compares a function on a device with the CPU, in float64 and float32.

    In float64 labels and masks are equal, and numbers within 1e-9 of the largest. In float32
    numbers are within 1e-4 of the largest; labels depend on rounding there.

    Raises:
        Missed: If they differ.
    """
    errors = {}
    for dtype, limit in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        ours, theirs = (evaluated(function, where, dtype) for where in (device, 'cpu'))
        if [x.shape for x in ours] != [x.shape for x in theirs]:
            raise Missed(f'{dtype}: {[x.shape for x in ours]} for {[x.shape for x in theirs]}')
        worst = 0.0
        for own, expected in zip(ours, theirs, strict=True):
            if expected.is_floating_point() and expected.numel():
                if not torch.equal(own.isfinite(), expected.isfinite()):
                    raise Missed(f'{dtype}: other numbers are finite')
                size = max(expected.nan_to_num().abs().max().item(), 1e-12)
                worst = max(worst, (own - expected).nan_to_num().abs().max().item() / size)
            elif dtype == torch.float64 and not torch.equal(own, expected):
                share = (own != expected).double().mean().item()
                raise Missed(f'{share:.2%} of the labels differ')
        errors[str(dtype).removeprefix('torch.')] = worst
        if not worst <= limit:
            raise Missed(f'{dtype}: error {worst:.1e}, limit {limit:.0e}', **errors)
    return dict(errors, text=f'{errors["float64"]:.0e}, {errors["float32"]:.0e}')
