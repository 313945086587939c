"""Methods of shipped configs, small: networks narrow, everything else as a user gets it."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmdavss.methods import BaseAdapter

CONFIGS = Path(__file__).parents[1] / 'configs'


def shipped_config(name: str, num_classes: int | None = None, channels: int = 4) -> Config:
    """A config below ``configs/`` with narrow networks, of which nothing is pretrained.

    Args:
        name: Without the suffix.
        num_classes: Class count of arrays that come with the test; None leaves the config's.
        channels: Width of discriminators.
    """
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    init_default_scope(cfg.default_scope)
    cfg.model.source_checkpoint = None
    _narrow(cfg.model, num_classes, channels)
    if num_classes is not None and cfg.model.get('rare_classes'):
        cfg.model.rare_classes = [k for k in cfg.model.rare_classes if k < num_classes]
    return cfg


def shipped(name: str, num_classes: int | None = None, channels: int = 4) -> BaseAdapter:
    """The method of :func:`shipped_config`, in training mode."""
    return MODELS.build(shipped_config(name, num_classes, channels).model).train()


def _narrow(cfg: dict, num_classes: int | None, channels: int) -> None:
    for key, value in cfg.items():
        if not isinstance(value, dict):
            continue
        if key.endswith('segmentor') and value.get('type') == 'EncoderDecoder':
            value.backbone.update(base_channels=1, stem_channels=1, init_cfg=None)
            for head, inputs in (('decode_head', 32), ('auxiliary_head', 16)):
                if value.get(head) is not None:
                    value[head].in_channels = inputs
                    if num_classes is not None:
                        value[head].num_classes = num_classes
        elif key == 'discriminator':
            value.channels = channels
        elif key == 'flow_net' and value.get('type') == 'FlowNetS':
            value.checkpoint = None
        _narrow(value, num_classes, channels)
