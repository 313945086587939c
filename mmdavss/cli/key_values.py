"""``--cfg-options`` and similar options: KEY=VALUE ..."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from mmdavss.utils.errors import UserError

_QUOTED = re.compile(r'\'[^\']*\'|"[^"]*"')
#: A number as one writes it; ``real`` is empty for an integer. Names of folders and sequences
#: (001, 2024_07_13) are text, although Python reads them as numbers, too.
_NUMBER = re.compile(
    r'[+-]?(?:(?=\.?[0-9])(?:0|[1-9][0-9]*)?(?P<real>(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)|inf)'
)


class KeyValues(argparse.Action):
    """Collects KEY=VALUE arguments in a dict; values as :func:`parse_value` reads them.

    Raises:
        argparse.ArgumentError: If an argument is not KEY=VALUE, or brackets are not closed.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        found = dict(getattr(namespace, self.dest, None) or {})
        for given in values or ():
            key, equals, text = given.partition('=')
            if not key.strip('.') or not equals:
                raise argparse.ArgumentError(
                    self, f'{given!r} is not KEY=VALUE, for example model.a=1'
                )
            try:
                found[key] = parse_value(text)
            except ValueError as error:
                raise argparse.ArgumentError(self, f'{given!r}: {error}') from None
        setattr(namespace, self.dest, found)


def parse_value(text: str) -> Any:
    """Reads a value like mmengine's ``DictAction``, but changes no text.

    ``1``, ``0.5``, ``True`` and ``None`` are what they look like, ``a,b`` and ``[a,b]`` are lists,
    ``(a,b)`` is a tuple, and these may be nested. All else is text, also with spaces in it, and
    what is no usual spelling of a number: ``001``, ``2024_07_13``, ``nan``. Text in quotes is kept
    as it is, commas and brackets included.

    Raises:
        ValueError: If brackets of a list or tuple are not closed.
    """
    text = text.strip()
    if _QUOTED.fullmatch(text):
        return text[1:-1]
    if text[:1] + text[-1:] in ('()', '[]'):
        items = [parse_value(part) for part in _split(text[1:-1])]
        return tuple(items) if text[0] == '(' else items
    if ',' in text and (parts := _split(text)) != [text]:
        return [parse_value(part) for part in parts]
    if number := _NUMBER.fullmatch(text):
        return int(text) if number['real'] == '' else float(text)
    return {'true': True, 'false': False}.get(text.lower(), None if text == 'None' else text)


def key_value(key: str, value: Any) -> str:
    """KEY=VALUE for the command line of another program, which :class:`KeyValues` reads as `value`.

    Raises:
        UserError: If there is no such text.
    """
    text = _text(value)
    try:
        kept = repr(parse_value(text)) == repr(value)
    except ValueError:
        kept = False
    if not kept:
        raise UserError(
            f'{key}={value!r} cannot be passed on a command line: only numbers, True, False, None, '
            'lists and tuples of these can, and text that lacks one of the two quotes'
        )
    return f'{key}={text}'


def _text(value: Any, quoted: bool = False) -> str:
    """A value as :func:`parse_value` reads it, if it can at all; `quoted`: text always."""
    if isinstance(value, list | tuple):
        items = ', '.join(_text(item, quoted=True) for item in value)
        if isinstance(value, list):
            return f'[{items}]'
        return f'({items},)' if len(value) == 1 else f'({items})'
    if isinstance(value, str):
        special = set(value) & set('\'",()[]')
        if quoted or special or parse_value(value) != value:
            return f'"{value}"' if "'" in value else f"'{value}'"
    return str(value)


def _split(text: str) -> list[str]:
    """Splits text at its commas, except for those in brackets and in quoted items."""
    parts, quote, balanced = [''], '', True
    closing: list[str] = []  # brackets, the innermost last
    for place, sign in enumerate(text):
        if quote:
            quote = '' if sign == quote else quote
        elif sign in '\'"' and text[:place].rstrip()[-1:] in ('', ',', '(', '['):
            quote = sign
        elif sign in '([':
            closing.append({'(': ')', '[': ']'}[sign])
        elif sign in ')]':
            balanced &= bool(closing) and closing.pop() == sign
        elif sign == ',' and not closing:
            parts.append('')
            continue
        parts[-1] += sign
    if closing or quote or not balanced:
        raise ValueError(f'Imbalanced brackets or quotes in {text!r}: put text in quotes')
    # As in Python, a comma may follow the last item.
    return parts if parts[-1].strip() else parts[:-1]
