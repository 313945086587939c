"""Losses: a pure function and a registered module each, named after what they compute."""

from .cross_entropy import (
    BatchCrossEntropyLoss,
    clip_cross_entropy,
    cross_entropy,
    soft_cross_entropy,
)
from .decoder_disagreement import decoder_disagreement
from .entropy import EntropyLoss, entropy_loss
from .feature_distance import FeatureDistance, feature_distance
from .feature_distillation import FeatureDistillation, feature_distillation
from .flow_epe import FlowEPELoss, flow_epe
from .gan import DomainGANLoss
from .historical_contrast import (
    HistoricalContrastLoss,
    historical_agreement,
    historical_contrast,
)
from .intra_domain_consistency import TemporalConsistencyLoss, temporal_consistency_loss
from .mmd import maximum_mean_discrepancy
from .negative_learning import NegativeLearning, negative_learning_loss
from .pixel_contrast import STPLLoss, stpl_loss
from .pseudo_label_regulariser import PseudoLabelRegulariser
from .robust_entropy import RobustEntropyLoss, robust_entropy
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
    'EntropyLoss',
    'FeatureDistance',
    'FeatureDistillation',
    'FlowEPELoss',
    'HistoricalContrastLoss',
    'NegativeLearning',
    'ProtoCLLoss',
    'PseudoLabelRegulariser',
    'RobustEntropyLoss',
    'STPLLoss',
    'TemporalConsistencyLoss',
    'TubeDiceLoss',
    'bank_contrast',
    'clip_cross_entropy',
    'cross_entropy',
    'decoder_disagreement',
    'dist_contrast',
    'entropy_loss',
    'feature_distance',
    'feature_distillation',
    'flow_epe',
    'historical_agreement',
    'historical_contrast',
    'maximum_mean_discrepancy',
    'mean_feature_regulariser',
    'negative_learning_loss',
    'proto_contrast',
    'robust_entropy',
    'stpl_loss',
    'temporal_consistency_loss',
    'tube_dice_loss',
    'soft_cross_entropy',
]
