"""Packs arrays into the inputs of methods and networks."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.registry import TRANSFORMS

from mmdavss.structures import ClipSample

META_KEYS = (
    'img_path',
    'seg_map_path',
    'frame_paths',
    'reference_path',
    'seq_name',
    'frame_name',
    'frame_number',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'scale_factor',
    'reframed',
    'flip',
    'flip_direction',
    'reduce_zero_label',
)


@TRANSFORMS.register_module()
class PackClipInputs(BaseTransform):
    """Packs a clip.

    Returns ``dict(inputs=..., data_samples=...)``:

    - ``inputs['frames']``: (T, 3, H, W), uint8, BGR;
    - ``inputs['flow']``: (T-1, 2, H, W), float32, pixels, if the clip has flow;
    - ``inputs['forward_flow']``: the same for the flow forward in time;
    - ``inputs['augmented']``: (T, 3, H, W), uint8 (float32 of :class:`TPSAugment` with
      `wrapped_mean`), BGR, if it has an augmented view;
    - ``inputs['valid']``: (1, 1, H, W), uint8, 0 in margins of :class:`PseudoLabelMargins`;
    - ``data_samples``: a :class:`ClipSample` with ``gt_sem_seg`` (1, H, W) if there is a label,
      ``gt_clip_seg`` (T, H, W) if all frames have one, ``gt_soft_seg`` (4, H, W), uint8, if there
      are soft labels, and ``gt_tracks`` (1, H, W), the numbers of objects, if they are loaded.

    Args:
        meta_keys: Keys to copy into the metainfo of the data sample, if present.
    """

    def __init__(self, meta_keys: tuple[str, ...] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        inputs = dict(frames=_stack(results['imgs']))
        for key in ('flow', 'forward_flow'):
            if results.get(f'{key}s'):
                inputs[key] = _stack(results[f'{key}s']).float()
        if 'imgs_aug' in results:
            inputs['augmented'] = _stack(results['imgs_aug'])
        if 'valid_map' in results:
            inputs['valid'] = torch.from_numpy(np.ascontiguousarray(results['valid_map']))[
                None, None
            ]
        sample = ClipSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        if 'gt_seg_map' in results:
            label = torch.from_numpy(results['gt_seg_map'][None].astype(np.int64))
            sample.gt_sem_seg = PixelData(data=label)
        if 'gt_soft_map' in results:
            soft = np.ascontiguousarray(results['gt_soft_map'].transpose(2, 0, 1))
            sample.gt_soft_seg = PixelData(data=torch.from_numpy(soft))
        if 'gt_track_map' in results:
            tracks = torch.from_numpy(results['gt_track_map'][None].astype(np.int64))
            sample.gt_tracks = PixelData(data=tracks)
        earlier = [
            results[key] for key in results.get('seg_fields', ()) if key.startswith('gt_seg_map_')
        ]
        if earlier:
            maps = np.stack([*earlier, results['gt_seg_map']]).astype(np.int64)
            sample.gt_clip_seg = PixelData(data=torch.from_numpy(maps))
        return dict(inputs=inputs, data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'


def _stack(images: list[np.ndarray]) -> torch.Tensor:
    """Stacks T arrays (H, W, C) to (T, C, H, W).

    Raises:
        ValueError: If they differ in shape or type.
    """
    kinds = {(image.shape, image.dtype.name) for image in images}
    if len(kinds) > 1:
        raise ValueError(f'PackClipInputs: the frames of a clip differ: {sorted(kinds)}.')
    height, width, channels = images[0].shape
    stacked = np.empty((len(images), channels, height, width), images[0].dtype)
    for image, planes in zip(images, stacked, strict=True):
        cv2.split(image, list(planes))  # a transposed copy takes ten times as long
    return torch.from_numpy(stacked)
