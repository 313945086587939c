from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch.utils.data import DataLoader

from mmdavss.engine import DataTimeoutHook


@pytest.mark.parametrize(('workers', 'own', 'expected'), [(0, 0, 0), (1, 0, 900), (1, 5, 5)])
@pytest.mark.parametrize('loop', ['train', 'val', 'test'])
def test_loaders_with_workers_wait_no_longer(loop, workers, own, expected):
    loader = DataLoader(range(3), num_workers=workers, timeout=own)
    getattr(DataTimeoutHook(), f'before_{loop}')(SimpleNamespace(**{f'{loop}_dataloader': loader}))
    assert loader.timeout == expected


def test_no_time():
    with pytest.raises(ValueError, match='seconds=0 must be more'):
        DataTimeoutHook(0)
