"""Turns packed clips into batches for video nets and methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import stack_batch
from torch import Tensor

from mmdavss.structures import Clip

BRANCHES = ('source', 'target')


@MODELS.register_module()
class DomainDataPreprocessor(SegDataPreProcessor):
    """Moves, normalises, pads and stacks clips, one domain branch at a time.

    Accepts the output of ``PackClipInputs`` after ``pseudo_collate``, with or without the keys
    ``source`` and ``target`` of :class:`DomainPairDataset`, and also plain mmseg images (a list of
    (3, H, W) tensors, treated as clips of one frame). Takes the arguments of
    :class:`mmseg.SegDataPreProcessor`; input images are BGR, values 0 to 255.

    Returns (``forward``): ``dict(inputs=..., data_samples=...)`` where ``inputs`` is a
    :class:`Clip`, or a dict from branch name to :class:`Clip` for domain pairs. Raises KeyError if
    the batch was not packed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # The copy of a batch does not wait for the steps before it.
        self._non_blocking = True

    def forward(self, data: dict, training: bool = False) -> dict:
        if 'inputs' not in data:
            raise KeyError(
                'The batch has no "inputs": the pipeline of its data set must end with '
                'PackClipInputs.'
            )
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data.get('data_samples')
        if not (isinstance(inputs, Mapping) and set(inputs) <= set(BRANCHES)):
            clip, samples = self._batch(inputs, samples, training)
            return dict(inputs=clip, data_samples=samples)
        batches = {name: self._batch(inputs[name], samples[name], training) for name in inputs}
        return dict(
            inputs={name: clip for name, (clip, _) in batches.items()},
            data_samples={name: s for name, (_, s) in batches.items()},
        )

    def normalise(self, raw: Tensor) -> Tensor:
        """Converts images (..., 3, H, W) from ``Clip.raw`` (RGB in [0, 1]) to ``Clip.frames``."""
        return self._normalise(raw.flip(-3) * 255)

    def _normalise(self, frames: Tensor) -> Tensor:
        """Converts (..., 3, H, W) BGR, 0 to 255, to the network's channel order and scale."""
        if self._channel_conversion:
            frames = frames.flip(-3)  # of bytes, a quarter of what it would move of floats
        frames = frames.float()
        return (frames - self.mean).div_(self.std) if self._enable_normalize else frames

    def _batch(
        self, inputs: Mapping | list, samples: list[SegDataSample] | None, training: bool
    ) -> tuple[Clip, list[SegDataSample] | None]:
        if not isinstance(inputs, Mapping):
            inputs = dict(frames=[image[None] for image in inputs])
        frames = [self._normalise(f) for f in inputs['frames']]
        raw = [f.flip(1).float().div_(255) for f in inputs['frames']]
        augmented = (
            [self._normalise(f) for f in inputs['augmented']] if 'augmented' in inputs else None
        )

        padding = self._padding(training)
        if padding is None:
            sizes = {tuple(f.shape[-2:]) for f in frames}
            if len(sizes) > 1:
                raise ValueError(
                    f'The frames of one batch have the sizes {sorted(sizes)}: give them one size '
                    'in the pipeline (ClipResize without keep_ratio, or ClipCrop), or set '
                    '`size` or `size_divisor` of the data preprocessor to pad them.'
                )
        pad_frames = _stacker(padding, self.pad_val)
        pad_flow = _stacker(padding, 0.0)
        batch, padded = pad_frames(frames, samples, self.seg_pad_val, training)
        if padded is not None and samples is not None:
            if training:
                self._pad_labels(samples, batch.shape[-2:])
            else:
                for sample, info in zip(samples, padded, strict=True):
                    sample.set_metainfo(info)
        flows = {
            key: pad_flow(list(inputs[key]))[0] for key in ('flow', 'forward_flow') if key in inputs
        }
        clip = Clip(
            frames=batch,
            raw=pad_flow(raw)[0],
            augmented=None if augmented is None else pad_frames(augmented)[0],
            valid=(
                pad_flow([valid.float() for valid in inputs['valid']])[0][:, 0, 0]
                if 'valid' in inputs
                else None
            ),
            # Of a size of their own, not padded.
            rare=(
                torch.stack([self._normalise(f) for f in inputs['rare']])
                if 'rare' in inputs
                else None
            ),
            **flows,
        )
        return clip, samples

    def _pad_labels(self, samples: list[SegDataSample], size: Sequence[int]) -> None:
        """Pads the labels that mmseg does not know to `size`, in place."""
        for sample in samples:
            for key, value in (('gt_clip_seg', self.seg_pad_val), ('gt_soft_seg', 0)):
                if key in sample:
                    labels = sample.get(key).data
                    height, width = labels.shape[-2:]
                    margins = (0, size[1] - width, 0, size[0] - height)
                    sample.set_data({key: PixelData(data=F.pad(labels, margins, value=value))})

    def _padding(self, training: bool) -> dict | None:
        """The ``size`` or ``size_divisor`` in force, or None for no padding."""
        if training:
            cfg = dict(size=self.size, size_divisor=self.size_divisor)
        else:
            cfg = self.test_cfg or {}
        cfg = {k: v for k, v in cfg.items() if k in ('size', 'size_divisor') and v is not None}
        return cfg or None


def _stacker(padding: dict | None, value: float):
    """Makes a function that stacks (T, C, H, W) tensors to (N, T, C, H, W), padded if asked."""

    def stack(
        tensors: list[Tensor],
        samples: list[SegDataSample] | None = None,
        seg_pad_val: int = 255,
        training: bool = False,
    ) -> tuple[Tensor, list | None]:
        if padding is None:
            return tensors[0][None] if len(tensors) == 1 else torch.stack(tensors), None
        length, channels = tensors[0].shape[:2]
        # mmseg's stack_batch pads images (C, H, W): frames are folded into the channels.
        batch, padded = stack_batch(
            [t.flatten(0, 1) for t in tensors],
            samples if training else None,
            pad_val=value,
            seg_pad_val=seg_pad_val,
            **padding,
        )
        return batch.unflatten(1, (length, channels)), padded

    return stack
