"""Rates of the blocks of a DINOv2, and the schedule of VFM-UDA++."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import PARAM_SCHEDULERS
from torch import nn

from mmdavss.testing import build_method
from tests.methods.table import CASES

ROOT = Path(__file__).parents[2]
RATES = np.load(ROOT / 'tests/data/golden/release_schedules.npz')


def wrapper(model, **paramwise):
    return build_optim_wrapper(
        model,
        dict(
            constructor='LayerDecayOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.01),
            paramwise_cfg=paramwise,
        ),
    )


def test_rates_by_hand():
    model = build_method(CASES['dacs_distilled'])
    optimiser = wrapper(model, lr_mult=0.1, decay=0.9).optimizer
    rates = {id(p): group['lr'] for group in optimiser.param_groups for p in group['params']}
    backbone = 'student.segmentor.backbone'
    expected = {
        f'{backbone}.blocks.3.': 0.1,
        f'{backbone}.blocks.2.': 0.09,
        f'{backbone}.blocks.1.': 0.081,
        f'{backbone}.blocks.0.': 0.0729,
        f'{backbone}.patch_embed.': 0.06561,
        f'{backbone}.pos_embed': 0.06561,
        f'{backbone}.cls_token': 0.06561,
    }
    seen = set()
    for name, parameter in model.named_parameters():
        part = next((part for part in expected if name.startswith(part)), None)
        if not parameter.requires_grad:
            assert id(parameter) not in rates
            continue
        assert rates.pop(id(parameter)) == pytest.approx(expected.get(part, 1.0)), name
        seen.add(part or '.'.join(name.split('.')[:4]))
    assert not rates and len(optimiser.param_groups) == 6
    assert all(group['weight_decay'] == 0.01 for group in optimiser.param_groups)
    # Adapter, decoder and the head of the distillation have the whole rate.
    assert {f'{backbone}.spm', f'{backbone}.interactions', f'{backbone}.level_embed'} <= seen
    assert {'student.segmentor.decode_head.up', 'distillation.head.0.weight'} <= seen


def test_bad_options():
    with pytest.raises(ValueError, match='must have lr_mult and decay'):
        wrapper(nn.Linear(2, 2), lr_mult=0.1)
    with pytest.raises(ValueError, match='needs a DINOv2 in Linear'):
        wrapper(nn.Linear(2, 2), lr_mult=0.1, decay=0.9)


def test_published_schedule():
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([parameter], lr=1.0)
    cfg = Config.fromfile(ROOT / 'configs/_base_/methods/vfmuda.py')
    made = [
        PARAM_SCHEDULERS.build(dict(one, optimizer=optimiser), default_args={})
        for one in cfg.param_scheduler
    ]
    wanted = dict(zip(RATES['iterations'].tolist(), RATES['vfmuda_factor'].tolist(), strict=True))
    checked = 0
    for step in range(40000):
        if not np.isnan(wanted.get(step, np.nan)):
            assert optimiser.param_groups[0]['lr'] == pytest.approx(wanted[step], rel=1e-9), step
            checked += 1
        for scheduler in made:
            scheduler.step()
    assert checked > 8
