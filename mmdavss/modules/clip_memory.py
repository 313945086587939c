"""The labelled clips of the last step (QuadMix)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from torch import Tensor, nn

from mmdavss.utils.distributed import global_batch

from .class_mix import ClipLayer

#: Types of the parts of a layer that are kept as bytes.
TYPES = dict(labels=torch.int64, mask=torch.bool)


class ClipMemory(nn.Module):
    """Keeps clips with their labels, flow and masks from one step to the next.

    They are buffers, so that they are in the checkpoint and a resumed run goes on with the clips
    that it would have had. Their sizes are those of the last batch. With several processes each
    holds the clips of all, and gets back those at its own place.

    Args:
        names: What is kept: the names of the layers.
    """

    #: Read by ResumeCheckHook: the sizes of these tensors depend on the batch, not on the config.
    sized_by_batch = True

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names
        for name in self._parts():
            self.register_buffer(name, None)

    def _parts(self) -> list[str]:
        return [f'{name}_{part}' for name in self.names for part in ClipLayer._fields]

    @torch.no_grad()
    def remember(self, *layers: ClipLayer) -> None:
        """Keeps layers, in the order of the names, instead of those that were there.

        All processes must call this together.

        Args:
            layers: What to keep, labels below 256. Parts may be None.
        """
        parts = (part for layer in layers for part in layer._asdict().items())
        for name, (kind, part) in zip(self._parts(), parts, strict=True):
            if part is not None and kind in TYPES:
                part = part.to(torch.uint8)
            # A copy: a checkpoint would hold all of the batch that it is a part of.
            setattr(self, name, None if part is None else global_batch(part).clone())

    def recall(self, frames: Mapping[str, Tensor]) -> dict[str, ClipLayer] | None:
        """What was kept in the last step.

        Args:
            frames: Those of this step, (N, T, 3, H, W) by the names of the layers.

        Returns:
            The layers by name. None in the first step, and if the kept clips differ in number or
            size.
        """
        recalled = {}
        for name in self.names:
            own, kept = frames[name], getattr(self, f'{name}_frames')
            whole = (len(own) * get_world_size(), *own.shape[1:])
            if kept is None or kept.shape != whole:
                return None
            rows = slice(get_rank() * len(own), (get_rank() + 1) * len(own))
            parts: dict[str, Any] = {}
            for part in ClipLayer._fields:
                value = getattr(self, f'{name}_{part}')
                parts[part] = None if value is None else value[rows].to(own.device, TYPES.get(part))
            recalled[name] = ClipLayer(**parts)
        return recalled

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # The sizes are those of the checkpoint's clips.
        for name in self._parts():
            given = state_dict.get(f'{prefix}{name}')
            own = getattr(self, name)
            if given is None:
                setattr(self, name, None)
            elif own is None or own.shape != given.shape:
                device = given.device if own is None else own.device
                setattr(self, name, torch.empty_like(given, device=device))
        super()._load_from_state_dict(state_dict, prefix, *args)
