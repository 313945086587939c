"""Images and videos of frames and segmentations. All images are RGB, uint8."""

from .flow import draw_flow, draw_wheel
from .panels import colourise, draw_grid, draw_legend, overlay, with_legend
from .video import VideoWriter

__all__ = [
    'VideoWriter',
    'colourise',
    'draw_flow',
    'draw_grid',
    'draw_legend',
    'draw_wheel',
    'overlay',
    'with_legend',
]
