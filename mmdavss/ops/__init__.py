"""Pure functions on tensors: warping, splatting, occlusion, correlation, labels of scores."""

from .blocks import rows_per_block
from .carry import carry_by_truncation
from .correlation import Correlation, correlation
from .occlusion import forward_backward_visible, photometric_visible, photometric_weight
from .precision import at_least_float32
from .resized_argmax import resized_argmax
from .splat import forward_splat
from .warp import backward_warp, chain_flow, compose_flow, resize_flow

__all__ = [
    'Correlation',
    'at_least_float32',
    'backward_warp',
    'carry_by_truncation',
    'chain_flow',
    'compose_flow',
    'correlation',
    'forward_backward_visible',
    'forward_splat',
    'photometric_visible',
    'photometric_weight',
    'resize_flow',
    'resized_argmax',
    'rows_per_block',
]
