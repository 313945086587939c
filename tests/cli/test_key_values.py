"""KEY=VALUE on the command line."""

from __future__ import annotations

import argparse

import pytest

from mmdavss.cli.key_values import KeyValues, key_value
from mmdavss.utils.errors import UserError


def parse(*values: str) -> dict:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=KeyValues)
    return parser.parse_args(['--cfg-options', *values]).cfg_options


def test_values():
    assert parse('a.b=1', 'c=[1,x]', 'd=a=b') == {'a.b': 1, 'c': [1, 'x'], 'd': 'a=b'}
    lists = parse('a=1, x ,', 'b=[(1, 2.5), [a b, True], None]', 'c=()', 'd=(1,)')
    assert lists == dict(a=[1, 'x'], b=[(1, 2.5), ['a b', True], None], c=(), d=(1,))


def test_text_is_kept():
    """Its spaces, and in quotes all of it."""
    values = parse('a=/my drive/b.pth', 'b="/my drive/a,b.pth"', "c=['a,b', \"it's\"]", "d='1'")
    assert values == dict(a='/my drive/b.pth', b='/my drive/a,b.pth', c=['a,b', "it's"], d='1')


@pytest.mark.parametrize(
    'value',
    [*('a b', 'a,b', 'None', '1', '', ' a ', "it's, no", '[0-9]', "'q'", '{a}_(b).png', 'a\nb')]
    + [1, 1e-7, False, None, [], [1, '1', ['a,b', None]], (1,), ()],
)
def test_other_programs_get_the_same_value(value):
    (found,) = parse(key_value('a.b', value)).values()
    assert repr(found) == repr(value)


@pytest.mark.parametrize('value', [dict(b=1), 'both \' and "', [dict(b=1)]])
def test_what_cannot_be_passed_is_an_error(value):
    with pytest.raises(UserError, match='a=.* cannot be passed on a command line'):
        key_value('a', value)


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        ('x', "'x' is not KEY=VALUE"),
        ('=3', "'=3' is not KEY=VALUE"),
        ('', "'' is not KEY=VALUE"),
        ('a=[1,2', "'a=[1,2': Imbalanced brackets"),
        ('a=[1,(2])', "'a=[1,(2])': Imbalanced brackets"),
        ('a=[0-9]*[a-z]', "'a=[0-9]*[a-z]': Imbalanced brackets"),
        ("a=['1, 2]", '"a=[\'1, 2]": Imbalanced brackets'),
    ],
)
def test_what_is_none_ends_with_a_line(value, words, capsys):
    with pytest.raises(SystemExit):
        parse('a=1', value)
    assert f'error: argument --cfg-options: {words}' in capsys.readouterr().err
