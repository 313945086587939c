"""tools/analysis/pdd.py on a few generated frames."""
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmdavss.datasets.minidrive.generate import Settings, generate


@pytest.fixture
def config(tmp_path):
    generate(tmp_path / 'data', Settings(
        size=(64, 32), viper=0, viper_val=0, synthia=0, cityscapes=0, cityscapes_val=2,
        snippet_frames=(18, 19), gta=0, synthia_rand=0, cityscapes_vps=0,
        cityscapes_vps_val=0))
    cfg = Config.fromfile('configs/source_only/accel-r18_miniviper2minicity.py')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data/cityscapes')
    cfg.dump(tmp_path / 'config.py')
    student = MODELS.build(cfg.model.student)
    torch.save(dict(state_dict={f'student.{name}': value for name, value in
                                student.state_dict().items()}), tmp_path / 'source.pth')
    return tmp_path / 'config.py'


def test_table_and_plot(config, tmp_path, run_tool, capsys):
    checkpoint, plot = tmp_path / 'source.pth', tmp_path / 'out/pdd.png'
    run_tool('analysis/pdd.py', config, checkpoint, checkpoint, '--names', 'a', 'b',
             '--out', plot)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert 'road' in rows[0] and 'mean' in rows[0]
    # The same checkpoint twice: the same numbers twice, and some of them are numbers.
    assert rows[1].replace('| a ', '') == rows[2].replace('| b ', '')
    assert any(cell.strip().replace('.', '').isdigit() for cell in rows[1].split('|'))
    assert plot.is_file()
    with pytest.raises(SystemExit):
        run_tool('analysis/pdd.py', config, checkpoint, '--out', plot)
    assert 'exists' in capsys.readouterr().err
