"""The training stages of an adaptation."""

from __future__ import annotations

import logging
import secrets

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint

from mmdavss.launch.config_file import final_checkpoint
from mmdavss.launch.faults import explained_faults
from mmdavss.launch.prepare import prepare_training, run_training
from mmdavss.utils.checkpoints import read_weights
from mmdavss.utils.journal import Journal
from mmdavss.utils.progress import progress
from mmdavss.utils.quiet import QuietRunner, without_loss_warnings

from .estimates import TimeLeft, TrainingProgressHook
from .memory import explained_memory


class FileLoggingRunner(QuietRunner):
    """Logs to the file in its work_dir; the console gets errors only, beside the progress bar."""

    def build_logger(
        self, log_level: int | str = 'INFO', log_file: str | None = None, **kwargs: object
    ) -> MMLogger:
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)
        return logger


def train(
    name: str,
    cfg: Config,
    size: tuple[int, int],
    batch_size: int,
    device: torch.device,
    journal: Journal,
    left: TimeLeft,
) -> str:
    """Runs a training stage; a finished one is skipped, an interrupted one resumed.

    Args:
        name: Name of the stage in `journal` and `left`.
        cfg: Its config, see :func:`~mmdavss.adaptation.recipes.stage_config`.
        size: (width, height) of the frames, for the error if memory runs out.
        batch_size: Clips per batch that was asked for, for the same error.
        device: Where it computes.
        journal: Lists the finished stages under ``trained``.
        left: Remaining time of all steps.

    Returns:
        The last checkpoint.
    """
    last = final_checkpoint(cfg)
    if last.is_file() and name in journal.state.get('trained', ()):
        return str(last)
    init_default_scope('mmseg')
    prepare_training(cfg, resume=True)
    with (
        without_loss_warnings(),
        explained_memory(size, batch_size),
        progress(cfg.model.type, total=cfg.train_cfg.max_iters, unit='iterations') as bar,
    ):
        # A process keeps what mmengine has made under a name: logger, visualizer and their folder.
        # An adaptation that replaces another one there needs its own.
        cfg.experiment_name = f'{name}_{secrets.token_hex(8)}'
        runner = FileLoggingRunner.from_cfg(cfg)
        runner.model.to(device)
        runner.register_hook(TrainingProgressHook(bar, name, left))
        with explained_faults(cfg.work_dir, 'the same command goes on'):
            run_training(runner)
    journal.save(trained=[*journal.state.get('trained', ()), name])
    return str(last)


def save_student(trained: str, path: str, metainfo: dict) -> None:
    """Saves the network of a trained method as the adapted checkpoint.

    Args:
        trained: Checkpoint of the last stage.
        path: The adapted checkpoint.
        metainfo: Classes and palette.
    """
    state = read_weights(trained, f'{trained} does not exist')
    state = {key: value for key, value in state.items() if key.startswith('student.')}
    save_checkpoint(
        dict(meta=dict(dataset_meta=metainfo), state_dict=state),
        path,
        backend_args=dict(backend='atomic'),
    )
