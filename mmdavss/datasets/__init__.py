"""Data sets of clips, the pairing of domains, and transforms over clips."""
from . import transforms
from .camvid import CamVidDataset
from .cityscapes_seq import CityscapesSeqDataset
from .clip import ClipFolderDataset, ClipSegDataset
from .domain_pair import DomainPairDataset
from .label_maps import LabelSet
from .synthia_seq import SynthiaSeqDataset
from .viper import ViperSeqDataset

__all__ = [
    'CamVidDataset',
    'CityscapesSeqDataset',
    'ClipFolderDataset',
    'ClipSegDataset',
    'DomainPairDataset',
    'LabelSet',
    'SynthiaSeqDataset',
    'ViperSeqDataset',
    'transforms',
]
