"""Networks of mmflow, frozen or trained: the only module that imports mmflow.

mmflow 1.0.0rc0, its last release, refuses mmcv 2.1 and newer at import, and imports operators from
``mmcv.ops`` that exist only where mmcv was compiled. Its networks need neither. Only the
networks are used, not its warping and occlusion code (see ``mmdavss.ops`` for ours).
"""

from __future__ import annotations

import copy
import difflib
import functools
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmcv
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope, Registry
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdavss.ops import Correlation

from .base import BaseFlowProvider, PathPairs, load_flow_weights

# Any version that mmflow accepts.
ACCEPTED_MMCV = '2.0.1'


class _NoDeformConv2d(nn.Module):
    """Stands in for mmcv's compiled operator while mmflow is imported."""

    def __init__(self, *args, **kwargs) -> None:
        raise ImportError(
            'MaskFlowNet needs the operator DeformConv2d, but mmcv was built without '
            'compiled operators. Build mmcv with them, or choose another network.'
        )


@contextmanager
def _importable_mmflow() -> Iterator[None]:
    """Context manager: gives mmflow the mmcv that it expects, and restores everything after."""
    version = mmcv.__version__
    try:
        importlib.import_module('mmcv.ops')
        operators = None
    except ImportError:
        operators = types.ModuleType('mmcv.ops')
        vars(operators).update(Correlation=Correlation, DeformConv2d=_NoDeformConv2d)
        sys.modules['mmcv.ops'] = operators
    mmcv.__version__ = ACCEPTED_MMCV
    try:
        yield
    finally:
        mmcv.__version__ = version
        if operators is not None:
            del sys.modules['mmcv.ops']


def _mmflow_folder() -> Path:
    spec = importlib.util.find_spec('mmflow')
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            'MMFlowEstimator needs mmflow: pip install mmflow==1.0.0rc0, or use '
            'DISFlowEstimator, which needs no network.'
        )
    return Path(spec.submodule_search_locations[0])


@functools.cache
def _import_mmflow() -> tuple[Registry, type]:
    """mmflow's registry of networks and its data sample, imported on first use."""
    _mmflow_folder()
    with _importable_mmflow():
        importlib.import_module('mmflow.models')
        from mmflow.registry import MODELS as mmflow_models
        from mmflow.structures import FlowDataSample
    # mmcv's operator has no CPU version; ours uses mmcv's for CUDA tensors.
    mmflow_models.register_module(module=Correlation, force=True)
    return mmflow_models, FlowDataSample


def _model_config(config: str | ConfigType) -> dict:
    """The ``model`` dict of a config, given as path, mmflow name or dict."""
    if isinstance(config, Mapping):
        return copy.deepcopy(dict(config))
    path = Path(config)
    if not path.is_file():
        shipped = {
            p.stem: p
            for p in (_mmflow_folder() / '.mim/configs').rglob('*.py')
            if '_base_' not in p.parts
        }
        named = shipped.get(path.name.removesuffix('.py'))
        if named is None:
            near = difflib.get_close_matches(config, shipped, n=3, cutoff=0.3)
            raise FileNotFoundError(
                f'MMFlowEstimator: config={config!r} is neither a file nor a '
                f'config that mmflow ships. Similar ones: {near}.'
            )
        path = named
    return Config.fromfile(path).model.to_dict()


def _build(config: str | ConfigType) -> tuple[Any, bool, type]:
    """Builds a network of mmflow; also returns whether it is a RAFT, and the data sample class.

    The network is an ``nn.Module``; ``Any`` covers what mmflow, untyped, adds to it.
    """
    model = _model_config(config)
    if 'data_preprocessor' not in model:
        raise ValueError(
            'The mmflow model has no `data_preprocessor`, so its normalisation is unknown. '
            'Copy it from its mmflow config.'
        )
    models, sample_type = _import_mmflow()
    # mmflow's networks build their parts by names without prefix.
    with DefaultScope.overwrite_default_scope('mmflow'):
        network = models.build(model)
    return network, model['type'].endswith('RAFT'), sample_type


class _Padding:
    """Padding of frames to a multiple of a number, and at least to a minimum."""

    def __init__(self, divisor: int | None, raft: bool) -> None:
        self.divisor = divisor or (8 if raft else 64)
        # Four levels of correlation on features of stride 8.
        self.min_size = 64 if raft else 0

    def border(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Pixels to add left, right, above and below."""
        missing_h, missing_w = (
            max(-(-n // self.divisor) * self.divisor, self.min_size) - n for n in (height, width)
        )
        top, left = missing_h // 2, missing_w // 2
        return left, missing_w - left, top, missing_h - top


def _unpad(maps: Tensor, border: tuple[int, int, int, int]) -> Tensor:
    left, right, top, bottom = border
    height, width = maps.shape[-2:]
    return maps[..., top : height - bottom, left : width - right]


@MODELS.register_module()
class MMFlowEstimator(BaseFlowProvider):
    """Frozen network of mmflow: RAFT, GMA, FlowNet2, PWC-Net, LiteFlowNet, FlowNetS, ...

    Frames are passed to the network as its config says (colour order and normalisation of its data
    preprocessor), padded with their border pixels to a multiple of ``size_divisor``, and the flow
    is cropped back. (mmflow's own test pipelines pad for RAFT and resize to the multiple for
    the others.)

    Args:
        config: mmflow config: a path, the name of a config that mmflow ships, such as
            ``raft_8xb2_100k_mixed-368x768``, or a ``model`` dict.
        checkpoint: Path or URL of the weights.
        size_divisor: Multiple that height and width are padded to. None means 8 for RAFT and GMA
            and 64 for all others.
        allow_random_init: Whether to allow a network without checkpoint (for tests).

    Raises:
        ImportError: If mmflow is not installed.
        FileNotFoundError: If there is no such config or checkpoint.
        ValueError: If there is no checkpoint, or if it does not fit the config.
    """

    def __init__(
        self,
        config: str | ConfigType,
        checkpoint: str | None = None,
        size_divisor: int | None = None,
        allow_random_init: bool = False,
    ) -> None:
        super().__init__()
        if checkpoint is None and not allow_random_init:
            raise ValueError(
                'MMFlowEstimator: `checkpoint` is missing, and a flow network with random weights '
                'is useless. Set it (mmflow lists the files in configs/*/metafile.yml), or use '
                'DISFlowEstimator, which needs none; tests may set allow_random_init=True.'
            )
        network, raft, self._sample_type = _build(config)
        if checkpoint is not None:
            load_flow_weights(network, checkpoint)
        self.hold(network)
        self.padding = _Padding(size_divisor, raft)

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        border = self.padding.border(*frame_a.shape[-2:])
        # mmflow reads images as BGR, values 0 to 255.
        pairs = torch.stack(
            [
                F.pad(frames.flip(1) * 255, border, mode='replicate')
                for frames in (frame_a, frame_b)
            ],
            dim=1,
        )
        # One pair at a time: mmflow's decoders return only the first flow of a batch.
        flow = torch.stack([self._predict(pair) for pair in pairs])
        return _unpad(flow, border).contiguous().to(frame_a.device)

    def _predict(self, pair: Tensor) -> Tensor:
        """Flow (2, H, W) of a pair (2, 3, H, W), BGR, values 0 to 255."""
        network: Any = self._networks[0]
        shape = tuple(pair.shape[-2:])
        sample = self._sample_type(metainfo=dict(img_shape=shape, ori_shape=shape))
        # It moves data to a device of its own, which only its own `to` sets, not that of an owner.
        preprocessor = network.data_preprocessor.to(next(network.parameters()).device)
        data = preprocessor(dict(inputs=[pair], data_samples=[sample]))
        (sample,) = network.predict(data['inputs'], data['data_samples'])
        return sample.pred_flow_fw.data


@MODELS.register_module()
class MMFlowNet(BaseModule):
    """A network of mmflow (RAFT, FlowNetS, PWC-Net) that is trained as a part of a video net.

    Trainable counterpart of :class:`MMFlowEstimator`: one pass per batch, with gradient, and with
    parameters that are optimised and saved. ``net(current, previous) -> flow current->previous``.
    Batch-norm statistics (in RAFT's context encoder) stay unchanged, and autocast is off, as in
    the provider.

    Args:
        config: Same as in :class:`MMFlowEstimator`.
        checkpoint: Weights to start from, read by :meth:`init_weights`: mmflow's, or a checkpoint
            of a method whose video net has such a flow branch. None starts with random weights.
        size_divisor: Same as in :class:`MMFlowEstimator`.

    Raises:
        ImportError: If mmflow is not installed.
        FileNotFoundError: If there is no such config or checkpoint.
        ValueError: If the checkpoint does not fit the config.
        TypeError: If the form of the network's outputs is unknown.
    """

    def __init__(
        self,
        config: str | ConfigType,
        checkpoint: str | None = None,
        size_divisor: int | None = None,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.network, raft, _ = _build(config)
        self.padding = _Padding(size_divisor, raft)

    def init_weights(self) -> None:
        super().init_weights()
        if self.checkpoint is not None:
            load_flow_weights(self.network, self.checkpoint)

    def train(self, mode: bool = True) -> MMFlowNet:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        """Optical flow.

        Args:
            current: (N, 3, H, W), RGB, values 0 to 1.
            previous: (N, 3, H, W), RGB, values 0 to 1.

        Returns:
            (N, 2, H, W), flow current->previous in pixels.
        """
        border = self.padding.border(*current.shape[-2:])
        given = self.network.data_preprocessor
        frames = [F.pad(frame * 255, border, mode='replicate') for frame in (current, previous)]
        if not given.channel_conversion:
            frames = [frame.flip(1) for frame in frames]  # mmflow reads images as BGR
        inputs = torch.cat([(frame - given.mean) / given.std for frame in frames], dim=1)
        with torch.autocast(inputs.device.type, enabled=False):
            flows = self.network._forward(inputs.float())
        if isinstance(flows, list):
            flow = flows[-1]  # RAFT: one flow per iteration, at full size
        elif isinstance(flows, dict):
            finest = max(flows.values(), key=lambda f: f.shape[-1])
            flow = self.network.decoder.flow_div * F.interpolate(
                finest, size=frames[0].shape[-2:], mode='bilinear', align_corners=False
            )
        else:
            raise TypeError(
                f'MMFlowNet: {type(self.network).__name__} returns '
                f'{type(flows).__name__}; RAFT, FlowNetS and PWCNet are known to work.'
            )
        return _unpad(flow, border)
