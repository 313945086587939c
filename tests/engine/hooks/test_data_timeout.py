from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from mmdavss.engine import DataTimeoutHook


class Loop(BaseLoop):
    def run(self):
        pass


@pytest.mark.parametrize(('workers', 'own', 'expected'), [(0, 0, 0), (1, 0, 900), (1, 5, 5)])
def test_loaders_with_workers_wait_no_longer(workers, own, expected):
    loaders = [DataLoader(range(3), num_workers=workers, timeout=own) for _ in range(2)]
    train, val = (Loop(None, loader) for loader in loaders)
    DataTimeoutHook().before_run(
        SimpleNamespace(_train_loop=train, _val_loop=val, _test_loop=dict(type='TestLoop'))
    )
    assert [loader.timeout for loader in loaders] == [expected] * 2


def test_no_time():
    with pytest.raises(ValueError, match='seconds=0 must be more'):
        DataTimeoutHook(0)
