"""The mix of clips of UnifiedVideoDA against the published code."""

from pathlib import Path

import numpy as np
import torch

from mmdavss.methods.mean_teacher import Labelled
from mmdavss.structures import Clip
from mmdavss.testing import build_method
from tests.methods.table import CASES

GOLDEN = Path(__file__).parents[1] / 'data/golden'


def arrays() -> dict[str, torch.Tensor]:
    """Those of the published file; the copy of it here has none of a mix, but there is a cut."""
    for name in ('unifiedvda_refine_published', 'unifiedvda_consistent_mix'):
        with np.load(GOLDEN / f'{name}.npz') as data:
            if 'mix_masks' in data.files:
                return {key: torch.tensor(data[key]) for key in data.files}
    raise KeyError('no arrays of a mix')


def test_published_mix(monkeypatch):
    """One mask of the current frame's labels for both frames and for the flow."""
    data = arrays()
    model = build_method(CASES['dacs'], augment=None)
    model.data_preprocessor.normalise = lambda raw: raw
    monkeypatch.setattr(
        'mmdavss.methods.dacs.class_mix_masks', lambda labels: data['mix_masks'].bool()
    )
    seen = []
    model.weighted_losses = lambda *args: seen.extend(args) or dict(loss=torch.zeros(()))

    def clips(name):
        current, previous = data[name].float().chunk(2)
        return torch.stack([previous, current], dim=1)

    def labelled(domain, labels, weights):
        clip = clips(f'mix_{domain}_current_then_previous')
        flow = data[f'mix_{domain}_flow'][:, None].float()
        return Labelled(Clip(clip, clip), flow, labels.long(), weights)

    weights = data['pseudo_weight_current']
    model.mix_loss(
        labelled('src', data['mix_source_label'][:, 0], torch.ones_like(weights)),
        labelled('trg', data['pseudo_label_current'], weights),
    )
    frames, flow, labels, weights = seen
    assert torch.equal(frames, clips('mixed_current_then_previous'))
    assert torch.equal(flow[:, 0], data['mixed_flow'].float())
    assert torch.equal(labels, data['mixed_label'][:, 0].long())
    assert torch.equal(weights, data['mixed_weight'])
    assert {1.0} < set(weights.unique().tolist())  # those of the source, and others
