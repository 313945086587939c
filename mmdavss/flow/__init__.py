"""Flow providers: ``provider(frame_a, frame_b) -> flow a->b`` in pixels, frozen."""
from .base import BaseFlowProvider
from .cache import CachedFlow
from .dis import DISFlowEstimator
from .io import read_flow, write_flow
from .mmflow_bridge import MMFlowEstimator
from .precomputed import PrecomputedFlow
from .zero import ZeroFlow

__all__ = [
    'BaseFlowProvider',
    'CachedFlow',
    'DISFlowEstimator',
    'MMFlowEstimator',
    'PrecomputedFlow',
    'ZeroFlow',
    'read_flow',
    'write_flow',
]
