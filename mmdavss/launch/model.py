"""Builds a model with trained weights from a config and a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmdavss.launch.config_file import as_config, require
from mmdavss.methods.base import BaseAdapter
from mmdavss.utils.checkpoints import is_missing
from mmdavss.utils.device import usable_device
from mmdavss.video_nets.loading import load_student


def load_model(
    config: str | Path | Config, checkpoint: str | Path, device: str | torch.device = 'cpu'
) -> BaseAdapter:
    """Builds the method of a config with trained weights, ready to predict.

    Args:
        config: A config of this package, or its file.
        checkpoint: Checkpoint of any method of this package with the same video net, or of a
            plain mmseg segmentor. Only the video net is read, since it alone predicts.
        device: Where the model goes.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        UserError: If there is no such device, or the config file cannot be read or has no
            ``model.student`` (configs of plain mmseg have none).
        ValueError: If the checkpoint does not fit the video net.
    """
    device = usable_device(device)
    cfg = as_config(config)
    require(cfg, 'model.student')
    if is_missing(checkpoint):
        raise FileNotFoundError(f'checkpoint not found: {checkpoint}')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    model = MODELS.build(cfg.model)
    load_student(model.student, str(checkpoint), complete=True)
    return model.to(device).eval()
