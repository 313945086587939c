"""A disk cache around any flow provider."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from mmdavss.utils.errors import InputError

from .base import BaseFlowProvider, PathPairs
from .io import read_flow, write_flow


@MODELS.register_module()
class CachedFlow(BaseFlowProvider):
    """Computes the flow of each pair of frames once, and keeps it on disk.

    The key of a file is made of the pixels of both frames (as 8 bits), their size, and the
    provider's config with size and time of the files that its options name (checkpoint, config): a
    changed image or estimator never gets an old file, and paths do not matter. Flow of a provider
    that reads files (``reads_files``) is passed on as it is, and not kept a second time. Use this
    before random transforms; otherwise every crop and colour change creates a new file.
    Several processes may share a folder, and be killed at any time. The flow is stored as float16,
    4 bytes a pixel, and rounded to it on the first call too, so that every call returns the same
    values. A damaged file is computed again.
    Where nothing can be written, flow is computed each time, with a warning.

    Args:
        provider: Config of the flow provider.
        cache_dir: Folder of the cache; it may be deleted at any time.
        limit: Size of the folder in GiB (2^30 bytes) from which on nothing more is stored, or None.
            Each process looks when it has stored a 64th of it, so that the folder may exceed it by
            as much for each process.

    Raises:
        ValueError: If `limit` is not above 0.
    """

    def __init__(self, provider: ConfigType, cache_dir: str, limit: float | None = None) -> None:
        super().__init__()
        if limit is not None and not limit > 0:
            raise ValueError(f'CachedFlow: limit={limit} must be above 0, or None.')
        self.provider = MODELS.build(provider)
        self.reads_files = self.provider.reads_files
        self.cache_dir = Path(cache_dir)
        self.limit = math.inf if limit is None else limit * 2**30
        self._room = 0.0  # bytes to store before the folder is looked at again
        self._stores = True
        checkpoint = provider.get('checkpoint')
        named = [state for path in _texts(provider, checkpoint) if (state := _file_state(path))]
        self._config_key = json.dumps(
            [provider, _file_state(checkpoint), *named], sort_keys=True, default=str
        )

    def check_both_ways(self) -> None:
        """As in :class:`BaseFlowProvider`; the provider decides."""
        self.provider.check_both_ways()

    def _file(self, image_a: np.ndarray, image_b: np.ndarray) -> Path:
        """The file for two images (H, W, 3), uint8, BGR."""
        digest = hashlib.blake2b(self._config_key.encode(), digest_size=16)
        for image in (image_a, image_b):
            digest.update(repr(image.shape).encode())
            digest.update(np.ascontiguousarray(image).data)
        key = digest.hexdigest()
        return self.cache_dir / key[:2] / f'{key}.npy'

    def _stored(self, file: Path) -> np.ndarray | None:
        if not file.is_file():
            return None
        try:
            return read_flow(file)
        except InputError:  # damaged, or deleted since
            return None

    def _store(self, file: Path, flow: np.ndarray) -> np.ndarray:
        """Stores a flow if there is room; returns it as it would be read."""
        if self._has_room(2 * flow.size):
            try:
                write_flow(file, flow)
            except OSError as error:
                self._stores = False
                print_log(
                    f'CachedFlow: {self.cache_dir} cannot be written to ({error.strerror}): flow '
                    'is computed each time. Name another `cache_dir`, or None.',
                    'current',
                    logging.WARNING,
                )
        return flow.astype(np.float16).astype(np.float32)

    def _has_room(self, size: int) -> bool:
        if self._stores and self._room < size:
            if math.isinf(self.limit):
                self._room = self.limit
            else:
                used = sum(_size(path) for path in self.cache_dir.glob('*/*'))
                self._room = min(self.limit - used, self.limit / 64 + size)
            self._stores = self._room >= size
        self._room -= size
        return self._stores

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        if self.provider.reads_files:
            return self.provider(frame_a, frame_b, paths)
        images = [
            (frames.flip(1) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
            for frames in (frame_a, frame_b)
        ]
        files = [self._file(a, b) for a, b in zip(*images, strict=True)]
        flows = {
            i: flow for i, file in enumerate(files) if (flow := self._stored(file)) is not None
        }
        new = [i for i in range(len(files)) if i not in flows]
        if new:
            made = self.provider(frame_a[new], frame_b[new], paths and [paths[i] for i in new])
            for i, flow in zip(new, made.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
                flows[i] = self._store(files[i], flow)
        stacked = np.stack([flows[i] for i in range(len(files))])
        return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous().to(frame_a.device)

    def estimate_numpy(
        self,
        img_a: np.ndarray,
        img_b: np.ndarray,
        path_a: str | None = None,
        path_b: str | None = None,
    ) -> np.ndarray:
        if self.provider.reads_files:
            return self.provider.estimate_numpy(img_a, img_b, path_a, path_b)
        file = self._file(img_a, img_b)
        flow = self._stored(file)
        if flow is None:
            flow = self._store(file, self.provider.estimate_numpy(img_a, img_b, path_a, path_b))
        return flow


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # renamed or deleted since
        return 0


def _texts(value: Any, but: str | None) -> list[str]:
    """All texts in a config, in the order of its keys, but the one given."""
    if isinstance(value, str):
        return [] if value == but else [value]
    if isinstance(value, Mapping):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, Sequence):
        return [text for part in value for text in _texts(part, but)]
    return []


def _file_state(path: str | None) -> list[int] | None:
    if path is None or not os.path.isfile(path):
        return None
    state = os.stat(path)
    return [state.st_size, state.st_mtime_ns]
