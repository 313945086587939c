"""Pictures and videos of frames and segmentations. All images are RGB, uint8."""
from .panels import colourise, draw_grid, draw_legend, overlay
from .video import VideoWriter

__all__ = ['VideoWriter', 'colourise', 'draw_grid', 'draw_legend', 'overlay']
