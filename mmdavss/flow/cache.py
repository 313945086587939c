"""A disk cache around any flow provider."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from .base import BaseFlowProvider, PathPairs
from .io import read_flow, write_flow


@MODELS.register_module()
class CachedFlow(BaseFlowProvider):
    """Computes the flow of each pair of frames once, and keeps it on disk.

    The key of a file is made of the pixels of both frames (as 8 bits), their size, and the
    provider's config with size and time of its checkpoint: a changed image or estimator never
    gets an old file, and paths do not matter. Therefore use it before random transforms; otherwise
    every crop and colour change creates a new file. Several processes may share a folder. The flow
    is stored as float16, and rounded to it on the first call too, so that every call returns the
    same values.

    Args:
        provider: Config of the flow provider.
        cache_dir: Folder of the cache; it may be deleted at any time.
    """

    def __init__(self, provider: ConfigType, cache_dir: str) -> None:
        super().__init__()
        self.provider = MODELS.build(provider)
        self.cache_dir = Path(cache_dir)
        self._config_key = json.dumps(
            [provider, _file_state(provider.get('checkpoint'))], sort_keys=True, default=str
        )

    def _file(self, image_a: np.ndarray, image_b: np.ndarray) -> Path:
        """The file for two images (H, W, 3), uint8, BGR."""
        digest = hashlib.blake2b(self._config_key.encode(), digest_size=16)
        for image in (image_a, image_b):
            digest.update(repr(image.shape).encode())
            digest.update(np.ascontiguousarray(image).data)
        key = digest.hexdigest()
        return self.cache_dir / key[:2] / f'{key}.npy'

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        images = [
            (frames.flip(1) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
            for frames in (frame_a, frame_b)
        ]
        files = [self._file(a, b) for a, b in zip(*images, strict=True)]
        new = [i for i, file in enumerate(files) if not file.is_file()]
        if new:
            flows = self.provider(frame_a[new], frame_b[new], paths and [paths[i] for i in new])
            for i, flow in zip(new, flows.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
                write_flow(files[i], flow)
        flows = np.stack([read_flow(file) for file in files])
        return torch.from_numpy(flows).permute(0, 3, 1, 2).contiguous().to(frame_a.device)

    def estimate_numpy(
        self,
        img_a: np.ndarray,
        img_b: np.ndarray,
        path_a: str | None = None,
        path_b: str | None = None,
    ) -> np.ndarray:
        file = self._file(img_a, img_b)
        if not file.is_file():
            write_flow(file, self.provider.estimate_numpy(img_a, img_b, path_a, path_b))
        return read_flow(file)


def _file_state(path: str | None) -> list[int] | None:
    if path is None or not os.path.isfile(path):
        return None
    state = os.stat(path)
    return [state.st_size, state.st_mtime_ns]
