"""The config on docs/get_started.md that adapts to frames of one's own trains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import MODELS

PAGE = Path(__file__).parents[2] / 'docs/get_started.md'


@pytest.mark.slow
def test_own_frames_as_the_target(frame_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = next(
        code
        for code in re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)
        if 'ClipFolderDataset' in code
    )
    code = re.sub('^   ', '', code, flags=re.M)
    assert 'stpl/accel_viper2city.py' in code
    Path('mine.py').write_text(code.replace('accel_viper2city', 'accel-r18_miniviper2minicity'))
    frame_folder.rename(tmp_path / 'frames_')
    Path('data/my_drive').mkdir(parents=True)
    (tmp_path / 'frames_').rename('data/my_drive/frames')
    cfg = Config.fromfile('mine.py')
    torch.save(
        dict(
            state_dict={
                f'student.{name}': value
                for name, value in MODELS.build(cfg.model.student).state_dict().items()
            }
        ),
        'source.pth',
    )
    cfg.merge_from_dict(
        dict(
            work_dir='out',
            model=dict(source_checkpoint='source.pth'),
            train_cfg=dict(max_iters=1),
            train_dataloader=dict(batch_size=2, num_workers=0, persistent_workers=False),
        )
    )
    Runner.from_cfg(cfg).train()
    assert Path('out/iter_1.pth').is_file()
