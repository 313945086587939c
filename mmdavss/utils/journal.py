"""Resuming interrupted work: records what was requested and what is finished.

Long-running work writes its results one by one, each atomically, and records in a json file what
they are made from and which exist. The same call then computes only what is missing; a call with
other settings is refused. Self-describing results, such as flow files or the last checkpoint of a
training, need no such file and are skipped if they exist. Training continues by mmengine's own
``resume``; its settings are in ``report.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmdavss.utils.files import replace_file


def as_json(value: Any, default: Callable[[Any], Any] | None = None) -> Any:
    """Converts a value to what json would read back: tuples as lists, keys as strings.

    Args:
        value: The value.
        default: Converts objects that json does not support.
    """
    return json.loads(json.dumps(value, default=default))


def write_json(path: str | Path, content: Any) -> None:
    """Writes json, completely or not at all."""
    replace_file(path, (json.dumps(content, indent=1) + '\n').encode())


def last_report(work_dir: Path) -> dict[str, Any]:
    """The ``report.json`` of the last start of a training; empty without one that can be read."""
    found = sorted(work_dir.glob('*/report.json'))
    try:
        report = json.loads(found[-1].read_text(encoding='utf-8')) if found else {}
    except ValueError:  # the machine went down
        return {}
    return report if isinstance(report, dict) else {}


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
    """Describes where two json values differ."""
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
    """Records the settings and the progress of a long computation.

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
        path: The journal's file; its folder must exist when it is saved.
        asked: The settings that the results depend on, by name, as json reads them back
            (:func:`as_json`).
        state: Initial content of the file; by default `asked`.
        write: Writes the file atomically, from path and state.

    Attributes:
        state: Content of the file. After a change, call :meth:`save`.
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
        """Continues from the content of the file if its settings are the same.

        Args:
            found: Content of the file.

        Returns:
            The settings that differ, with old and new value, by name. If any do, the state does not
            change. Of a dict only the new keys are compared: the file may have more.
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
