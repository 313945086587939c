"""Losses: a pure function and a registered module each, named after what they compute."""
from .pixel_contrast import STPLLoss, stpl_loss
from .semantic_contrast import (
    BankCLLoss,
    DistCLLoss,
    ProtoCLLoss,
    bank_contrast,
    dist_contrast,
    mean_feature_regulariser,
    proto_contrast,
)

__all__ = ['BankCLLoss', 'DistCLLoss', 'ProtoCLLoss', 'STPLLoss', 'bank_contrast', 'dist_contrast',
           'mean_feature_regulariser', 'proto_contrast', 'stpl_loss']
