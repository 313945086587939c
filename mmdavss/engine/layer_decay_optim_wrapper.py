"""Learning rates that fall from the last block of a transformer to its first."""

from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmdavss.backbones import DINOv2


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """A rate for each block of every :class:`DINOv2` of a model (VFM-UDA++).

    The last block has the optimiser's rate times `lr_mult`, each one before it `decay` times that
    of the next, the embeddings and tokens once more; all other parts, among them an adapter, have
    the optimiser's rate. Weight decay is the same for all. Parameters of one rate are one group
    (mmengine's constructor makes one of each parameter, which is slow). ::

        optim_wrapper = dict(
            constructor='LayerDecayOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.01),
            paramwise_cfg=dict(lr_mult=0.1, decay=0.9),
        )

    mmseg's ``LearningRateDecayOptimizerConstructor`` knows backbones at the root of a model alone,
    by their class, and takes the decay off biases and norms.

    Args:
        optim_wrapper_cfg: Same as in ``DefaultOptimWrapperConstructor``.
        paramwise_cfg: ``lr_mult`` and ``decay``.

    Raises:
        ValueError: If `paramwise_cfg` has other keys, or lacks one.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg is None or {*paramwise_cfg} != {'lr_mult', 'decay'}:
            raise ValueError(
                f'{type(self).__name__}: paramwise_cfg={paramwise_cfg} must have lr_mult and '
                'decay, and nothing else.'
            )
        super().__init__(optim_wrapper_cfg, paramwise_cfg)

    def add_params(self, params: list[dict], module: nn.Module, *args, **kwargs) -> None:
        """Adds the parameters of `module` that are trained to `params`, a group for each rate.

        Raises:
            ValueError: If there is no such backbone, or the optimiser has no rate.
        """
        behind = {
            id(parameter): backbone.blocks_behind(name)
            for backbone in module.modules()
            if isinstance(backbone, DINOv2)
            for name, parameter in backbone.named_parameters()
        }
        if not behind or self.base_lr is None:
            raise ValueError(
                f'{type(self).__name__} needs a DINOv2 in {type(module).__name__}, and a '
                'learning rate of the optimiser.'
            )
        groups: dict[int | None, list[nn.Parameter]] = {}
        for parameter in module.parameters():
            if parameter.requires_grad:
                groups.setdefault(behind.get(id(parameter)), []).append(parameter)
        lr_mult, decay = self.paramwise_cfg['lr_mult'], self.paramwise_cfg['decay']
        for blocks, members in groups.items():
            factor = 1.0 if blocks is None else lr_mult * decay**blocks
            params.append(dict(params=members, lr=self.base_lr * factor))
