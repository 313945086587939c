from .configs import get_config_path
from .launch import UserError, default_work_dir, prepare_run, prepare_training

__all__ = ['UserError', 'default_work_dir', 'get_config_path', 'prepare_run', 'prepare_training']
