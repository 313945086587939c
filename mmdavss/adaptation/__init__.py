"""Source-free adaptation of a trained model to videos without labels."""

from .adaptation import Adaptation, Adapted, adapt
from .settings import METHODS, Settings

__all__ = ['METHODS', 'Adaptation', 'Adapted', 'Settings', 'adapt']
