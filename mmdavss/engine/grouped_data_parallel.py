"""DistributedDataParallel for methods whose losses are backpropagated in groups."""

from __future__ import annotations

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor

from mmdavss.methods import BaseAdapter
from mmdavss.utils.wrappers import is_due, step_if_due


# In mmengine's own registry: the Runner looks up wrappers there, whatever the default scope is.
@MODEL_WRAPPERS.register_module()
class GroupedDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper, for methods with :meth:`BaseAdapter.loss_groups`.

    mmengine's takes one backward pass of the sum of all losses, and memory for all of their graphs.
    Here each group is backpropagated before the next is computed. No gradient is reduced meanwhile;
    after the last group DDP reduces what has been accumulated, once for each step of the optimiser.
    The reduction does not overlap with a backward pass.

    It is the same reduction as in mmengine: with its buckets and communication hook, a mean over
    the processes, and parameters without gradient are errors or, with
    ``find_unused_parameters=True``, keep none if no process has one.

    Other models train as in mmengine's wrapper. An :class:`AdversarialAdapter` needs
    ``MMSeparateDistributedDataParallel``; the players of a :class:`DACS` step together.

    Args:
        module: The method.
        kwargs: Those of ``MMDistributedDataParallel``; ``detect_anomalous_params`` is for other
            models.
    """

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        """One iteration, see the class."""
        if not isinstance(self.module, BaseAdapter):
            return super().train_step(data, optim_wrapper)
        with self.no_sync():
            log = self.module.backpropagate(data, optim_wrapper)
        if is_due(optim_wrapper):
            self(None, mode='gradients').backward()
        step_if_due(optim_wrapper)
        return log
