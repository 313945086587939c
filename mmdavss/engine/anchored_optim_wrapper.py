"""Parameter-wise options that name parts of a model from its root."""

from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmdavss.utils.wrappers import unwrapped

#: Prefix of every parameter's name; no module can have this name.
ROOT = '^'


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AnchoredOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, whose ``custom_keys`` can be anchored at the root of the model.

    mmengine searches for a custom key anywhere in a parameter's name, so that ``projection`` also
    matches the patch embeddings of a transformer. Here names begin with ``^.``: the key
    ``^.projection.`` is the model's own child of that name alone (without the last dot, all whose
    names begin so), and ``^.student.segmentor.decode_head`` a part of its student. Keys without
    ``^.`` match as in mmengine, and keys of parts that the model lacks match nothing. The root of a
    player (:class:`PlayerOptimWrapperConstructor`) is that player. Parameters that are not trained
    are not in the optimiser, with options for parts or without: teachers and pretrained copies. ::

        optim_wrapper = dict(
            constructor='AnchoredOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=6e-5),
            paramwise_cfg=dict(custom_keys={'^.projection': dict(lr_mult=10.0)}),
        )

    Args:
        optim_wrapper_cfg: Same as in ``DefaultOptimWrapperConstructor``.
        paramwise_cfg: Same as in ``DefaultOptimWrapperConstructor``.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds the wrapper, see the class."""
        if not self.paramwise_cfg:  # or mmengine would take all parameters
            model = nn.ParameterList(p for p in unwrapped(model).parameters() if p.requires_grad)
        return super().__call__(model)

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Adds the parameters of `module` to `params`, see the class."""
        super().add_params(params, module, prefix or ROOT, is_dcn_module)
