"""A training step makes the passes that its method's definition needs, and no others.

Counted in FLOPs, in a second step, so that what begins with it counts too. What each method needs
is written down here for each kind of video net, in passes of one frame per clip.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_leaves, tree_map

from mmdavss.losses import DistCLLoss
from mmdavss.modules import StrongAugment, frozen_forward, most_confident
from mmdavss.structures import DomainBatch
from mmdavss.testing import (
    NUM_CLASSES,
    MethodCase,
    build_method,
    build_optimisers,
    small_net,
)
from mmdavss.testing.flops import NetworkFlops
from mmdavss.testing.methods import SEGMENTOR, SIZE, Training, training_batch
from mmdavss.testing.numerics import double_precision
from mmdavss.video_nets import clip_scores
from tests.methods.table import CASES, FLOW_NET, HRDA


class Passes(Counter):
    """Number of passes by part and direction."""

    def __add__(self, other: Passes) -> Passes:
        return Passes({key: self[key] + other[key] for key in {*self, *other}})

    def of(self, owner: str) -> Passes:
        return Passes({(owner, *key): value for key, value in self.items()})


def passes(gradient: bool = False, **parts: float) -> Passes:
    """Passes through parts, each with its backward pass or without."""
    directions = ('forward', 'backward') if gradient else ('forward',)
    return Passes({(part, way): count for part, count in parts.items() for way in directions})


@dataclass(frozen=True)
class Net:
    """What a video net's scores of a clip take.

    Attributes:
        config: Config of the student.
        read: Frames of a clip of two that go through the backbone.
        key: Frames of them that a loss does not reach, each classified by itself.
        join: Parts that join what the frames give.
        own: What the net's own losses take besides, without gradient.
        shown: What discriminators of single frames take besides, of supervised scores.
        current: The same of the current frame alone.
    """

    config: dict
    read: frozenset[int]
    key: int = 0
    join: dict[str, int] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    current: dict[str, int] = field(default_factory=dict)

    def classified(self, *heads: str, gradient: bool = False, called: bool = False) -> Passes:
        """The heads' part of the fused scores.

        Args:
            heads: ``decode``, ``aux``.
            gradient: Whether they are learnt.
            called: Whether the net was called: then the classifier of Accel's key frame is learnt
                too, which takes the gradient of its weights.
        """
        found = passes(gradient, **dict.fromkeys(heads, 1))
        found += passes(**dict.fromkeys(heads, self.key))
        if gradient and called:
            found += Passes({('decode', 'backward'): 0.5 * self.key})
        join = {part: n * (len(heads) if part == 'fusion' else 1) for part, n in self.join.items()}
        return found + passes(gradient, **join)

    def scores(self, *heads: str, gradient: bool = False, called: bool = False) -> Passes:
        """The fused scores of heads."""
        return (
            passes(gradient, backbone=len(self.read) - self.key)
            + passes(backbone=self.key)
            + self.classified(*heads, gradient=gradient, called=called)
        )

    def supervised(self) -> Passes:
        """The supervised losses of all heads."""
        return self.scores('decode', 'aux', gradient=True) + passes(**self.own)

    def labels(self, *heads: str) -> Passes:
        """The fused scores that label."""
        return self.scores(*(heads or ('decode',)))


NETS = {
    'per_frame': Net(
        dict(type='PerFrame'),
        read=frozenset({1}),
        shown=dict(backbone=1, decode=1, aux=1),  # the key frame
    ),
    # The key frame gets no gradient.
    'accel': Net(dict(type='Accel'), read=frozenset({0, 1}), key=1, join=dict(fusion=1)),
    'dff': Net(
        dict(type='DFF', flow_net=FLOW_NET),
        read=frozenset({0}),
        join=dict(flow_net=1),
        shown=dict(backbone=1, decode=2, aux=2),  # the current frame, and its classification
        current=dict(backbone=1, decode=1, aux=1),
    ),
    'distortion_aware': Net(
        dict(type='DistortionAwareVSS', flow_net=FLOW_NET),
        read=frozenset({0}),
        join=dict(flow_net=1, distortion=1, correction=1),
        own=dict(backbone=1, decode=2),  # of the current frame; of the carried features
        shown=dict(decode=1, aux=2),  # the others are there
        current=dict(aux=1),
    ),
}
#: A frame by itself, with gradient.
SINGLE = passes(True, backbone=1, decode=1, aux=1)


def stpl(n: Net, seen: set[int], augmented: set[int], compared: int = 0) -> Passes:
    """Features of frames, which serve the labels too, and of augmented ones."""
    known = passes(True, backbone=len(seen) + len(augmented))
    return (
        known
        + passes(backbone=len(n.read - seen))
        + n.classified('decode')
        + passes(decode=compared)
    )


def anchored(
    n: Net, seen: set[int], augmented: set[int], compared: frozenset[int] = frozenset()
) -> Passes:
    """Labels are the anchor's, and the classifier is learnt on the augmented frames."""
    student = passes(True, backbone=len(seen) + len(augmented | n.read))
    student += n.classified('decode', gradient=True, called=True)
    anchor = passes(backbone=len(n.read | compared), decode=len(compared))
    return student.of('student') + (anchor + n.classified('decode')).of('anchor')


def sepico(n: Net) -> Passes:
    """The current frames of source, mix and target; of the source they are the contrast's too."""
    student = n.supervised() + n.scores('decode', gradient=True, called=True)
    student += passes(True, backbone=1)
    if 1 not in n.read:
        student += passes(True, backbone=1)
        if n.own:
            student += Passes({('backbone', 'forward'): -1})  # the same
    return student.of('student') + (passes(backbone=1) + n.labels()).of('teacher')


def clips(n: Net, gradient: bool = True) -> Passes:
    """Each frame of a clip, as the video up to it is segmented."""
    first = Net(n.config, frozenset({0}), n.key, dict(fusion=1) if n.key else {})
    frames = passes(gradient, backbone=len({0} | n.read) if n.join else 2)
    return frames + sum(
        (net.classified('decode', gradient=gradient, called=gradient) for net in (first, n)),
        Passes(),
    )


def dacs(n: Net, masked: bool = False, labelled: int = 1) -> Passes:
    """The source, the mix and, if that is learnt, masked clips; clips that the teacher labels."""
    student = n.supervised()
    for _ in range(1 + masked):
        student += n.scores('decode', gradient=True, called=True)
    teacher = sum((n.labels() for _ in range(labelled)), Passes())
    return student.of('student') + teacher.of('teacher')


def with_discriminator(n: Net) -> Passes:
    """Besides, both frames of the plain clips, of the source without gradient."""
    return dacs(n) + (clips(n, gradient=False) + clips(n)).of('student')


def daformer(n: Net, masked: bool = False) -> Passes:
    """Of the source the current frames have features, of both encoders."""
    found = dacs(n, masked) + passes(backbone=1).of('pretrained')
    if 1 not in n.read:
        found += passes(True, backbone=1).of('student')
        if n.own:
            found += Passes({('student', 'backbone', 'forward'): -1})  # the same
    return found


def hcl(n: Net) -> Passes:
    """The fused scores of three models; of two of them the current frame's level is contrasted."""
    seen = int(1 not in n.read)  # that frame is read for the contrast alone
    student = n.scores('decode', 'aux', gradient=True) + passes(backbone=seen)
    # Its gradient begins at that level, inside the backbone.
    student += Passes({('level', 'backward'): seen})
    labels = n.labels('decode', 'aux')
    teacher = labels + passes(backbone=seen)
    return student.of('student') + teacher.of('teacher') + labels.of('history')


def quadmix(n: Net, labeller: str) -> Passes:
    """Source, target, and both with patches; the target's pair of the current and first frame."""
    both = n.scores('decode', 'aux', gradient=True)
    # Of source and target the backward pass repeats the backbone's of the current frame.
    student = both + both + passes(backbone=2)
    # Mixes are joined at the size of the image.
    student += n.scores('decode', gradient=True) + n.scores('decode', gradient=True)
    student += passes(True, fusion=2 * (SIZE[0] * SIZE[1] // FEATURES - 1))
    student += n.scores('decode', gradient=True)
    return student.of('student') + n.labels('decode', 'aux').of(labeller)


def of_decode(parts: dict[str, int]) -> dict[str, int]:
    """Without auxiliary scores."""
    return {part: count for part, count in parts.items() if part != 'aux'}


def cmom(n: Net) -> Passes:
    """Source and mix, of which the classifier confirms the means of 8 and of 2 regions."""
    source = n.supervised() + passes(**of_decode(n.current))
    mix = n.supervised() + passes(**of_decode(n.shown))
    # What is aligned are features of the current frame.
    mix += Passes({('backbone', 'backward'): int(1 not in n.read)})
    return source + mix + passes(decode=10 / FEATURES)


def of_owners(needed: Passes) -> Passes:
    """Those of the student, if it is not said whose they are."""
    return needed if any(len(key) == 3 for key in needed) else needed.of('student')


def masked(needed: Callable[[Net], Passes]) -> Callable[[Net], Passes]:
    """The same, clips that a teacher labels, and masked ones that learn these labels."""

    def with_masked(n: Net) -> Passes:
        learnt = n.scores('decode', gradient=True, called=True)
        return of_owners(needed(n)) + learnt.of('student') + n.labels().of('teacher')

    return with_masked


#: Pixels of a frame's features.
FEATURES = SIZE[0] // 8 * (SIZE[1] // 8)
#: What a method needs: of its student, if nothing is said.
NEEDED: dict[str, Callable[[Net], Passes]] = {
    'source_only': lambda n: n.supervised(),
    'adabn': lambda n: passes(backbone=2),
    'self_training': lambda n: n.labels() + n.scores('decode', gradient=True, called=True),
    'self_training, fixed statistics': lambda n: n.scores('decode', gradient=True, called=True),
    'tent': lambda n: n.scores('decode', gradient=True),
    # The features of the current frame serve the decoders too.
    'ur': lambda n: n.scores('decode', gradient=True, called=True),
    # Labels of the target come with it.
    'ld': lambda n: n.scores('decode', gradient=True, called=True),
    'mrkld': lambda n: n.supervised() + n.scores('decode', gradient=True, called=True),
    'lrent': lambda n: n.supervised() + n.scores('decode', gradient=True, called=True),
    'ccm': lambda n: (
        n.scores('decode', gradient=True, called=True)
        + n.scores('decode', gradient=True, called=True)
    ),
    'hcl': hcl,
    'stpl': lambda n: stpl(n, {0, 1}, {0, 1}),
    # Batch norm trains: labels are predictions of its running statistics.
    'stpl_norm': lambda n: stpl(n, {0, 1}, {0, 1}) + passes(backbone=len(n.read)),
    'spatial': lambda n: stpl(n, {1}, {1}),
    'naive': lambda n: stpl(n, {0, 1}, {1}, compared=1),
    'temporal': lambda n: stpl(n, {0, 1}, set(), compared=1),
    'duplicate': lambda n: stpl(n, {1}, set()),
    'stpl_anchor': lambda n: anchored(n, {0, 1}, {0, 1}),
    'temporal_anchor': lambda n: anchored(n, {0, 1}, set(), frozenset({0})),
    'vat': lambda n: clips(n) + clips(n),
    'vst': clips,
    'i2vda': lambda n: passes(True, backbone=3, decode=3).of('student') + n.labels().of('proxy'),
    # The discriminators see the current frames.
    'advent': lambda n: n.supervised() + passes(**n.current) + SINGLE,
    'adaptsegnet': lambda n: n.supervised() + passes(**n.current) + SINGLE,
    # The attacked frames too, up to whose pixels the gate has its gradient.
    'rda': lambda n: (
        n.supervised() + passes(**n.current) + SINGLE + SINGLE + Passes({('image', 'backward'): 1})
    ),
    'rda_released': lambda n: n.supervised() + passes(**n.current) + SINGLE + SINGLE,
    'minent': lambda n: n.supervised() + n.scores('decode', 'aux', gradient=True),
    'minent_source_free': lambda n: n.scores('decode', 'aux', gradient=True),
    # The source in the colours of the target, and the target.
    'fda': lambda n: n.supervised() + n.scores('decode', gradient=True, called=True),
    'fda_sst': lambda n: n.supervised() + n.scores('decode', gradient=True, called=True),
    # Labels of plain clips; augmented, styled and mixed ones.
    'pixmatch': lambda n: (
        n.supervised()
        + n.labels('decode', 'aux')
        + sum((n.scores('decode', 'aux', gradient=True) for _ in '012'), Passes())
    ),
    'davsn': lambda n: (
        n.supervised() + passes(**n.shown) + SINGLE + passes(backbone=1, decode=1, aux=1)
    ),
    'davsn_source_free': lambda n: SINGLE + passes(backbone=1, decode=1, aux=1),
    'cmom': cmom,
    'tps': lambda n: (
        n.supervised() + n.labels('decode', 'aux') + n.scores('decode', 'aux', gradient=True)
    ),
    'tps_source_free': lambda n: (
        n.labels('decode', 'aux') + n.scores('decode', 'aux', gradient=True)
    ),
    # From the second step on the student labels, in another mode than it is learnt in.
    'quadmix': lambda n: quadmix(n, 'student'),
    'quadmix, labelled by a frozen net': lambda n: quadmix(n, 'labeller'),
    # Source, previous, current and augmented clips.
    'sfc': lambda n: (
        n.supervised() + sum((n.scores('decode', 'aux', gradient=True) for _ in '012'), Passes())
    ),
    'dacs': dacs,
    'dacs_masked': lambda n: dacs(n, masked=True),
    # The teacher labels the mirrored clip too; two views of single frames are distilled.
    'dacs_distilled': lambda n: (
        dacs(n, masked=True, labelled=2) + passes(True, backbone=2).of('student')
    ),
    # The teacher labels the clip without its last frame too, with the same key frame.
    'dacs_refined': lambda n: (
        dacs(n, labelled=2) + Passes({('teacher', 'backbone', 'forward'): -int(0 in n.read)})
    ),
    'dacs_discriminator': with_discriminator,
    'daformer': daformer,
    'mic': lambda n: daformer(n, masked=True),
    'sepico_dist': sepico,
    # The teacher has labelled the crop.
    'sepico_masked': lambda n: (
        sepico(n) + n.scores('decode', gradient=True, called=True).of('student')
    ),
    # The teacher labels the crop anew.
    'sepico_released': lambda n: sepico(n) + n.labels().of('teacher'),
}
TAUGHT = ('vat', 'i2vda', 'adaptsegnet', 'rda', 'minent', 'davsn')
NEEDED |= {f'{name}_masked': masked(NEEDED[name]) for name in TAUGHT}
#: Rows of the table that need the passes of another one.
ALIKE = dict(
    source_only=('source_only_dff', 'source_only_distortion_aware'),
    stpl=('stpl_add', 'stpl_concat', 'stpl_conv'),
    cmom=('cmom_released',),
    tent=('tent_released',),
    ld=('iast',),
    sepico_dist=('sepico_dist_full', 'sepico_proto', 'sepico_bank', 'sepico_fused'),
)
NEEDED |= {other: NEEDED[name] for name, others in ALIKE.items() for other in others}
#: Options of rows: of some not all passes would be of frames of one size.
OPTIONS: dict[str, dict[str, Any]] = {
    'self_training, fixed statistics': dict(norm_eval=True),
    'rda_released': dict(rescale=None),
    'pixmatch': dict(crop=None),
}
#: Hooks of rows where they are others than those of the table.
HOOKS = {'quadmix, labelled by a frozen net': (dict(type='StudentLabelsHook', start=2),)}
#: The nets on which a row is counted, where that is not all.
ONLY: dict[str, tuple[str, ...]] = {
    # They take no other net.
    'i2vda': ('per_frame',),
    'i2vda_masked': ('per_frame',),
    'ur': ('per_frame', 'accel'),
    'quadmix': ('accel',),
    'quadmix, labelled by a frozen net': ('accel',),
    # The net is what the row is for; on others it is source_only.
    'source_only_dff': ('dff',),
    'source_only_distortion_aware': ('distortion_aware',),
    # Their options change a loss or a part of the method, no pass of a net.
    **{row: ('accel',) for name in ('stpl', 'sepico_dist') for row in ALIKE[name]},
}
#: On two scales, and no video nets at all.
OF_THEIR_OWN = (
    'mic_hrda',
    'mic_accel_hrda',
    'mic_hrda_discriminator',
    'mic_accel_hrda_combined',
)
WITHOUT_NET = ('flow_pretraining', 'sfm_pretraining')


#: Frames of a clip that go through a backbone again, with the same weights and in the same mode, by
#: row and by whose backbone it is. Nothing else may.
REPEATED: dict[str, Callable[[Net], dict[str, int]]] = {
    # As released, previous and current clip have passes of their own, and running statistics move
    # with each: the current frame of one is Accel's key frame of the other.
    'sfc': lambda n: dict(student=n.key),
    # As released, the crop is labelled anew. In the test it is the image.
    'sepico_released': lambda n: dict(teacher=len(n.read)),
    # As released, the plain target is shown in another size. In the test it is the same.
    'rda_released': lambda n: dict(student=1),
    # As released, the video discriminator's pass of the source is one of its own, without gradient,
    # and moves running statistics.
    'dacs_discriminator': lambda n: dict(student=len(n.read)),
    'mic_hrda_discriminator': lambda n: dict(student=1),
    # Besides, in both domains the previous frame stands alone too, and is its own key frame, each
    # time with a detail of its own. Of contexts; details are drawn.
    'mic_accel_hrda_combined': lambda n: dict(student=2 + 2 + 2),
}
#: What is in no network that a config names: kernels of blurs, and products in losses.
NO_NETWORK = ('other', 'losses')
#: Passes of the discriminators by type of the method: frozen ones, for the student's loss, and
#: learnt ones. By default those of the target, and those of both domains. I2VDA shows two frames of
#: the target and one of the source, RDA the attacked target to frozen ones besides.
JUDGED = dict(I2VDA=(1, 1.5), RDA=(2, 2))


def alone(net: nn.Module, inputs: tuple, weights: bool, gradient: bool) -> Counter[str]:
    """FLOPs of a pass of a part by itself, by direction.

    Args:
        net: The part.
        inputs: Its inputs.
        weights: Whether its weights get a gradient.
        gradient: Whether its inputs do.
    """
    net.requires_grad_(weights)
    shown = tree_map(lambda x: x.detach().requires_grad_(gradient), inputs)
    with NetworkFlops({'all': net}) as counter:
        total = sum(maps.sum() for maps in tree_leaves(net(*shown)))
        if total.requires_grad:
            total.backward()
    flops = counter.found['all']
    return Counter(forward=flops.forward, backward=flops.backward)


def judgements(net: nn.Module, inputs: tuple, frozen: float, learnt: float) -> Counter[tuple]:
    """FLOPs of passes of discriminators: frozen ones for the gradient of inputs, and learnt ones.

    Args:
        net: The discriminators.
        inputs: Those of the first pass.
        frozen: Number of frozen passes.
        learnt: Number of learnt passes, whose inputs are detached.
    """
    found: Counter[tuple] = Counter()
    for fixed, count in ((True, frozen), (False, learnt)):
        for way, flops in alone(net, inputs, weights=not fixed, gradient=fixed).items():
            found['discriminator', 'rest', way] += count * flops
    return found


@dataclass(frozen=True)
class Part:
    """What a method needs of a part that no video net has.

    Attributes:
        inputs: Shapes of its inputs.
        count: Its passes.
        weights: Whether its weights get a gradient.
        gradient: Whether its inputs do.
    """

    inputs: tuple[tuple[int, ...], ...]
    count: int = 1
    weights: bool = True
    gradient: bool = True


#: Shapes (N, C, h, w) of the levels of current frames.
Levels = list[tuple[int, int, int, int]]
#: What STPL projects, queries and keys, by its contrast. The same queries serve two contrasts.
PROJECTED = {
    'spatio_temporal': 2,
    'spatial': 2,
    'temporal': 2,
    'spatial+temporal': 3,
    'duplicate': 1,
}


def confident_pixels(model: nn.Module, levels: Levels) -> int:
    """Pixels of a frame that STPL contrasts."""
    return max(1, math.floor(model.confident_ratio * math.prod(levels[-1][2:])))


def parts_of_stpl(model: nn.Module, levels: Levels, _: list[tuple]) -> dict[str, Part]:
    """Both views are fused (equation 2); of what is contrasted the confident pixels are projected.

    Both sides of the contrast get a gradient.
    """
    n, channels, h, w = levels[-1]
    found = {}
    if model.fusion is not None:
        found['fusion'] = Part(((n, 2, channels, h, w),), 2)
        channels = model.fusion.out_channels
    pixels = n, channels, confident_pixels(model, levels), 1
    return found | dict(projection=Part((pixels,), PROJECTED[model.contrast]))


def parts_of_sfc(model: nn.Module, levels: Levels, shown: list[tuple]) -> dict[str, Part]:
    """Each class that occurs in one of the frames (equation 5), of both classifiers' scores.

    SFM is frozen, and the gradient goes through it to the scores of both frames.
    """
    frames = region_pairs(shown), 3, *SIZE
    return {'sfm.flow_net': Part((frames, frames), weights=False)}


def region_pairs(shown: list[tuple]) -> int:
    """Pairs of a clip and a class that SFM carries, of what it was shown of both classifiers."""
    assert len(shown) == 2
    pairs = 0
    for _, _, *regions in shown:
        for current, previous in zip(*(maps.argmax(1) for maps in regions), strict=True):
            pairs += len({*current.unique().tolist(), *previous.unique().tolist()})
    return pairs


def parts_of_dacs(model: nn.Module, levels: Levels, _: list[tuple]) -> dict[str, Part]:
    """The last level of both domains, in tokens, and what a frozen network makes of the images."""
    if model.distillation is None:
        return {}
    n, channels, h, w = levels[-1]
    images = n, 3, *model.distillation.size
    return {
        'distillation.head': Part(((n, h * w, channels),), 2),
        'distillation.backbone': Part((images,), 2, weights=False, gradient=False),
    }


def contrasted(model: nn.Module, levels: Levels) -> tuple[int, int, int, int]:
    """Shape of the stages that SePiCo contrasts, joined at the size of the largest one."""
    stages = [levels[i] for i in model.contrast_stages]
    n, _, h, w = max(stages, key=lambda stage: stage[2:])
    return n, sum(channels for _, channels, _, _ in stages), h, w


#: Of methods by their type, from the model, the levels and what its SFM was shown.
OWN_PARTS: dict[str, Callable[[nn.Module, Levels, list[tuple]], dict[str, Part]]] = {
    'STPL': parts_of_stpl,
    'SFC': parts_of_sfc,
    'DACS': parts_of_dacs,
    # Source and target; statistics are those of the plain source, by the teacher.
    'SePiCo': lambda model, levels, _: dict(
        projection=Part((contrasted(model, levels),), 2),
        teacher_projection=Part((contrasted(model, levels),), weights=False, gradient=False),
    ),
    # Queries, and keys that get no gradient.
    'HCL': lambda model, levels, _: dict(
        projection=Part((levels[LEVEL],)),
        teacher_projection=Part((levels[LEVEL],), weights=False, gradient=False),
    ),
    # Each decoder sees the features of the current frame once, which get a gradient.
    'UR': lambda model, levels, _: {
        f'decoders.{i}': Part((levels[-1],)) for i in range(len(model.decoders))
    },
    # It chooses once, from amplitudes without a gradient.
    'RDA': lambda model, levels, _: (
        {}
        if model.gate is None
        else dict(gate=Part(((levels[0][0], model.bands, 3),), gradient=False))
    ),
}


def of_contrast(model: nn.Module, levels: Levels, _: list[tuple]) -> int:
    """Scores of all pairs of a clip, and the gradients of queries and of keys."""
    pairs = levels[0][0] * confident_pixels(model, levels) ** 2
    contrasts = 2 if model.contrast == 'spatial+temporal' else 1
    return contrasts * 3 * 2 * pairs * model.projection.out_channels


def of_gaussians(model: nn.Module, levels: Levels, _: list[tuple]) -> int | None:
    """Of each cell, by class: with the means and the variances, in both domains.

    The scores and their gradients take four, and the regulariser's gradient, which is the same for
    all cells, one. The statistics take three more: sums, distances from the means, and sums of
    their squares.
    """
    covariance = model.statistics.covariance
    if not isinstance(model.contrastive_loss, DistCLLoss) or covariance.dim() == 3:
        return None  # not written down
    n, _, h, w = contrasted(model, levels)
    return (2 * (4 + 1) + 3) * 2 * n * h * w * model.num_classes * model.projection.out_channels


def of_region_means(model: nn.Module, levels: Levels, _: list[tuple]) -> int:
    """Means of the classes' regions, in the source, and in the mix, of which there are gradients.

    A background class has one region, each foreground class as many as there are components.
    """
    alignment = model.alignment
    regions = len(alignment.classes_background)
    regions += len(alignment.classes_foreground) * alignment.components
    index = model.student.segmentor.decode_head.in_index
    seen = [levels[i] for i in (index if isinstance(index, list) else [index])]
    cells = max(math.prod(level[2:]) for level in seen)
    return (1 + 2) * 2 * levels[0][0] * regions * cells * model.student.feature_channels


#: FLOPs of products of matrices in losses and statistics, by type of the method, from the model,
#: the levels and what its SFM was shown. Others have none. Means of classes and of regions, sums of
#: bands and of flows are products with zeros and ones.
PRODUCTS: dict[str, Callable[[nn.Module, Levels, list[tuple]], int | None]] = {
    'STPL': of_contrast,
    'SePiCo': of_gaussians,
    # The bands' mean amplitude and change, what is exchanged, and its gradient.
    'RDA': lambda model, levels, _: (
        0 if model.gate is None else 4 * 2 * levels[0][0] * 3 * model.bands * math.prod(SIZE)
    ),
    # Class vectors of source, target and augmented target, and their gradients.
    'QuadMix': lambda model, levels, _: (
        2 * 3 * 2 * levels[-1][0] * math.prod(levels[-1][2:]) * NUM_CLASSES**2
    ),
    # Scores of all pairs of an image's cells, and the gradient of the queries.
    'HCL': lambda model, levels, _: (
        2 * 2 * levels[LEVEL][0] * math.prod(levels[LEVEL][2:]) ** 2 * model.projection.out_channels
    ),
    # The flows of a clip's classes, a quarter of the size, and their gradients.
    'SFC': lambda model, levels, shown: (
        2 * 2 * levels[0][0] * region_pairs(shown) * 2 * (SIZE[0] // 4) * (SIZE[1] // 4)
    ),
    'CMOM': of_region_means,
}


def blurred_frames(model: nn.Module, case: MethodCase) -> int:
    """Frames of each clip that get a Gaussian blur, if it is drawn for all: whole clips or, where
    no more is seen, current frames."""
    kind, length = case.model['type'], case.length

    def blurs(owner: object, name: str = 'augment') -> bool:
        return getattr(owner, name, None) is not None

    if kind == 'PixMatch':
        return length * blurs(model)
    # The mix, and what of source, target and masked clips is augmented by itself.
    clips = sum(blurs(model, name) for name in ('augment', 'source_augment', 'target_augment'))
    frames = length * (clips + blurs(getattr(model, 'masked', None)))
    frames += 2 * blurs(getattr(model, 'distillation', None))
    if kind == 'SePiCo':
        # The contrast of the target; the source like the mix.
        frames += (1 + length * model.augment_source) * blurs(model)
    return frames


def of_blurs(model: nn.Module, case: MethodCase) -> int:
    """FLOPs of blurs: of each pixel of three channels a column and a row of the kernel."""
    height, width = SIZE
    kernel = 2 * math.ceil(height / 20) - 1, 2 * math.ceil(width / 20) - 1
    pixels = 2 * case.clips * blurred_frames(model, case) * 3 * height * width
    return 2 * pixels * sum(kernel)


def parts_of(net: nn.Module) -> dict[str, nn.Module]:
    """Parts of a video net, or of a segmentor."""
    segmentor = getattr(net, 'segmentor', net)
    places = dict(
        backbone=(segmentor, 'backbone'),
        decode=(segmentor, 'decode_head'),
        aux=(segmentor, 'auxiliary_head'),
        attention=(segmentor, 'attention_head'),
        **{name: (net, name) for name in ('fusion', 'flow_net', 'distortion', 'correction')},
    )
    found = {name: getattr(owner, part, None) for name, (owner, part) in places.items()}
    return {name: part for name, part in found.items() if part is not None}


#: The level that HCL contrasts.
LEVEL = 2
#: By video net, size of the frame and what of the net is learnt.
FLOPS: dict[tuple, dict[tuple[str, str], int]] = {}


def flops_of_a_frame(net: nn.Module, size: tuple[int, int] = SIZE) -> dict[tuple[str, str], int]:
    """FLOPs of a pass of each part by itself, on a frame of one clip."""
    key = (str(net), size, *(p.requires_grad for p in net.parameters()))
    if key not in FLOPS:
        FLOPS[key] = counted_flops(net, size)
    return FLOPS[key]


def counted_flops(net: nn.Module, size: tuple[int, int]) -> dict[tuple[str, str], int]:
    parts = parts_of(net)
    image = torch.zeros(1, 3, *size)
    levels = [level.detach().requires_grad_() for level in parts['backbone'](image)]
    h, w = levels[-1].shape[-2:]
    inputs: dict[str, tuple] = dict(
        backbone=(image,),
        decode=(levels,),
        aux=(levels,),
        attention=(levels,),
        fusion=(torch.zeros(1, 2 * NUM_CLASSES, h, w, requires_grad=True),),
        flow_net=(image, image),
        distortion=(torch.zeros(1, 6, 2 * h, 2 * w),),
        correction=(image,),
    )
    found = {}
    for name, part in parts.items():
        with NetworkFlops({name: part}) as counter:
            out = part(*inputs[name])
            total = sum(maps.sum() for maps in ([out] if isinstance(out, Tensor) else out))
            if total.requires_grad:
                total.backward()
        found[name, 'forward'] = counter.found[name].forward
        found[name, 'backward'] = counter.found[name].backward
    with NetworkFlops(dict(backbone=parts['backbone'])) as counter:
        sum(maps.sum() for maps in parts['backbone'](image.requires_grad_())).backward()
    # What the gradient of the image takes besides.
    found['image', 'backward'] = counter.found['backbone'].backward - found['backbone', 'backward']
    with NetworkFlops(dict(backbone=parts['backbone'])) as counter:
        level = parts['backbone'](image.detach())[LEVEL].sum()
        if level.requires_grad:
            level.backward()
    found['level', 'backward'] = counter.found['backbone'].backward
    return found


@torch.no_grad()
def levels_of(model: nn.Module, clips: int) -> Levels:
    levels = model.student.segmentor.backbone(torch.zeros(clips, 3, *SIZE))
    return [tuple(level.shape) for level in levels]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def test_every_method_is_counted() -> None:
    counted = {method.partition(',')[0] for method in NEEDED}
    assert counted.isdisjoint({*OF_THEIR_OWN, *WITHOUT_NET})
    assert counted | {*OF_THEIR_OWN, *WITHOUT_NET} == CASES.keys()
    assert [name for name, case in CASES.items() if case.student is None] == [*WITHOUT_NET]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'net'),
    [(m, n) for m in NEEDED for n in ONLY.get(m, NETS)],
)
def test_passes_of_a_step(method: str, net: str) -> None:
    case = CASES[method.partition(',')[0]]
    case = replace(case, hooks=HOOKS.get(method, case.hooks))
    n = NETS[net]
    model = build_method(case, student=small_net(n.config), **OPTIONS.get(method, {}))
    repeated = REPEATED[method](n) if method in REPEATED else {}
    assert_passes(model, case, of_owners(NEEDED[method](n)), repeated=repeated)


#: Backbones whose last level has as many channels as that of the convolutional one.
TRANSFORMERS = dict(
    mit=dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 2, 4, 8],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        mlp_ratio=2,
        drop_path_rate=0.0,
    ),
    dinov2=dict(type='DINOv2', arch=(64, 4, 2), out_indices=(0, 1, 2, 3)),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'net', 'backbone'),
    [
        *((m, n, 'mit') for m in ('dacs', 'davsn', 'stpl') for n in ('per_frame', 'accel', 'dff')),
        *((m, 'accel', 'mit') for m in ('hcl', 'sepico_dist', 'tps')),
        ('hcl', 'dff', 'mit'),
        *((m, n, 'dinov2') for m in ('dacs', 'stpl') for n in ('per_frame', 'accel')),
    ],
)
def test_passes_of_a_step_of_transformers(method: str, net: str, backbone: str) -> None:
    """Linear layers and attention count too.

    MiT has layers that drop paths: STPL's labels are predictions without, by passes of their own.
    """
    # Both heads on one level, or the auxiliary scores of Accel would be joined at another size.
    head = dict(SEGMENTOR['auxiliary_head'], in_channels=64, in_index=3)
    segmentor = dict(SEGMENTOR, backbone=TRANSFORMERS[backbone], auxiliary_head=head)
    model = build_method(CASES[method], student=small_net(NETS[net].config, segmentor=segmentor))
    row = 'stpl_norm' if (method, backbone) == ('stpl', 'mit') else method
    assert_passes(model, CASES[method], of_owners(NEEDED[row](NETS[net])))


def test_passes_of_a_head_with_features_of_its_own() -> None:
    """What CMOM aligns is that of the supervised pass; means of regions are only classified."""
    segmentor = copy.deepcopy(SEGMENTOR)
    segmentor['decode_head'] = dict(
        type='SegformerHead',
        in_channels=[8, 16, 32, 64],
        in_index=[0, 1, 2, 3],
        channels=8,
        num_classes=NUM_CLASSES,
        norm_cfg=dict(type='BN'),
    )
    model = build_method(CASES['cmom'], student=small_net('PerFrame', segmentor=segmentor))
    means = 10 * 2 * 8 * NUM_CLASSES / flops_of_a_frame(model.student)['decode', 'forward']
    supervised = NETS['per_frame'].supervised()
    # The key frame of the mix, for the consensus.
    needed = supervised + supervised + passes(backbone=1, decode=1) + passes(decode=means)
    assert_passes(model, CASES['cmom'], needed.of('student'))


@pytest.mark.parametrize('net', NETS)
def test_passes_of_one_judged_level(net: str) -> None:
    """Without auxiliary scores that no discriminator sees."""
    n = NETS[net]
    judged = n.supervised() + passes(**of_decode(n.current)) + passes(True, backbone=1, decode=1)
    shown = n.supervised() + passes(**of_decode(n.shown))
    needed = dict(
        adaptsegnet=judged,
        # Of the target both levels are to be consistent over time.
        davsn=shown + SINGLE + passes(backbone=1, decode=1, aux=1),
    )
    for name, of_method in needed.items():
        model = build_method(
            CASES[name], student=small_net(n.config), auxiliary_adversarial_weight=None
        )
        assert_passes(model, CASES[name], of_method.of('student'))


class Repeats:
    """Frames that go through a backbone of a model again, where it does the same with them.

    Attributes:
        found: Their number by the first word of the backbone's name.
    """

    #: Layers that do one thing in training and another one in evaluation.
    OF_TWO_MODES = (_BatchNorm, _DropoutNd, DropPath)

    def __init__(self, model: nn.Module) -> None:
        self.found: Counter[str] = Counter()
        self._seen: set[tuple] = set()
        for name, module in model.named_modules():
            if name.endswith('.backbone'):
                module.register_forward_pre_hook(partial(self._note, name.partition('.')[0]))

    def _note(self, owner: str, backbone: nn.Module, inputs: tuple[Tensor]) -> None:
        frames = inputs[0].detach()
        if torch._C._current_autograd_node() is not None:
            return  # the backward pass computes it again
        if backbone.training and frames.shape[-2:] == HRDA['detail_size']:
            return  # boxes are drawn, of few places
        modal = [m for m in backbone.modules() if isinstance(m, self.OF_TWO_MODES)]
        modes = tuple(layer.training for layer in modal)
        together = any(m.training for m in modal if isinstance(m, _BatchNorm))
        # In training batch norm moves its buffers, and uses none.
        weights = [*backbone.parameters(), *(() if together else backbone.buffers())]
        state = id(backbone), modes, sum(tensor._version for tensor in weights)
        contents = sorted(frame.numpy().tobytes() for frame in frames)
        for part in [contents] if together else [[content] for content in contents]:
            key = (*state, *part)
            self.found[owner] += len(part) * (key in self._seen)
            self._seen.add(key)


def assert_passes(
    model: nn.Module,
    case: MethodCase,
    needed: Passes,
    size: tuple[int, int] = SIZE,
    repeated: Mapping[str, int] | None = None,
) -> None:
    """A step makes these passes of frames (h, w) of each clip, and no others.

    Args:
        model: The method.
        case: Its row.
        needed: The passes.
        size: (h, w).
        repeated: Frames of each clip that go through a backbone again, see :data:`REPEATED`.
    """
    for module in model.modules():
        if isinstance(module, StrongAugment):
            module.blur_prob = 1.0  # which blurs are drawn is not looked at
    run = Training(case, model, build_optimisers(model))
    run(training_batch(case))
    owners = {key[0] for key in needed}
    networks = {
        f'{name} rest': module for name, module in model.named_children() if [*module.parameters()]
    }
    networks |= {
        f'{owner} {part}': module
        for owner in owners
        for part, module in parts_of(getattr(model, owner)).items()
    }
    shown: list[tuple] = []
    if sfm := getattr(model, 'sfm', None):
        networks['sfm rest'] = sfm.flow_net
        sfm.register_forward_pre_hook(lambda _, inputs: shown.append(inputs))
    judge = getattr(model, 'discriminator', None)
    judge = getattr(judge, 'network', judge)  # of a VideoDiscriminator
    judged: list[tuple] = []
    if judge is not None:
        judge.register_forward_pre_hook(lambda _, inputs: judged.append(inputs))
    repeats = Repeats(model)
    with NetworkFlops(networks) as counter:
        run(training_batch(case, 1))
    clips_of_a_batch = 2 * case.clips
    again = {owner: frames / clips_of_a_batch for owner, frames in repeats.found.items() if frames}
    found = {
        (*name.split(), way): value
        for name, flops in counter.found.items()
        if name not in NO_NETWORK
        for way, value in (('forward', flops.forward), ('backward', flops.backward))
        if value
    }
    # Nothing is missed.
    assert counter.get_total_flops() == sum(f.forward + f.backward for f in counter.found.values())
    frame = {owner: flops_of_a_frame(getattr(model, owner), size) for owner in owners}
    expected: Counter[tuple] = Counter()
    for (owner, part, way), count in needed.items():
        own = 'backbone' if part in ('image', 'level') else part
        expected[owner, own, way] += clips_of_a_batch * count * frame[owner][part, way]
    if judge is not None:
        expected += judgements(judge, judged[0], *JUDGED.get(case.model['type'], (1, 2)))
    kind = case.model['type']
    levels = levels_of(model, clips_of_a_batch) if kind in {*OWN_PARTS, *PRODUCTS} else []
    if kind in OWN_PARTS:
        for name, part in OWN_PARTS[kind](model, levels, shown).items():
            inputs = tuple(map(torch.zeros, part.inputs))
            flops = alone(model.get_submodule(name), inputs, part.weights, part.gradient)
            for way, value in flops.items():
                expected[name.partition('.')[0], 'rest', way] += part.count * value
    other = counter.found['other']
    assert (other.forward, other.backward) == (of_blurs(model, case), 0), 'passes of copies'
    products = PRODUCTS[kind](model, levels, shown) if kind in PRODUCTS else 0
    if products is not None:
        losses = counter.found['losses']
        assert losses.forward + losses.backward == products, 'products in losses'
    expected = Counter({key: value for key, value in expected.items() if value})
    ratio = sum(found.values()) / sum(expected.values())
    assert found == pytest.approx(expected, rel=1e-9), f'{ratio:.2f} of what is needed'
    assert again == {owner: frames for owner, frames in (repeated or {}).items() if frames}


@pytest.mark.parametrize('net', OF_THEIR_OWN)
def test_passes_of_a_step_on_two_scales(net: str) -> None:
    """In units of the context, half of whose sides the frame has."""
    case = CASES[net]
    model = build_method(case)
    height, width = HRDA['detail_size']
    context = SIZE[0] // 2, SIZE[1] // 2
    detail = height * width / (context[0] * context[1])
    windows = (2 * SIZE[0] // height - 1) * (2 * SIZE[1] // width - 1)

    def scales(details: float, gradient: bool = False) -> Passes:
        both = 1 + details * detail
        return passes(gradient, backbone=both, decode=both, attention=1)

    learnt, seen, labelled = scales(1, gradient=True), scales(1), scales(windows)
    alone = learnt, seen, labelled  # a frame without one before it
    if 'accel' in net:
        # The key frame has a detail of its own, and no gradient. A frame alone is its own key, but
        # for the teacher, whose details cover the image, not in a second pass.
        levels = model.net.segmentor.backbone(torch.zeros(1, 3, *context))
        pixels = math.prod(levels[-1].shape[-2:])
        joined = FEATURES // pixels
        alone = (
            learnt + seen + passes(True, fusion=joined),
            seen + seen + passes(fusion=joined),
            labelled + passes(fusion=joined),
        )
        # Scores that are carried by truncation are fused at the size of the image.
        fused = math.prod(SIZE) // pixels
        learnt += seen + passes(True, fusion=fused)
        seen += seen + passes(fusion=fused)
        labelled += labelled + passes(fusion=fused)
    # Source, mix, masked.
    student = learnt + learnt + learnt
    if model.discriminator is not None:
        # Both frames of the target and of the source.
        student += learnt + alone[0] + seen + alone[1]
    if model.refinement is not None:
        # The frame before; joined with itself where it is the key frame.
        labelled += passes(fusion=joined) if 'accel' in net else alone[2]
    needed = student.of('student') + labelled.of('teacher')
    repeated = REPEATED[net](NETS['accel']) if net in REPEATED else {}
    assert_passes(model, case, needed + passes(backbone=1).of('pretrained'), context, repeated)


# -------------------------------------------------------------------------------- faults are found


def of_a_copy(model: nn.Module, frames: Tensor) -> None:
    copy.deepcopy(model.student)(frames)


def of_clones(model: nn.Module, frames: Tensor) -> None:
    weights = {name: p.clone() for name, p in model.student.named_parameters()}
    torch.func.functional_call(model.student, weights, (frames,))


def product_of_a_clone(model: nn.Module, frames: Tensor) -> None:
    weight = model.student.segmentor.backbone.conv1.weight.flatten(1).clone()
    F.linear(torch.zeros(1, weight.shape[1]), weight)


class FromTheSecondStep:
    def __init__(self) -> None:
        self.first = True

    def __call__(self, model: nn.Module, frames: Tensor) -> None:
        if not self.first:
            model.student(frames)
        self.first = False


def features(model: nn.Module, frames: Tensor) -> None:
    with torch.no_grad():
        model.student.levels(frames[:, -1])


def features_of_others(model: nn.Module, frames: Tensor) -> None:
    features(model, frames + 1)


@pytest.mark.parametrize(
    ('fault', 'more', 'message'),
    [
        (of_a_copy, Passes(), 'passes of copies'),
        (of_clones, Passes(), 'passes of copies'),
        (product_of_a_clone, Passes(), 'products in losses'),
        (FromTheSecondStep(), Passes(), 'of what is needed'),
        # Needed or not, the frames are those of the supervised loss.
        (features, passes(backbone=1), "{'student': 1.0}"),
        (features_of_others, passes(backbone=1), None),
    ],
)
def test_a_pass_too_many(
    fault: Callable[[nn.Module, Tensor], None], more: Passes, message: str | None
) -> None:
    case, n = CASES['source_only'], NETS['per_frame']
    model = build_method(case, student=small_net(n.config))
    losses = model.loss_groups

    def with_fault(batch: DomainBatch) -> Iterator[dict[str, Tensor]]:
        fault(model, batch.source.clip.frames)
        yield from losses(batch)

    model.loss_groups = with_fault
    found = nullcontext() if message is None else pytest.raises(AssertionError, match=message)
    with found:
        assert_passes(model, case, (n.supervised() + more).of('student'))


def test_the_same_frames_in_another_batch_mode_or_with_other_weights() -> None:
    """In training batch norm makes something else of another batch, in evaluation it does not."""
    model = build_method(CASES['source_only'], student=small_net('PerFrame'))
    backbone = model.student.segmentor.backbone
    a, b, c = torch.rand(3, 3, *SIZE)
    repeats = Repeats(model)

    def again(*frames: Tensor) -> int:
        before = repeats.found['student']
        with torch.no_grad():
            backbone(torch.stack(frames))
        return repeats.found['student'] - before

    assert (again(a, b), again(a, c), again(b, a)) == (0, 0, 2)
    backbone.eval()
    assert (again(a, b), again(a, c)) == (0, 1)
    with torch.no_grad():
        backbone.conv1.weight.mul_(2)
    assert again(a, b) == 0
    backbone.train()
    assert again(a, b) == 0


# --------------------------------------------------------------------------- the same as with more


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor | None]:
    model.zero_grad()
    loss.backward()
    return {
        name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
    }


@pytest.mark.parametrize('net', [name for name in NETS if name != 'per_frame'])
def test_frames_of_a_clip_as_if_each_had_passes_of_its_own(net: str) -> None:
    """Scores and gradients; each frame and the frames before it are a clip."""
    with double_precision():
        model = build_method(CASES['vst'], student=small_net(NETS[net].config))
        student = model.student
        frames, flow = torch.randn(2, 3, 3, *SIZE), torch.randn(2, 2, 2, *SIZE)
        flow = flow if student.needs_flow else None
        weights = torch.randn(2, 3, student.num_classes, *SIZE)
        scores = clip_scores(student, frames, True, flow)
        plain = torch.stack(
            [
                F.interpolate(
                    student(frames[:, : t + 1], None if flow is None or not t else flow[:, :t]),
                    SIZE,
                    mode='bilinear',
                    align_corners=True,
                )
                for t in range(3)
            ],
            dim=1,
        )
        torch.testing.assert_close(scores, plain)
        ours = gradients(model, (scores * weights).sum())
        theirs = gradients(model, (plain * weights).sum())
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize('net', NETS)
def test_self_training_as_if_labelled_by_a_pass_of_its_own(net: str) -> None:
    model = build_method(
        CASES['self_training'], student=small_net(NETS[net].config), norm_eval=True
    )
    data = model.data_preprocessor(training_batch(CASES['self_training']), True)
    clip = data['inputs']['target']
    flow = model.clip_flow(clip)
    labelling = frozen_forward(model.student, clip.frames, flow)
    positions, labels = most_confident(labelling, model.confident_ratio)
    logits = model.student(clip.frames, flow).flatten(2)
    kept = torch.stack([logits[n][:, positions[n]] for n in range(2)])
    theirs = gradients(model, F.cross_entropy(kept, labels))
    ours = gradients(model, model(**data, mode='loss')['loss_self_training'])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('net', NETS)
@pytest.mark.parametrize('method', ['spatial', 'duplicate', 'temporal_anchor'])
def test_stpl_as_if_labelled_by_passes_of_its_own(method: str, net: str) -> None:
    """The labels are those of a prediction; the anchor's loss that of all augmented frames."""
    with double_precision():
        model = build_method(CASES[method], student=small_net(NETS[net].config))
        clip = model.data_preprocessor(training_batch(CASES[method]), True)['inputs']['target']
        clip = clip._replace(**{k: v.double() for k, v in clip._asdict().items() if v is not None})
        flow = model.clip_flow(clip)
        z = model._features(clip.frames[:, -model._frames_seen() :])
        labelled, before = model._label(clip, flow, z)
        by = model.student if model.anchor is None else model.anchor
        scores = frozen_forward(by, clip.frames, flow)
        for ours, theirs in zip(labelled, model._confident(scores), strict=True):
            assert torch.equal(ours, theirs)
        if before is not None:
            single = by.classify(by.features(clip.frames[:, -2]))
            assert torch.equal(before.positions, model._confident(single).positions)
        if model.anchor is not None:
            seen = model._augmented_features(clip)
            every = model._features(clip.augmented)
            torch.testing.assert_close(
                model.anchor_loss(clip, flow, z, seen, labelled),
                model.anchor_loss(clip, flow, z, every, labelled),
            )


@pytest.mark.parametrize('net', NETS)
def test_detached_scores_are_the_same_without_a_graph(net: str) -> None:
    student = build_method(CASES['davsn'], student=small_net(NETS[net].config)).student
    frames, flow = torch.randn(2, 2, 3, *SIZE), torch.randn(2, 1, 2, *SIZE)
    flow = flow if student.needs_flow else None
    every = student(frames, flow, heads=True)
    shown = student(frames, flow, heads=True, detached=('current', 'key'))
    alone = student(frames, flow, heads=True, parts=('current', 'key'))
    for name, scores in every.items():
        for part in ('fused', 'current', 'key'):
            torch.testing.assert_close(getattr(shown[name], part), getattr(scores, part))
        torch.testing.assert_close(alone[name].current, scores.current)
        torch.testing.assert_close(alone[name].key, scores.key)
        assert shown[name].fused.requires_grad and alone[name].current.requires_grad
        assert not shown[name].current.requires_grad and not shown[name].key.requires_grad
        assert alone[name].fused is None or net == 'per_frame'
