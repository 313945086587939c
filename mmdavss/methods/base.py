"""What all methods share."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from mmengine.runner.checkpoint import _load_checkpoint
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import ConfigType, OptConfigType, OptSampleList, SampleList
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.engine import Clip, unwrapped
from mmdavss.video_nets import VideoNet


class BaseAdapter(BaseSegmentor):
    """A method: owns the video net ``student`` and what is needed only to train it.

    Prediction goes straight to the student, so that testing an adapted model is testing the
    plain net. Subclasses implement :meth:`loss`.

    Args:
        student: Config of the video net.
        flow: Config of the flow provider, for clips that come without flow. None where the
            pipeline loads it or the net needs none.
        source_checkpoint: Checkpoint that the student starts from: of any method of this package,
            or of a plain mmseg segmentor. Its class count has to fit.
        norm_eval: Whether the student's batch-norm statistics stay as they are in training.
        train_norm_only: Whether of the student only the affine parameters of its batch-norm layers
            are trained, which keeps an adaptation without labels near its source model.
        data_preprocessor: Config, a :class:`DomainDataPreprocessor`.
    """

    def __init__(self,
                 student: ConfigType,
                 flow: OptConfigType = None,
                 source_checkpoint: str | None = None,
                 norm_eval: bool = False,
                 train_norm_only: bool = False,
                 data_preprocessor: OptConfigType = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.student = MODELS.build(student)
        self.flow = None if flow is None else MODELS.build(flow)
        self.source_checkpoint = source_checkpoint
        self.norm_eval = norm_eval
        if train_norm_only:
            self.student.requires_grad_(False)
            for norm in norm_layers(self.student):
                norm.requires_grad_(True)

    @property
    def net(self) -> VideoNet:
        """The student itself, where MMSeparateDistributedDataParallel has wrapped it."""
        return unwrapped(self.student)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.net.num_classes

    @property
    def out_channels(self) -> int:
        """Channels of the score maps, as mmseg calls them."""
        return self.net.num_classes

    @property
    def align_corners(self) -> bool:
        """How score maps are resized."""
        return self.net.align_corners

    # ------------------------------------------------------------------ weights

    def init_weights(self) -> None:
        """Initialises the student, from :attr:`source_checkpoint` where one is set.

        Raises:
            FileNotFoundError: If that file does not exist.
            ValueError: If nothing pretrained is configured and random weights are not allowed,
                or if the checkpoint does not fit.
        """
        super().init_weights()
        if self.source_checkpoint is not None:
            load_student(self.net, self.source_checkpoint)
        elif not self.net.allow_random_init and not _has_pretrained(self.net):
            raise ValueError(
                f'{type(self).__name__} would start from random weights. Set '
                '`model.source_checkpoint` to a trained model or `init_cfg=dict(type="Pretrained", '
                'checkpoint=...)` in the backbone, or say `allow_random_init=True` in '
                '`model.student`.')

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # mmengine reports tensors of another shape in a warning and goes on with random ones.
        own = {prefix + name: value for name, value in self.state_dict().items()}
        _check_shapes(own, state_dict, 'The checkpoint')
        super()._load_from_state_dict(state_dict, prefix, *args)

    def train(self, mode: bool = True) -> BaseAdapter:
        super().train(mode)
        if mode and self.norm_eval:
            for norm in norm_layers(self.student):
                norm.eval()
        return self

    # --------------------------------------------------------------- prediction

    def clip_flow(self, clip: Clip) -> Tensor | None:
        """Flow of a clip: the one it came with, or else that of the provider.

        Returns:
            (N, T-1, 2, H, W), ``[:, k]`` from frame k+1 to frame k, or None if the net needs none.
        """
        if clip.flow is not None or self.flow is None or not self._needs_flow():
            return clip.flow
        later, earlier = clip.raw[:, 1:], clip.raw[:, :-1]
        if later.shape[1] == 0:
            return None
        flow = self.flow(later.flatten(0, 1), earlier.flatten(0, 1))
        return flow.unflatten(0, later.shape[:2])

    def _needs_flow(self) -> bool:
        return self.net.needs_flow

    def _see_single_frames(self) -> None:
        """For methods that take scores of single frames only, without an auxiliary classifier.

        Raises:
            ValueError: If the student is no net for single frames.
        """
        if self.student.needs_flow:
            raise ValueError(f'{type(self).__name__}: the student predicts frame by frame and '
                             f'cannot be {type(self.student).__name__}; use PerFrame.')
        self.student.freeze_auxiliary()

    def extract_feat(self, inputs: Clip) -> Tensor:
        """Features (N, C, h, w) of the current frame."""
        return self.net.features(inputs.frames[:, -1])

    def encode_decode(self, inputs: Clip, data_samples: OptSampleList = None) -> Tensor:
        """Scores (N, K, h, w) of the current frame, at the resolution of the net."""
        return self.net(inputs.frames, self.clip_flow(inputs))

    _forward = encode_decode

    def predict(self, inputs: Clip, data_samples: OptSampleList = None) -> SampleList:
        """Predicted maps of the current frame, at the original size of the image.

        Args:
            inputs: Batch of clips.
            data_samples: Samples with the meta information, updated in place; None predicts at
                the size of `inputs`.
        """
        logits = self.encode_decode(inputs)
        padded = data_samples is not None and any(
            any(s.metainfo.get('img_padding_size', (0, ))) for s in data_samples)
        if padded or data_samples is None:
            # Otherwise scores go to the original size in one step, as the papers evaluate.
            logits = resize(logits, inputs.frames.shape[-2:], mode='bilinear',
                            align_corners=self.align_corners)
        return self.postprocess_result(logits, data_samples)


def branch(inputs: Clip | Mapping[str, Clip], samples: list | Mapping[str, list],
           name: str) -> tuple[Clip, SampleList]:
    """One domain's clips and samples of a training batch.

    Raises:
        KeyError: If the batch does not hold that domain.
    """
    if isinstance(inputs, Clip):
        return inputs, samples
    if name not in inputs:
        raise KeyError(
            f'The batch has no {name} clips, only {sorted(inputs)}: set '
            f'`train_dataloader.dataset.{name}` of the DomainPairDataset.')
    return inputs[name], samples[name]


def norm_layers(net: nn.Module) -> list[_BatchNorm]:
    """All batch-norm layers of a net."""
    return [module for module in net.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def unmoved_statistics(net: nn.Module) -> Iterator[None]:
    """Inside, passes in training mode use batch statistics and leave the running ones alone."""
    momenta = {norm: norm.momentum for norm in norm_layers(net)}
    for norm in momenta:
        norm.momentum = 0.
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum


def moving_statistics(net: nn.Module, moving: bool) -> AbstractContextManager[None]:
    """Around passes in training mode: whether they move the running statistics."""
    return nullcontext() if moving else unmoved_statistics(net)


def load_student(student: nn.Module, path: str) -> None:
    """Loads a video net's weights from a checkpoint of a method or of a plain mmseg segmentor.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If weights are missing or have other shapes.
    """
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(
            f'source_checkpoint {path!r} does not exist. Train the source model first (its config '
            'is in configs/source_only), or point `model.source_checkpoint` to its checkpoint.')
    checkpoint = _load_checkpoint(path, map_location='cpu', logger='silent')
    state = checkpoint.get('state_dict', checkpoint)
    if any(name.startswith('student.') for name in state):
        state = {n.removeprefix('student.'): v for n, v in state.items()
                 if n.startswith('student.')}
        missing = sorted(student.state_dict().keys() - state.keys())
    else:
        # A plain segmentor knows nothing of what a video net puts around it.
        state = {f'segmentor.{n}': v for n, v in state.items()}
        missing = sorted(n for n in student.state_dict().keys() - state.keys()
                         if n.startswith('segmentor.'))
    if missing:
        raise ValueError(
            f'{path} lacks {len(missing)} tensors of {type(student).__name__}, for example '
            f'{missing[0]!r}: is it a checkpoint of another network?')
    _check_shapes(student.state_dict(), state, path)
    student.load_state_dict(state, strict=False)


def _check_shapes(own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], origin: str) -> None:
    for name, value in own.items():
        if name not in loaded or loaded[name].shape == value.shape:
            continue
        hint = 'the network differs (depth, width or kind)'
        if 'conv_seg' in name or name.endswith('fusion.weight'):
            hint = (f'it has {loaded[name].shape[0]} classes and the config '
                    f'{value.shape[0]}: set num_classes and the data set accordingly')
        raise ValueError(
            f'{origin} does not fit: {name!r} has the shape {tuple(loaded[name].shape)}, the model '
            f'needs {tuple(value.shape)}; {hint}.')


def _has_pretrained(net: nn.Module) -> bool:
    configs = (getattr(module, 'init_cfg', None) for module in net.modules())
    return any(isinstance(c, Mapping) and c.get('type') == 'Pretrained' for c in configs)


def frozen_forward(net: nn.Module, *args: Tensor | None) -> Tensor:
    """`net(*args)` without gradient, in evaluation mode, modes restored afterwards.

    A pass in training mode moves batch-norm statistics, even without gradient.
    """
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            return net(*args)
    finally:
        for module, mode in modes.items():
            module.training = mode
