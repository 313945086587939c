"""Losses: a pure function and a registered module each, named after what they compute."""

from .cross_entropy import BatchCrossEntropyLoss, clip_cross_entropy, cross_entropy
from .feature_distance import FeatureDistance, feature_distance
from .flow_epe import FlowEPELoss, flow_epe
from .gan import DomainGANLoss
from .intra_domain_consistency import TemporalConsistencyLoss, temporal_consistency_loss
from .pixel_contrast import STPLLoss, stpl_loss
from .pseudo_label_regulariser import PseudoLabelRegulariser
from .semantic_contrast import (
    BankCLLoss,
    DistCLLoss,
    ProtoCLLoss,
    bank_contrast,
    dist_contrast,
    mean_feature_regulariser,
    proto_contrast,
)
from .tube_dice import TubeDiceLoss, tube_dice_loss

__all__ = [
    'BankCLLoss',
    'BatchCrossEntropyLoss',
    'DistCLLoss',
    'DomainGANLoss',
    'FeatureDistance',
    'FlowEPELoss',
    'ProtoCLLoss',
    'PseudoLabelRegulariser',
    'STPLLoss',
    'TemporalConsistencyLoss',
    'TubeDiceLoss',
    'bank_contrast',
    'clip_cross_entropy',
    'cross_entropy',
    'dist_contrast',
    'feature_distance',
    'flow_epe',
    'mean_feature_regulariser',
    'proto_contrast',
    'stpl_loss',
    'temporal_consistency_loss',
    'tube_dice_loss',
]
