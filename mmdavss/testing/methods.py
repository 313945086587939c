"""One small network, one factory and one batch for all tests of methods."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.runner import get_priority
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.methods import AdversarialAdapter, BaseAdapter

NUM_CLASSES = 4
SIZE = (32, 48)
PREPROCESSOR = dict(type='DomainDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3)
#: An EncoderDecoder of a few thousand parameters with an auxiliary head, stride 8.
SEGMENTOR = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=8,
        stem_channels=8,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN', requires_grad=True),
    ),
    decode_head=dict(
        type='DeepLabV2Head',
        in_channels=64,
        in_index=3,
        num_classes=NUM_CLASSES,
        dilations=(1, 2),
        align_corners=True,
        loss_decode=dict(type='BatchCrossEntropyLoss'),
    ),
    auxiliary_head=dict(
        type='DeepLabV2Head',
        in_channels=32,
        in_index=2,
        num_classes=NUM_CLASSES,
        dilations=(1, 2),
        align_corners=True,
        loss_decode=dict(type='BatchCrossEntropyLoss', loss_weight=0.1),
    ),
)


@dataclass(frozen=True, kw_only=True)
class MethodCase:
    """Describes a method with one set of options to :class:`MethodTests`.

    The defaults describe a method that learns from labelled source and unlabelled target clips of
    two frames with an Accel. Attributes that cannot be derived from the method have no default.

    Args:
        model: Config of the method, as in ``cfg.model``. Its ``student``, ``data_preprocessor``
            and ``source_checkpoint`` are replaced by small ones.
        trains: The parts of the model that get a gradient, and no others: ``fusion``,
            ``student.fusion``, ``student.segmentor.backbone``. See :func:`part_of`.
        idle: Parts whose parameters require a gradient but get none. The config of such a method
            sets ``find_unused_parameters``.
        student: Kind of the video net, or its config without ``segmentor``; None for methods that
            train no student.
        hooks: Configs of the hooks that the method needs in ``custom_hooks``. Whole numbers among
            their options count iterations. They see a runner with a model, its optimisers and the
            iteration, before training and before and after each iteration.
        domains: Domains that it trains on. ``('target',)`` is a source-free method.
        labelled: Domains whose labels it may use.
        length: Frames of its target clips.
        clips: Clips of each domain in each of two processes.
        flow: Where its flow comes from: ``provider`` (it calls ``model.flow`` for clips without
            flow), ``pipeline`` (the clips must have it) or None.
        statistics: Whether a step moves the student's running batch-norm statistics.
        norm_eval: Whether the method has the option of this name.
        halves: Options under which two accumulated halves of a batch train like the whole batch, or
            None if a loss depends on the whole batch.
        waits: Files in which a training step is known to wait for the device.
        exports: Whether the video net alone predicts what the method does.
        thorough: Whether the slow tests apply too. Not needed for rows that differ from another one
            only in options that do not affect these tests.
    """

    model: Mapping[str, Any]
    trains: Sequence[str]
    idle: Sequence[str] = ()
    student: str | Mapping[str, Any] | None = 'Accel'
    hooks: Sequence[Mapping[str, Any]] = ()
    domains: Sequence[str] = ('source', 'target')
    labelled: Sequence[str] = ('source',)
    length: int = 2
    clips: int = 1
    flow: str | None = 'provider'
    statistics: bool = True
    norm_eval: bool = True
    halves: Mapping[str, Any] | None = field(default_factory=dict)
    waits: Sequence[str] = ()
    exports: bool = True
    thorough: bool = True


def part_of(name: str) -> str:
    """The part of a model that a parameter belongs to, in :attr:`MethodCase.trains`.

    The first word of the name; for the student also the second, and for its segmentors the third.
    """
    words = name.split('.')
    depth = 1 if words[0] != 'student' else 3 if words[1].endswith('segmentor') else 2
    return '.'.join(words[:depth])


# ---------------------------------------------------------------------------------------- models


def small_net(kind: str | Mapping[str, Any] = 'Accel', **options: Any) -> dict:
    """Config of a small video net, which may start from random weights."""
    cfg = dict(type=kind) if isinstance(kind, str) else dict(kind)
    return copy.deepcopy(
        dict(segmentor=SEGMENTOR, allow_random_init=True) | cfg | options,
    )


def build_method(
    case: MethodCase, seed: int = 0, init_weights: bool = False, **options: Any
) -> BaseAdapter:
    """Builds the method of a case in training mode, with weights that give every part an effect.

    Args:
        case: The method.
        seed: Seed of the weights.
        init_weights: Whether its ``init_weights`` is called, which may need checkpoints.
        options: Options that override or extend those of the case, for example ``student``.
    """
    torch.manual_seed(seed)
    cfg = {key: value for key, value in case.model.items() if key != 'source_checkpoint'}
    cfg |= dict(data_preprocessor=PREPROCESSOR)
    if case.student is not None:
        cfg['student'] = small_net(case.student)
    model = MODELS.build(copy.deepcopy(cfg | options))
    if init_weights:
        model.init_weights()
    if 'source_checkpoint' not in options:
        enliven(model)
    if not init_weights:
        pretrain(model)
    return model.train()


def pretrain(model: BaseAdapter) -> None:
    """Gives the pretrained companions of a method the same weights always, as a file would."""
    generator = torch.Generator().manual_seed(0)
    for companion in getattr(model, 'companions', {}).values():  # flow networks have none
        if companion.kind == 'pretrained':
            for parameter in getattr(model, companion.name).parameters():
                if parameter.ndim > 1:
                    nn.init.kaiming_normal_(parameter, generator=generator)


def enliven(model: nn.Module) -> None:
    """Redraws weights whose initial values are too small, in all networks of a model.

    Initially, residual branches are zero, scores are so small that one bias decides, flow networks
    predict no flow, and an Accel joins no frames.
    """
    for name, module in model.named_modules():
        last = name.split('.')[-1]
        if isinstance(module, _BatchNorm) and module.affine:
            nn.init.ones_(module.weight)
        elif 'conv_seg.branches.' in name or last.startswith('predict_flow'):
            nn.init.normal_(module.weight, std=0.1)
        elif name == 'student.fusion':
            nn.init.normal_(module.weight, std=0.3)


# ---------------------------------------------------------------------------------------- batches


def make_clip(
    seed: int = 0,
    length: int = 2,
    size: tuple[int, int] = SIZE,
    augmented: bool = True,
    label: bool = True,
) -> tuple[dict, SegDataSample]:
    """Makes one clip in the format of PackClipInputs, with random content."""
    generator = torch.Generator().manual_seed(seed)

    def image() -> Tensor:
        return torch.randint(256, (length, 3, *size), dtype=torch.uint8, generator=generator)

    inputs = dict(frames=image(), flow=torch.randn(length - 1, 2, *size, generator=generator) * 2)
    if augmented:
        inputs['augmented'] = image()
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, img_path=f'{seed}.png'))
    if label:
        gt = torch.randint(NUM_CLASSES, (1, *size), generator=generator)
        gt[:, :3] = 255
        sample.gt_sem_seg = PixelData(data=gt)
    return inputs, sample


def make_batch(*domains: str, count: int = 2, seed: int = 0, **options: Any) -> dict:
    """Makes a collated batch of clips.

    Args:
        domains: Names of its domains; none for a batch without domains, as in testing.
        count: Clips of each domain.
        seed: Seed of the first clip.
        options: Passed to :func:`make_clip`.
    """

    def collate(first: int) -> tuple[dict, list[SegDataSample]]:
        clips = [make_clip(first + i, **options) for i in range(count)]
        return {key: [own[key] for own, _ in clips] for key in clips[0][0]}, [s for _, s in clips]

    if not domains:
        inputs, samples = collate(seed)
        return dict(inputs=inputs, data_samples=samples)
    made = {name: collate(seed + 100 * i) for i, name in enumerate(domains)}
    return dict(
        inputs={name: inputs for name, (inputs, _) in made.items()},
        data_samples={name: samples for name, (_, samples) in made.items()},
    )


def training_batch(
    case: MethodCase,
    step: int = 0,
    first: int = 0,
    count: int | None = None,
    even: bool = False,
    domains: Sequence[str] | None = None,
) -> dict:
    """Makes the batch of an iteration, or a part of it: frames, flow both ways, all labels.

    The labels are hard and soft ones. Source clips have patches of rare classes.

    Args:
        case: The method.
        step: The iteration.
        first: First clip of the part.
        count: Clips of the part, by default those of two processes.
        even: Whether all clips have all classes and the same number of labelled pixels. Otherwise
            they differ in their classes, and strongly in the number of labelled pixels.
        domains: Domains of the batch, by default the case's.
    """
    # The target's clips are the same whether or not there are source clips.
    count = 2 * case.clips if count is None else count
    data = make_batch('source', 'target', count=count, seed=10 * step + first, length=case.length)
    for domain, samples in data['data_samples'].items():
        inputs = data['inputs'][domain]
        inputs['forward_flow'] = [-flow for flow in inputs['flow']]
        for i, sample in enumerate(samples):
            generator = torch.Generator().manual_seed(100 * step + first + i)
            odd = (first + i) % 2
            labels = torch.randint(
                NUM_CLASSES if even else NUM_CLASSES - 1 + odd,
                (len(inputs['frames'][i]), *SIZE),
                generator=generator,
            )
            labels[:, : 4 if even else 4 + 20 * odd] = 255
            sample.gt_clip_seg = PixelData(data=labels)
            sample.gt_sem_seg = PixelData(data=labels[-1:])
            # Soft labels: two further classes and their shares.
            soft = torch.randint(NUM_CLASSES, (4, *SIZE), generator=generator)
            soft[2:] *= 20
            sample.gt_soft_seg = PixelData(data=soft.byte())
        if domain == 'source':
            _add_rare_patches(inputs, samples, step, first)
    wanted = case.domains if domains is None else domains
    return {
        key: {domain: own for domain, own in value.items() if domain in wanted}
        for key, value in data.items()
    }


def _add_rare_patches(
    inputs: dict, samples: Sequence[SegDataSample], step: int, first: int
) -> None:
    """Adds two patches to each clip, of the classes 1 and 2, in a few rows of the clip's frames."""
    inputs['rare'] = []
    for i, (frames, sample) in enumerate(zip(inputs['frames'], samples, strict=True), first):
        inputs['rare'].append(frames.flip(-1)[:2])
        labels = torch.full((2, *SIZE), 255)
        for k in range(2):
            labels[k, 8 * k + step : 8 * k + 10, 4 * (i % 2) : 30] = k + 1
        sample.gt_rare_seg = PixelData(data=labels)


# ---------------------------------------------------------------------------------------- training


def build_optimisers(
    model: BaseAdapter, lr: float = 1e-2, momentum: float = 0.0, **options: Any
) -> OptimWrapper | OptimWrapperDict:
    """Builds SGD for a method, or for each player of an adversarial one.

    Args:
        model: The method.
        lr: Learning rate.
        momentum: Momentum.
        options: Further options of the optimiser wrapper.
    """
    cfg = dict(options, optimizer=dict(type='SGD', lr=lr, momentum=momentum))
    plays = isinstance(model, BaseAdapter) and len(model.players) > 1
    if not plays and not isinstance(model, AdversarialAdapter):
        return build_optim_wrapper(model, cfg)
    return build_optim_wrapper(
        model,
        dict(constructor='PlayerOptimWrapperConstructor', **dict.fromkeys(model.players, cfg)),
    )


def optimisers_of(wrapper: OptimWrapper | OptimWrapperDict) -> dict[str, OptimWrapper]:
    """The wrapper of each player, or ``model`` for a method with one optimiser."""
    return dict(wrapper.items() if isinstance(wrapper, OptimWrapperDict) else [('model', wrapper)])


def separate(model: nn.Module) -> bool:
    """Whether a method overrides train_step, which a plain DDP wrapper would bypass: its players
    have one wrapper each."""
    owner = next(kind for kind in type(model).__mro__ if 'train_step' in vars(kind))
    return owner not in (BaseAdapter, BaseModel)


class Training:
    """Runs iterations of a method with its hooks, in the order in which a runner calls them.

    Args:
        case: The method.
        model: Its model.
        wrapper: Its optimisers.
        trainer: The model's DDP wrapper, or None.
        start: The first iteration.
    """

    def __init__(
        self,
        case: MethodCase,
        model: BaseAdapter,
        wrapper: OptimWrapper | OptimWrapperDict,
        trainer: nn.Module | None = None,
        start: int = 0,
    ) -> None:
        self.trainer: Any = model if trainer is None else trainer
        self.runner = SimpleNamespace(model=self.trainer, iter=start, optim_wrapper=wrapper)
        self.hooks = []
        for cfg in map(dict, case.hooks):
            priority = cfg.pop('priority', None)
            hook = HOOKS.build(cfg)
            if priority is not None:
                hook.priority = priority
            self.hooks.append(hook)
        self.hooks.sort(key=lambda hook: get_priority(hook.priority))
        for hook in self.hooks:
            hook.before_train(self.runner)

    def __call__(self, data: dict) -> dict[str, Tensor]:
        """Trains on a batch and returns the log."""
        iteration = self.runner.iter
        for hook in self.hooks:
            hook.before_train_iter(self.runner, iteration, data)
        log = self.trainer.train_step(data, self.runner.optim_wrapper)
        for hook in self.hooks:
            hook.after_train_iter(self.runner, iteration, data, log)
        self.runner.iter += 1
        return {key: value.detach() for key, value in log.items()}


def train(
    case: MethodCase,
    model: BaseAdapter,
    batches: Sequence[dict],
    trainer: nn.Module | None = None,
    **options: Any,
) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
    """Trains a method from iteration 0.

    Args:
        case: The method.
        model: Its model.
        batches: One batch for each iteration.
        trainer: The model's DDP wrapper, or None.
        options: Passed to :func:`build_optimisers`.

    Returns:
        The logs of all iterations, and the final state of the model.
    """
    run = Training(case, model, build_optimisers(model, **options), trainer)
    torch.manual_seed(1)
    logs = [run(data) for data in batches]
    return logs, {key: value.detach().clone() for key, value in model.state_dict().items()}
