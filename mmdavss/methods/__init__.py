"""Methods: one file is one paper. A method trains a video net, its ``student``."""

from .adabn import AdaBN
from .adversarial import AdversarialAdapter
from .base import BaseAdapter
from .dacs import DACS
from .daformer import DAFormer
from .davsn import DAVSN
from .i2vda import I2VDA
from .mean_teacher import MeanTeacher
from .mic import MIC
from .offline_self_training import OfflineSelfTraining
from .self_training import SelfTraining
from .sepico import SePiCo
from .sfc import SFC, FlowPretraining, SFMPretraining
from .source_only import SourceOnly
from .stpl import STPL
from .tps import TPS
from .vat_vst import VAT, VST

__all__ = [
    'AdaBN',
    'AdversarialAdapter',
    'BaseAdapter',
    'DACS',
    'DAFormer',
    'DAVSN',
    'FlowPretraining',
    'I2VDA',
    'MIC',
    'MeanTeacher',
    'OfflineSelfTraining',
    'SFC',
    'SFMPretraining',
    'STPL',
    'SePiCo',
    'SelfTraining',
    'SourceOnly',
    'TPS',
    'VAT',
    'VST',
]
