"""A flow network of this package as a provider."""

from __future__ import annotations

from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor

from mmdavss.ops import resize_flow

from .base import BaseFlowProvider, PathPairs, load_flow_weights


@MODELS.register_module()
class FrozenFlowNet(BaseFlowProvider):
    """A flow network that is trained elsewhere, frozen: the FlowNet of SFC.

    Its weights are read when training starts, or at its first flow.

    Args:
        flow_net: Config of the network, such as ``dict(type='FlowNetS')``.
        checkpoint: Its weights: those of the network, or a checkpoint of ``FlowPretraining`` or of
            a method whose video net has such a flow branch.
        full_size: Whether the flow is brought to the size of the frames, as all providers do it.
            False leaves it on the network's own grid, a quarter for ``FlowNetS``: for users that
            resize anyway (a pipeline's ``LoadFlow`` does not).
        allow_random_init: Whether a network without checkpoint is wanted (tests).

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
                'FrozenFlowNet: `checkpoint` is missing, a flow network with random weights is of '
                'no use. Set it to that of a method that has trained one (configs/sfc: stage two '
                'of the source model, or the pretraining of FlowNetS).'
            )
        self.hold(MODELS.build(flow_net))
        self._checkpoint = checkpoint
        self.full_size = full_size
        self._loaded = False

    def init_weights(self) -> None:
        """Reads the checkpoint, if that has not been done.

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
