from .configs import get_config_path
from .launch import UserError, default_work_dir, prepare_run, prepare_training
from .plain_mmseg import export_segmentor
from .video_inferencer import VideoSegInferencer

__all__ = [
    'UserError',
    'VideoSegInferencer',
    'default_work_dir',
    'export_segmentor',
    'get_config_path',
    'prepare_run',
    'prepare_training',
]
