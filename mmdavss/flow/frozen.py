"""A flow network of this package as a frozen provider."""

from __future__ import annotations

from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from mmdavss.ops import resize_flow

from .base import BaseFlowProvider, PathPairs, load_flow_weights


@MODELS.register_module()
class FrozenFlowNet(BaseFlowProvider):
    """Frozen flow network that was trained elsewhere, such as the FlowNet of SFC.

    Its weights are loaded when training starts, or at the first call.

    Args:
        flow_net: Config of the network, such as ``dict(type='FlowNetS')``.
        checkpoint: Weights of the network, or a checkpoint of ``FlowPretraining`` or of
            a method whose video net has such a flow branch.
        full_size: Whether to resize the flow to the size of the frames, as all providers do.
            False keeps the network's own grid (a quarter for ``FlowNetS``), for callers that
            resize anyway (a pipeline's ``LoadFlow`` does not).
        allow_random_init: Whether to allow a network without checkpoint (for tests).

    Raises:
        ValueError: If there is no checkpoint.
    """

    def __init__(
        self,
        flow_net: ConfigType,
        checkpoint: str | None = None,
        full_size: bool = True,
        allow_random_init: bool = False,
    ) -> None:
        super().__init__()
        if checkpoint is None and not allow_random_init:
            raise ValueError(
                'FrozenFlowNet: `checkpoint` is missing, and a flow network with random weights is '
                'useless. Set it to the checkpoint of a method that has trained one '
                '(configs/sfc: stage two of the source model, or the pretraining of FlowNetS).'
            )
        self.hold(MODELS.build(flow_net))
        self._checkpoint = checkpoint
        self.full_size = full_size
        self._loaded = False

    def init_weights(self) -> None:
        """Loads the checkpoint, if not yet done.

        Raises:
            FileNotFoundError: If it does not exist.
            ValueError: If it does not fit.
        """
        if self._checkpoint is not None and not self._loaded:
            (network,) = self._networks
            # MMFlowNet holds mmflow's network as `network`.
            load_flow_weights(getattr(network, 'network', network), self._checkpoint)
            self._loaded = True

    def _estimate(self, frame_a: Tensor, frame_b: Tensor, paths: PathPairs | None) -> Tensor:
        self.init_weights()
        flow = self._networks[0](frame_a, frame_b)
        return resize_flow(flow, frame_a.shape[-2:]) if self.full_size else flow
