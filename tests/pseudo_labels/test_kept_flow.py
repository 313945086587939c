"""Flow that pseudo-labels of full-size configs are aggregated with is computed once."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from tests.releases import CONFIGS, full_size

AGGREGATED = [
    name
    for name in full_size()
    if Config.fromfile(CONFIGS / name).get('pseudo_label_generator', {}).get('aggregate')
]


def test_some_configs_aggregate():
    assert any(name.startswith('vat_vst/vst_deeplabv2-r50_viper2cityvps') for name in AGGREGATED)


@pytest.mark.parametrize('name', AGGREGATED)
def test_training_reads_the_flow_of_the_labels(name):
    """Same estimator and folder, hence the same files for frames of the same size."""
    cfg = Config.fromfile(CONFIGS / name)
    flow = cfg.pseudo_label_generator.flow
    assert flow.type == 'CachedFlow'
    pipeline = cfg.train_dataloader.dataset.target.pipeline
    (loads,) = (step for step in pipeline if step.type == 'LoadFlow')
    assert (loads.provider, loads.cache_dir, loads.cache_limit) == (
        flow.provider,
        flow.cache_dir,
        flow.limit,
    )
    (trained,) = (step for step in pipeline if step.type == 'ClipResize')
    (predicted,) = (s for s in cfg.pseudo_label_generator.pipeline if s.type == 'ClipResize')
    assert trained == predicted
