"""Parameter-wise options that name parts of a model from its root."""

from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

#: Prefix of every parameter's name; no module can have this name.
ROOT = '^'


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AnchoredOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, whose ``custom_keys`` can be anchored at the root of the model.

    mmengine searches for a custom key anywhere in a parameter's name, so that ``projection`` also
    matches the patch embeddings of a transformer. Here names begin with ``^.``: the key
    ``^.projection`` is the model's own child of that name alone, and
    ``^.student.segmentor.decode_head`` a part of its student. Keys without ``^.`` match as in
    mmengine, and keys of parts that the model lacks match nothing. The root of a player
    (:class:`PlayerOptimWrapperConstructor`) is that player. ::

        optim_wrapper = dict(
            constructor='AnchoredOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=6e-5),
            paramwise_cfg=dict(custom_keys={'^.projection': dict(lr_mult=10.0)}),
        )

    Args:
        optim_wrapper_cfg: Same as in ``DefaultOptimWrapperConstructor``.
        paramwise_cfg: Same as in ``DefaultOptimWrapperConstructor``.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Adds the parameters of `module` to `params`, see the class."""
        super().add_params(params, module, prefix or ROOT, is_dcn_module)
