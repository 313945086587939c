"""Optical flow, loaded or computed along with a clip."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import MODELS, TRANSFORMS


@TRANSFORMS.register_module()
class LoadFlow(BaseTransform):
    """Loads the flow of a clip, from each frame to its predecessor.

    Required keys: ``imgs``, ``frame_paths``.
    Added keys: ``flows``: list of T-1 arrays (H, W, 2), float32, in pixels of ``imgs``;
    ``flows[k]`` goes from frame k+1 to frame k. With `both_ways` also ``forward_flows``, where
    ``forward_flows[k]`` goes from frame k to frame k+1.

    Flow is computed at the current size of the frames: place this transform usually after
    :class:`ClipResize` and always before :class:`ClipCrop`, :class:`ClipFlip` and
    :class:`ClipPad`, which change the flow along with the frames (flow files belong to whole
    frames). A frame that is repeated at the start of a sequence has zero flow to itself.

    Args:
        provider: Config of a flow provider, for example ``dict(type='DISFlowEstimator')`` or
            ``dict(type='PrecomputedFlow', ...)``. It runs in the data loader's processes,
            on the CPU.
        cache_dir: Folder for computed flow (:class:`CachedFlow`), or None.
        cache_limit: Size of the folder in GiB from which on nothing more is stored, or None.
        both_ways: Whether to add flow forward in time.

    Raises:
        ValueError: If frames were already cropped, padded or flipped, or the flow does not fit
            them; if flow both ways is to come from files that are named by one frame.
    """

    def __init__(
        self,
        provider: dict,
        cache_dir: str | None = None,
        both_ways: bool = False,
        cache_limit: float | None = None,
    ) -> None:
        if cache_dir is not None:
            provider = dict(
                type='CachedFlow', provider=provider, cache_dir=cache_dir, limit=cache_limit
            )
        self.provider_cfg = provider
        self.provider = MODELS.build(provider)
        if both_ways:
            self.provider.check_both_ways()
        self.both_ways = both_ways

    def transform(self, results: dict) -> dict:
        done = [key for key in ('crop_bbox', 'pad_shape', 'flip') if key in results]
        if done:
            raise ValueError(
                'LoadFlow must come before ClipCrop, ClipFlip and ClipPad in the pipeline, '
                f'which have already set {done}.'
            )
        frames = list(zip(results['imgs'], results['frame_paths'], strict=True))
        pairs = list(pairwise(frames))
        results['flows'] = [self._flow(*later, *earlier) for earlier, later in pairs]
        if self.both_ways:
            results['forward_flows'] = [self._flow(*earlier, *later) for earlier, later in pairs]
        return results

    def _flow(self, img_a: np.ndarray, path_a: str, img_b: np.ndarray, path_b: str) -> np.ndarray:
        shape = (*img_a.shape[:2], 2)
        if path_a == path_b:
            return np.zeros(shape, np.float32)
        flow = self.provider.estimate_numpy(img_a, img_b, path_a, path_b)
        if flow.shape != shape:
            raise ValueError(
                f'LoadFlow: {type(self.provider).__name__} gave a flow of shape {flow.shape} '
                f'for {path_a} -> {path_b}; the frames need {shape}.'
            )
        return flow

    def __repr__(self) -> str:
        return f'{type(self).__name__}(provider={self.provider_cfg}, both_ways={self.both_ways})'
