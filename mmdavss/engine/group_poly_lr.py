"""Polynomial learning-rate decay as published code computes it."""

from __future__ import annotations

from mmengine.optim import PolyLR
from mmseg.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class GroupPolyLR(PolyLR):
    """Polynomial decay as in ADVENT and mmseg 0.x: rate = base * (1 - i / (end - begin)) ** power.

    Iteration i counts from `begin`. mmengine's ``PolyLR`` reaches ``eta_min`` one iteration earlier
    (its divisor is ``end - begin - 1``).

    Groups whose custom key in ``paramwise_cfg`` has ``constant_lr=True`` keep their rate: ADVENT's
    helper decays only the first two groups of an optimiser, so that in networks with three the
    classifiers stay at their initial rate.

    Args:
        args: Passed to mmengine's ``PolyLR``.
        kwargs: Passed to mmengine's ``PolyLR``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.total_iters += 1

    def _get_value(self) -> list[float]:
        return [
            group[self.param_name] if group.get('constant_lr', False) else value
            for group, value in zip(self.optimizer.param_groups, super()._get_value(), strict=True)
        ]
