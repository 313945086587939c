"""KEY=VALUE on the command line."""

from __future__ import annotations

import argparse
import math

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
    'text',
    ['001', '-007', '0001_02', '2024_07_13', '1_0.5', '00.5', 'nan', 'INF', 'Infinity', '١'],
)
def test_names_that_python_reads_as_numbers_are_text(text):
    assert parse(f'a={text}', f'b=[{text}]') == dict(a=text, b=[text])


def test_spellings_of_numbers():
    texts = [
        '0',
        '-3',
        '+3',
        '1e-5',
        '1e-05',
        '.5',
        '-.5',
        '1.',
        '1E3',
        '0.50',
        '+1.5e+2',
        '0e0',
        '-inf',
    ]
    numbers = [0, -3, 3, 1e-5, 1e-5, 0.5, -0.5, 1.0, 1000.0, 0.5, 150.0, 0.0, -math.inf]
    assert repr([parse(f'a={text}')['a'] for text in texts]) == repr(numbers)
    for text in ('.', '+', 'e5', '.e5', '1e', '1.2.3', '1 2', '0x1', ''):
        assert parse(f'a={text}') == dict(a=text)


@pytest.mark.parametrize(
    'value',
    [*('001', '1_0', 'nan', '1e3', '+3')]
    + [*('a b', 'a,b', 'None', '1', '', ' a ', "it's, no", '[0-9]', "'q'", '{a}_(b).png', 'a\nb')]
    + [1, 1e-7, math.inf, False, None, [], [1, '1', ['a,b', None]], (1,), ()],
)
def test_other_programs_get_the_same_value(value):
    (found,) = parse(key_value('a.b', value)).values()
    assert repr(found) == repr(value)


@pytest.mark.parametrize('value', [dict(b=1), 'both \' and "', [dict(b=1)], float('nan')])
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
