# The function takes the name of its module, whose other contents are imported from it as ever.
from mmdavss.convert.plain_mmseg import export_segmentor
from mmdavss.errors import UserError
from mmdavss.launch.config_file import default_work_dir
from mmdavss.launch.prepare import prepare_run, prepare_training
from mmdavss.utils.configs import get_config_path

from .adapt import Adapted, adapt
from .video_inferencer import VideoSegInferencer

__all__ = [
    'Adapted',
    'UserError',
    'VideoSegInferencer',
    'adapt',
    'default_work_dir',
    'export_segmentor',
    'get_config_path',
    'prepare_run',
    'prepare_training',
]
