"""Losses: a pure function and a registered module each, named after what they compute."""
from .pixel_contrast import STPLLoss, stpl_loss

__all__ = ['STPLLoss', 'stpl_loss']
