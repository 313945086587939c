"""What other programs call: adaptation, video inference, export, and starting runs."""

from mmdavss.adaptation import Adapted, adapt
from mmdavss.convert.plain_mmseg import export_segmentor
from mmdavss.inference.inferencer import VideoSegInferencer
from mmdavss.inference.segmenter import VideoSegmenter
from mmdavss.inference.videos import VideoReader
from mmdavss.launch.config_file import default_work_dir
from mmdavss.launch.prepare import prepare_run, prepare_training
from mmdavss.utils.configs import get_config_path
from mmdavss.utils.errors import UserError

__all__ = [
    'Adapted',
    'UserError',
    'VideoReader',
    'VideoSegInferencer',
    'VideoSegmenter',
    'adapt',
    'default_work_dir',
    'export_segmentor',
    'get_config_path',
    'prepare_run',
    'prepare_training',
]
