# The function takes the name of its module, whose other contents are imported from it as ever.
from .adapt import Adapted, adapt
from .configs import get_config_path
from .launch import UserError, default_work_dir, prepare_run, prepare_training
from .plain_mmseg import export_segmentor
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
