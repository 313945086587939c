"""tools/convert_checkpoint.py on the file of a small DeepLab-v2."""

from __future__ import annotations

import pytest
import torch

from mmdavss.launch.model import load_model


@pytest.fixture
def published(saved_model, per_frame, tmp_path):
    """Config, and weights under the names of ADVENT."""
    per_frame['segmentor']['backbone']['type'] = 'CeilResNet'
    cfg, checkpoint = saved_model(per_frame)
    state = {}
    for name, value in torch.load(checkpoint)['state_dict'].items():
        name = name.removeprefix('student.segmentor.').removeprefix('backbone.')
        for head, level in (('decode_head', 'layer6'), ('auxiliary_head', 'layer5')):
            name = name.replace(f'{head}.conv_seg.branches', f'{level}.conv2d_list')
        state[f'module.{name}'] = value
    path = tmp_path / 'published.pth'
    torch.save(state, path)
    return cfg, checkpoint, path


def test_file(published, run_tool, tmp_path, capsys):
    cfg, checkpoint, path = published
    out = tmp_path / 'new' / 'converted.pth'
    run_tool('convert_checkpoint.py', 'advent', cfg.filename, path, '--out', out)
    assert f'tensors of {path}' in capsys.readouterr().out
    models = [load_model(cfg, file).state_dict() for file in (checkpoint, out)]
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())
    with pytest.raises(SystemExit, match='converted.pth is there already.*--overwrite'):
        run_tool('convert_checkpoint.py', 'advent', cfg.filename, path, '--out', out)
    run_tool('convert_checkpoint.py', 'advent', cfg.filename, path, '--out', out, '--overwrite')


def test_an_interrupted_conversion_leaves_the_old_file(
    published, run_tool, tmp_path, interrupted_save
):
    cfg, _, path = published
    out = tmp_path / 'new' / 'converted.pth'
    call = ('convert_checkpoint.py', 'advent', cfg.filename, path, '--out', out)
    run_tool(*call)
    with interrupted_save(out.parent):
        run_tool(*call, '--overwrite')


def test_mistakes(published, run_tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg, _, path = published
    out = tmp_path / 'converted.pth'
    torch.save(dict(epoch=3), tmp_path / 'empty.pth')
    torch.save(dict(state_dict=None), tmp_path / 'none.pth')
    for arguments, words in [
        (('sfc', cfg.filename, path), 'published.pth: the checkpoint does not fit PerFrame'),
        (('advent', cfg.filename, 'gone.pth'), 'gone.pth does not exist'),
        (('advent', 'gone.py', path), 'gone.py'),
        (('advent', cfg.filename, tmp_path / 'empty.pth'), 'empty.pth holds no weights'),
        (('advent', cfg.filename, tmp_path / 'none.pth'), 'none.pth holds no weights'),
        # A config of the package is found from any folder.
        (
            ('advent', 'configs/davsn/accel_viper2city.py', 'empty.pth'),
            'empty.pth holds no weights',
        ),
    ]:
        with pytest.raises(SystemExit, match=f'error: .*({words})'):
            run_tool('convert_checkpoint.py', *arguments, '--out', out)
    for folder in (tmp_path, f'{tmp_path}/new/'):
        with pytest.raises(SystemExit, match='is a folder, and a file is needed.*--out'):
            run_tool(
                *('convert_checkpoint.py', 'advent', cfg.filename, path),
                *('--out', folder, '--overwrite'),
            )
    assert not out.exists() and not (tmp_path / 'new').exists()
    with pytest.raises(SystemExit, match='error: .*is the checkpoint itself'):
        run_tool(
            'convert_checkpoint.py', 'advent', cfg.filename, path, '--out', path, '--overwrite'
        )
