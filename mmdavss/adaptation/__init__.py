"""Source-free adaptation of a trained model to videos without labels."""

from .adaptation import Adaptation, Adapted, adapt
from .settings import ADABN_ITERS, METHODS, Settings

__all__ = ['ADABN_ITERS', 'METHODS', 'Adaptation', 'Adapted', 'Settings', 'adapt']
