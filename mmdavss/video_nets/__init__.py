"""Video nets: from a clip (and flow) to the scores of its current frame."""
from .accel import Accel
from .base import HeadScores, VideoNet
from .per_frame import PerFrame

__all__ = ['Accel', 'HeadScores', 'PerFrame', 'VideoNet']
