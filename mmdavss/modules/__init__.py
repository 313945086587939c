"""Building blocks shared by methods."""

from mmdavss.utils.passes import (
    frozen_forward,
    has_dropout,
    norm_layers,
    predicting,
    recomputed,
    unmoved_statistics,
)

from .class_balanced_crop import ClassBalancedCrop
from .class_mix import (
    ClipLayer,
    class_masks,
    class_mix,
    class_mix_masks,
    crop_layer,
    draw_values,
    occurring_values,
    paste_layers,
)
from .class_scores import class_mean_scores
from .class_statistics import ClassStatistics
from .class_thresholds import (
    AdaptiveThresholds,
    class_balanced_thresholds,
    ranked_probabilities,
    select_labels,
)
from .clip_memory import ClipMemory
from .confident_pixels import class_entropy, most_confident
from .cut_mix import random_cut
from .day_reference import day_guided
from .discriminators import (
    HeadDiscriminators,
    ImageDiscriminator,
    SequenceDiscriminator,
    SpatioTemporalDiscriminator,
)
from .domain_game import DomainGame
from .feature_alignment import FeatureAlignment
from .fourier_attack import FourierGate, attacked_images, most_wanted, spectra
from .fusion import STAM, AddFusion, ConcatFusion, ConvFusion
from .histogram_matching import match_histograms
from .label_downscale import downscale_labels, nearest_labels
from .label_refinement import LabelRefinement, PseudoLabels
from .masked_consistency import MaskedConsistency, block_mask
from .projection import ProjectionHead
from .random_resize import RandomResizedCrop, random_rescale
from .rare_class_weights import RareClassWeights
from .sfm import SFM, label_regions, occurring_classes
from .strong_augment import Decisions, StrongAugment, TorchvisionAugment
from .temporal_augmentation import (
    intermediate_flows,
    normalised_entropy,
    probability_cross_entropy,
    rectified_labels,
    round_trip_visible,
    synthesise_frame,
)
from .temporal_labels import (
    aggregate_predictions,
    consensus,
    fill_in,
    temporal_pseudo_labels,
    warp_labels,
)
from .video_discriminator import VideoDiscriminator

__all__ = [
    'RandomResizedCrop',
    'SFM',
    'STAM',
    'AdaptiveThresholds',
    'AddFusion',
    'ClassBalancedCrop',
    'ClassStatistics',
    'ClipLayer',
    'ClipMemory',
    'ConcatFusion',
    'ConvFusion',
    'Decisions',
    'DomainGame',
    'FeatureAlignment',
    'FourierGate',
    'HeadDiscriminators',
    'ImageDiscriminator',
    'LabelRefinement',
    'MaskedConsistency',
    'ProjectionHead',
    'RareClassWeights',
    'PseudoLabels',
    'SequenceDiscriminator',
    'SpatioTemporalDiscriminator',
    'StrongAugment',
    'TorchvisionAugment',
    'VideoDiscriminator',
    'aggregate_predictions',
    'attacked_images',
    'block_mask',
    'class_balanced_thresholds',
    'class_entropy',
    'class_masks',
    'class_mean_scores',
    'class_mix',
    'class_mix_masks',
    'consensus',
    'crop_layer',
    'day_guided',
    'downscale_labels',
    'draw_values',
    'fill_in',
    'frozen_forward',
    'has_dropout',
    'intermediate_flows',
    'label_regions',
    'match_histograms',
    'most_confident',
    'most_wanted',
    'nearest_labels',
    'norm_layers',
    'normalised_entropy',
    'occurring_classes',
    'occurring_values',
    'paste_layers',
    'predicting',
    'probability_cross_entropy',
    'rectified_labels',
    'round_trip_visible',
    'random_cut',
    'random_rescale',
    'ranked_probabilities',
    'recomputed',
    'select_labels',
    'spectra',
    'synthesise_frame',
    'temporal_pseudo_labels',
    'unmoved_statistics',
    'warp_labels',
]
