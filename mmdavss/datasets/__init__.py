"""Data sets of clips, the pairing of domains, and transforms over clips."""

from . import transforms
from .acdc import ACDCDataset
from .bddvid import BDDVidDataset
from .camvid import CamVidDataset
from .cityscapes import CityscapesImageDataset
from .cityscapes_seq import CityscapesSeqDataset
from .cityscapes_vps import CityscapesVPSDataset
from .clip import ClipFolderDataset, ClipSegDataset
from .dark_zurich import DarkZurichImageDataset
from .domain_pair import DomainPairDataset
from .gta import GTADataset
from .image import ImageSegDataset
from .kitti_step import KITTISTEPDataset
from .label_maps import LabelSet
from .sampling import Draw, DrawSampler
from .shift import SHIFTDataset
from .synthia_rand import SynthiaDataset
from .synthia_seq import SynthiaSeqDataset
from .viper import ViperSeqDataset
from .vspw import VSPWDataset

__all__ = [
    'ACDCDataset',
    'BDDVidDataset',
    'CamVidDataset',
    'CityscapesImageDataset',
    'CityscapesSeqDataset',
    'CityscapesVPSDataset',
    'ClipFolderDataset',
    'ClipSegDataset',
    'DarkZurichImageDataset',
    'DomainPairDataset',
    'Draw',
    'DrawSampler',
    'GTADataset',
    'ImageSegDataset',
    'KITTISTEPDataset',
    'LabelSet',
    'SHIFTDataset',
    'SynthiaDataset',
    'SynthiaSeqDataset',
    'VSPWDataset',
    'ViperSeqDataset',
    'transforms',
]
