"""Going on where something stopped: what was asked, and what of it is finished.

Work that takes long writes its results one after the other, each as a whole, and notes in a json
file what they are made from and which are there. The same call then does only what is missing, and
another one is refused. Results that say themselves what they are, such as files of flow or the last
checkpoint of a training, need no such file: they are skipped where they exist. A training goes on
by mmengine's own ``resume``; what it was asked is in ``report.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmdavss.fileio import replace_file


def as_json(value: Any, default: Callable[[Any], Any] | None = None) -> Any:
    """A value as it is read again from json: tuples as lists, and keys as texts.

    Args:
        value: The value.
        default: What json gets for objects that it does not know.
    """
    return json.loads(json.dumps(value, default=default))


def write_json(path: str | Path, content: Any) -> None:
    """Writes json, as a whole or not at all."""
    replace_file(path, (json.dumps(content, indent=1) + '\n').encode())


def digest_of(value: Any) -> str:
    """SHA-256 of a json value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def differences(old: object, new: object, name: str = '') -> list[str]:
    """Where two json values differ, as texts."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            text
            for key in dict.fromkeys([*old, *new])
            for text in differences(old.get(key), new.get(key), f'{name}.{key}'.lstrip('.'))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            text
            for number, pair in enumerate(zip(old, new, strict=True))
            for text in differences(*pair, f'{name}.{number}')
        ]
    if old == new:
        return []
    values = f'{old} -> {new}'
    return [f'{name}: {values}' if len(values) < 60 else name]


class Journal:
    """What was asked of some work, and how far it is.

    ::

        journal = Journal(out / 'work.json', asked=dict(model=..., settings=...))
        if journal.path.is_file():
            changed = journal.resume(read_json(journal.path, ...))
            if changed:
                raise UserError(f'{out} was made with another {" and ".join(changed)}')
        for step in steps:
            if step not in journal.state.setdefault('done', []):
                ...  # write its result
                journal.state['done'].append(step)
                journal.save()

    Args:
        path: Its file; the folder exists when it is saved.
        asked: What the results depend on, by name, as json gives it back (:func:`as_json`).
        state: What is written at first; by default `asked`.
        write: Writes the file as a whole, from path and state.

    Attributes:
        state: Content of the file. Whoever changes it calls :meth:`save`.
    """

    def __init__(
        self,
        path: str | Path,
        asked: Mapping[str, Any],
        state: Mapping[str, Any] | None = None,
        write: Callable[[Path, dict[str, Any]], None] = write_json,
    ) -> None:
        self.path = Path(path)
        self.asked = dict(asked)
        self.state = dict(asked if state is None else state)
        self._write = write

    def resume(self, found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Goes on with what was read from the file, if it is of the same work.

        Args:
            found: Content of the file.

        Returns:
            What was asked otherwise, then and now, by name. If there is any, the state stays. Of a
            dict those keys count that it has now: a file may say more.
        """
        changed = {}
        for name, now in self.asked.items():
            before = found.get(name)
            same = (
                all(before.get(key) == value for key, value in now.items())
                if isinstance(now, dict) and isinstance(before, dict)
                else before == now
            )
            if not same:
                changed[name] = before, now
        if not changed:
            self.state = dict(found)
        return changed

    def save(self, **changes: Any) -> None:
        """Writes the state, with `changes`."""
        self.state.update(changes)
        self._write(self.path, self.state)
