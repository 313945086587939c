"""Optical flow: frozen providers, and networks that are trained as parts of video nets.

``provider(frame_a, frame_b) -> flow a->b`` in pixels; ``net(current, previous) -> flow``.
"""

from .base import BaseFlowProvider
from .cache import CachedFlow
from .dis import DISFlowEstimator
from .flownets import FlowNetS
from .frozen import FrozenFlowNet
from .io import read_flow, write_flow
from .mmflow_bridge import MMFlowEstimator, MMFlowNet
from .precomputed import PrecomputedFlow
from .zero import ZeroFlow

__all__ = [
    'BaseFlowProvider',
    'CachedFlow',
    'DISFlowEstimator',
    'FlowNetS',
    'FrozenFlowNet',
    'MMFlowEstimator',
    'MMFlowNet',
    'PrecomputedFlow',
    'ZeroFlow',
    'read_flow',
    'write_flow',
]
