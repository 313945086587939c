"""Base class of all flow providers."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmdavss.utils.checkpoints import misfits, read_weights
from mmdavss.utils.errors import number_of

PathPairs = Sequence[tuple[str, str]]
#: Prefixes of a flow network in checkpoints: as the branch of a method's video net, and in its own
#: pretraining.
BRANCHES = ('student.flow_net.', 'flow_net.')


def load_flow_weights(network: nn.Module, checkpoint: str) -> None:
    """Loads a flow network's weights from its own file or from a method's checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If weights are missing or have another shape.
    """
    weights = read_weights(
        checkpoint,
        f'{type(network).__name__}: the checkpoint {checkpoint!r} does not exist; correct '
        '`checkpoint`. A network that will be trained may start without one: checkpoint=None.',
    )
    weights = {name.removeprefix('module.'): value for name, value in weights.items()}
    for prefix in BRANCHES:
        # MMFlowNet holds mmflow's network as `network`.
        branch = {
            name.removeprefix(prefix).removeprefix('network.'): value
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        weights = branch or weights
    wrong = misfits(network, weights)
    if wrong:
        raise ValueError(
            f'{checkpoint} does not fit {type(network).__name__}: {len(wrong)} of '
            f'{len(network.state_dict())} tensors are missing or of another shape, such as '
            f'{wrong[:3]}. Give the config that the checkpoint was trained with.'
        )
    network.load_state_dict(weights, strict=False)


class BaseFlowProvider(nn.Module, metaclass=ABCMeta):
    """A frozen source of optical flow: ``provider(frame_a, frame_b) -> flow a->b``.

    A provider is a tool of its owner, not a part of it: it always stays in eval mode, computes
    without gradient and outside of autocast, and its networks (:meth:`hold`) do not appear in any
    ``parameters()`` or ``state_dict()``: they are not optimised, synchronised or saved in
    checkpoints. They still move with their owner to its device.

    A subclass implements :meth:`_estimate`.
    """

    #: Whether flow comes from files that belong to the frames' paths, which may change, instead of
    #: the frames: a cache by content cannot hold it.
    reads_files = False

    def __init__(self) -> None:
        super().__init__()
        # A plain list is not a registered child.
        self._networks: list[nn.Module] = []
        self.eval()

    def hold(self, network: nn.Module) -> nn.Module:
        """Freezes a network and keeps it out of the owner's parameters."""
        self._networks.append(network.requires_grad_(False).eval())
        return network

    def train(self, mode: bool = True) -> BaseFlowProvider:
        """Stays in eval mode."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> BaseFlowProvider:
        for network in self._networks:
            network._apply(fn, recurse)
        return super()._apply(fn, recurse)

    @torch.no_grad()
    def forward(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None = None) -> Tensor:
        """Optical flow between two batches of frames.

        Args:
            frame_a: (N, 3, H, W), RGB, values 0 to 1.
            frame_b: (N, 3, H, W), RGB, values 0 to 1.
            paths: N pairs (path of frame a, path of frame b), for providers that read files.

        Returns:
            (N, 2, H, W), float32: flow ``a->b`` in pixels, on the device of ``frame_a``.

        Raises:
            ValueError: If the shapes do not fit.
        """
        name = type(self).__name__
        if frame_a.ndim != 4 or frame_a.shape[1] != 3 or frame_a.shape != frame_b.shape:
            raise ValueError(
                f'{name}: frames must be two (N, 3, H, W) of one shape, got '
                f'{tuple(frame_a.shape)} and {tuple(frame_b.shape)}.'
            )
        if paths is not None and len(paths) != len(frame_a):
            raise ValueError(
                f'{name}: {number_of(len(paths), "path pair")} for '
                f'{number_of(len(frame_a), "frame")}.'
            )
        with torch.autocast(frame_a.device.type, enabled=False):
            return self._estimate(frame_a.float(), frame_b.float(), paths)

    @abstractmethod
    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        """:meth:`forward` for checked float32 frames, without gradient."""

    def check_both_ways(self) -> None:
        """Checks that flow forward in time can be had as well as flow back.

        Raises:
            ValueError: If it cannot.
        """

    def estimate_numpy(
        self,
        img_a: np.ndarray,
        img_b: np.ndarray,
        path_a: str | None = None,
        path_b: str | None = None,
    ) -> np.ndarray:
        """Flow between two images in the format of data pipelines.

        Args:
            img_a: (H, W, 3), uint8, BGR.
            img_b: (H, W, 3), uint8, BGR.
            path_a: File of the first image, for providers that read files.
            path_b: File of the second image.

        Returns:
            (H, W, 2), float32: flow ``a->b`` in pixels.
        """
        device = next((p.device for net in self._networks for p in net.parameters()), None)
        frame_a, frame_b = (
            torch.tensor(np.ascontiguousarray(img[..., ::-1]), device=device)
            .permute(2, 0, 1)[None]
            .float()
            / 255
            for img in (img_a, img_b)
        )
        paths = None if path_a is None or path_b is None else [(path_a, path_b)]
        return self(frame_a, frame_b, paths)[0].permute(1, 2, 0).contiguous().cpu().numpy()
