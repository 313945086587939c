from pathlib import Path

import pytest

from mmdavss import get_config_path
from mmdavss.launch.config_file import load_config
from mmdavss.utils.configs import find_config
from mmdavss.utils.errors import UserError

NAME = 'stpl/accel-r18_miniviper2minicity.py'


def test_finds_a_config():
    root = Path(__file__).parents[2]
    expected = root / 'configs' / '_base_' / 'default_runtime.py'
    assert Path(get_config_path('_base_/default_runtime.py')) == expected.resolve()


def test_names_the_nearest_configs():
    with pytest.raises(FileNotFoundError, match='_base_/default_runtime.py'):
        get_config_path('_base_/default_runtim.py')


@pytest.mark.parametrize('typed', [NAME, f'configs/{NAME}'])
def test_a_config_of_the_package_needs_no_clone(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(typed, None, None)
    assert cfg.filename == get_config_path(NAME)
    assert cfg.work_dir == 'work_dirs/stpl/accel-r18_miniviper2minicity'


def test_a_file_of_the_user_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = Path('configs', NAME)
    mine.parent.mkdir(parents=True)
    mine.write_text('a = 1')
    assert find_config(mine) == mine
    assert find_config(tmp_path / mine) == tmp_path / mine


@pytest.mark.parametrize(
    'typed', ['configs/stpl/accel-r18_miniviper2minicit.py', 'stpl/accel-r18_miniviper2minicit.py']
)
def test_a_config_that_is_missing_names_the_nearest(typed):
    with pytest.raises(UserError, match=f'config file not found: {typed}; did you mean {NAME}'):
        load_config(typed, None, None)
