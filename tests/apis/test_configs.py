from pathlib import Path

import pytest

from mmdavss import get_config_path


def test_finds_a_config():
    root = Path(__file__).parents[2]
    expected = root / 'configs' / '_base_' / 'default_runtime.py'
    assert Path(get_config_path('_base_/default_runtime.py')) == expected.resolve()


def test_names_the_nearest_configs():
    with pytest.raises(FileNotFoundError, match='_base_/default_runtime.py'):
        get_config_path('_base_/default_runtim.py')
