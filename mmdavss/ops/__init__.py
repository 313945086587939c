"""Pure functions on tensors: warping, splatting, occlusion, correlation, spectra, labels."""

from .blocks import rows_per_block
from .carry import carry_by_truncation, compose_by_truncation
from .components import connected_components
from .correlation import Correlation, correlation
from .deformable_attention import deformable_sampling
from .fourier import exchange_amplitudes, fourier_swap, frequency_bands, window_half_width
from .occlusion import forward_backward_visible, photometric_visible, photometric_weight
from .precision import at_least_float32
from .resized_argmax import resized_argmax
from .splat import forward_splat
from .warp import backward_warp, chain_flow, compose_flow, mirrored_flow, resize_flow

__all__ = [
    'Correlation',
    'at_least_float32',
    'backward_warp',
    'carry_by_truncation',
    'chain_flow',
    'compose_by_truncation',
    'compose_flow',
    'connected_components',
    'correlation',
    'deformable_sampling',
    'exchange_amplitudes',
    'forward_backward_visible',
    'forward_splat',
    'fourier_swap',
    'frequency_bands',
    'mirrored_flow',
    'photometric_visible',
    'photometric_weight',
    'resize_flow',
    'resized_argmax',
    'rows_per_block',
    'window_half_width',
]
