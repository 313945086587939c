"""KEY=VALUE on the command line."""

from __future__ import annotations

import argparse

import pytest

from mmdavss.cli.key_values import KeyValues


def parse(*values: str) -> dict:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=KeyValues)
    return parser.parse_args(['--cfg-options', *values]).cfg_options


def test_values():
    assert parse('a.b=1', 'c=[1,x]', 'd=a=b') == {'a.b': 1, 'c': [1, 'x'], 'd': 'a=b'}


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        ('x', "'x' is not KEY=VALUE"),
        ('=3', "'=3' is not KEY=VALUE"),
        ('', "'' is not KEY=VALUE"),
        ('a=[1,2', "'a=[1,2': Imbalanced brackets"),
    ],
)
def test_what_is_none_ends_with_a_line(value, words, capsys):
    with pytest.raises(SystemExit):
        parse('a=1', value)
    assert f'error: argument --cfg-options: {words}' in capsys.readouterr().err
