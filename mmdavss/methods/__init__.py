"""Methods: one file is one paper. A method trains a video net, its ``student``."""

from .adabn import AdaBN
from .adaptsegnet import AdaptSegNet
from .advent import AdvEnt, MinEnt
from .adversarial import AdversarialAdapter
from .base import BaseAdapter
from .ccm import CCM
from .cmom import CMOM
from .dacs import DACS
from .daformer import DAFormer
from .davsn import DAVSN
from .fda import FDA
from .hcl import HCL
from .i2vda import I2VDA
from .mean_teacher import MeanTeacher
from .mic import MIC
from .offline_self_training import OfflineSelfTraining
from .pixmatch import PixMatch
from .quadmix import QuadMix
from .rda import RDA
from .self_training import SelfTraining
from .sepico import SePiCo
from .sfc import SFC, FlowPretraining, SFMPretraining
from .source_only import SourceOnly
from .stpl import STPL
from .tent import TENT
from .tps import TPS
from .ur import UR
from .vat_vst import VAT, VST

__all__ = [
    'AdaBN',
    'AdaptSegNet',
    'AdvEnt',
    'AdversarialAdapter',
    'BaseAdapter',
    'CCM',
    'CMOM',
    'DACS',
    'DAFormer',
    'DAVSN',
    'FDA',
    'FlowPretraining',
    'HCL',
    'I2VDA',
    'MIC',
    'MeanTeacher',
    'MinEnt',
    'OfflineSelfTraining',
    'PixMatch',
    'QuadMix',
    'RDA',
    'SFC',
    'SFMPretraining',
    'STPL',
    'SePiCo',
    'SelfTraining',
    'SourceOnly',
    'TENT',
    'TPS',
    'UR',
    'VAT',
    'VST',
]
