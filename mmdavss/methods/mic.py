"""MIC: DAFormer and masked target images (Hoyer et al., CVPR 2023).

===========================  ===============================================================
f_theta, g_phi               ``student``, ``teacher`` (equation 6)
M, x^M                       ``masked``: blocks of :func:`block_mask` (equations 3 and 4)
b, r, lambda^M               its ``block_size``, ``mask_ratio``, ``loss_weight``
L^M                          ``masked.loss_ce`` (equation 5)
===========================  ===============================================================

With :class:`HRDA` as the student's segmentor it is the strongest form of the paper. Other methods
with a teacher have the option ``masked`` too.
"""

from __future__ import annotations

from mmseg.registry import MODELS
from mmseg.utils import ConfigType

from .daformer import DAFormer


@MODELS.register_module()
class MIC(DAFormer):
    """DAFormer with masked image consistency.

    Args:
        masked: Config of the :class:`MaskedConsistency`.
        kwargs: Those of :class:`DAFormer`.
    """

    def __init__(self, masked: ConfigType, **kwargs) -> None:
        super().__init__(masked=masked, **kwargs)
