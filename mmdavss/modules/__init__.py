"""Parts that methods share."""
from .class_balanced_crop import ClassBalancedCrop
from .class_mix import class_mix, class_mix_masks
from .class_statistics import ClassStatistics
from .day_reference import day_guided
from .fusion import STAM, AddFusion, ConcatFusion, ConvFusion
from .label_downscale import downscale_labels
from .projection import ProjectionHead
from .pseudo_labels import class_entropy, most_confident
from .strong_augment import StrongAugment

__all__ = ['STAM', 'AddFusion', 'ClassBalancedCrop', 'ClassStatistics', 'ConcatFusion',
           'ConvFusion', 'ProjectionHead', 'StrongAugment', 'class_entropy', 'class_mix',
           'class_mix_masks', 'day_guided', 'downscale_labels', 'most_confident']
