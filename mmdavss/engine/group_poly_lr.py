"""The polynomial decay of published trainings."""

from __future__ import annotations

from mmengine.optim import PolyLR
from mmseg.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class GroupPolyLR(PolyLR):
    """Poly as ADVENT and mmseg 0.x compute it: rate = base * (1 - i / (end - begin)) ** power.

    Iteration i counts from `begin`. mmengine's ``PolyLR`` reaches ``eta_min`` one iteration earlier
    (its divisor is ``end - begin - 1``).

    Groups whose custom key in ``paramwise_cfg`` says ``constant_lr=True`` keep their rate: ADVENT's
    helper decays the first two groups of an optimiser only, and networks with three leave their
    classifiers at the rate that they begin with.

    Args:
        args: Those of mmengine's ``PolyLR``.
        kwargs: Likewise.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.total_iters += 1

    def _get_value(self) -> list[float]:
        return [
            group[self.param_name] if group.get('constant_lr', False) else value
            for group, value in zip(self.optimizer.param_groups, super()._get_value(), strict=True)
        ]
