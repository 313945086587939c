"""What the releases run with, beside what the full-size configs say: ``tests/data/releases.json``.

    python -m tests.releases          # writes the tables of deviations into configs/*/README.md

Each entry of the file is a set of configs (``configs``, patterns below ``configs/``) or a block
that others name in ``like``:

``origin``      where the values are from: repository and commit, or a section of a paper.
``values``      {path: value of the release}. A path walks through the resolved config by keys, and
                through lists of transforms, hooks and metrics by ``type``
                (``train_dataloader.dataset.source.pipeline.ClipResize.scale``). What a config
                leaves out has the default of its class; what is nowhere is null. A list of names is
                compared with the types of a list.
``rates``       {player: {part: [learning rate, weight decay]}} of the first step, ``model`` being
                the player of methods without an adversary. A part is the beginning of a parameter's
                name below the player (all of it if empty); the longest one counts. A list of pairs
                where both occur in a part; null where nothing of a part is trained. All that is
                trained has to be there.
``schedule``    {player: {part: rates}}: the name of an array of ``release_schedules.npz`` and its
                column (``["name", 0]``), a poly ``{"base":, "power":, "horizon":}``, or an array of
                factors of a rate ``{"base":, "factor": "name"}``, which are the rates of the array
                divided by ``"of"`` if that is given.
``deviations``  {path: {"what":, "ours":, "reason":}}: where a config does not have the release's
                value, and means it. ``rates.PLAYER.PART`` and ``schedule.PLAYER.PART`` are paths
                too.
``notes``       [{"what":, "release":, "ours":, "reason":}]: deviations that no config shows.

Entries inherit ``values``, ``rates``, ``schedule``, ``deviations`` and ``notes`` of the blocks that
they name in ``like``, the later ones first in case of doubt, their own above all; a value, rate or
schedule of "absent" takes an inherited one away.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdavss.analysis.results import with_part

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
FILE = Path(__file__).parent / 'data/releases.json'
BEGIN = '<!-- Deviations: written by `python -m tests.releases` from tests/data/releases.json -->'
END = '<!-- End of deviations -->'
MERGED = ('values', 'rates', 'schedule', 'deviations')


@cache
def full_size() -> list[str]:
    """Names of the configs at the size of the papers, below ``configs/``.

    Not among them are small networks and small data; nor day to dusk on CamVid with ResNet-101
    (``{source_only,oracle,adabn}/accel_camvid-day2dusk.py``), which no paper and no release has.
    """
    small = ('-r18', 'effnet-lite0', 'mini', 'camvid-day')
    names = (path.relative_to(CONFIGS).as_posix() for path in CONFIGS.glob('[!_]*/*.py'))
    return sorted(name for name in names if not any(word in name for word in small))


@cache
def entries() -> dict[str, dict]:
    """The entries with what they inherit."""
    raw = json.loads(FILE.read_text())

    def whole(name: str) -> dict:
        entry = raw[name]
        merged = {key: {} for key in MERGED} | {'notes': []}
        for part in [*(whole(block) for block in entry.get('like', ())), entry]:
            for key in MERGED:
                _merge(merged[key], part.get(key, {}))
            merged['notes'] = merged['notes'] + part.get('notes', [])
        return {**entry, **merged}

    return {name: whole(name) for name in raw}


def _merge(into: dict, new: Mapping) -> None:
    for key, value in new.items():
        if value == 'absent':
            into.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(into.get(key), dict) and 'ours' not in value:
            into[key] = dict(into[key])
            _merge(into[key], value)
        else:
            into[key] = value


@cache
def entries_of(config: str) -> dict[str, dict]:
    """The entries that speak of a config."""
    return {
        name: entry
        for name, entry in entries().items()
        if any(fnmatch(config, pattern) for pattern in entry.get('configs', ()))
    }


# ------------------------------------------------------------------- values


@cache
def resolved(config: str) -> Config:
    """A config as mmengine resolves it; not to be changed."""
    return Config.fromfile(CONFIGS / config)


def value_at(cfg: Any, path: str) -> Any:
    """What a config says at a path, see above; None where it says nothing."""
    if isinstance(cfg, Config):  # no Mapping
        cfg = cfg._cfg_dict
    for key in path.split('.'):
        if isinstance(cfg, (Mapping, Config)):
            cfg = cfg[key] if key in cfg else _default(cfg, key)
        elif isinstance(cfg, Sequence) and not isinstance(cfg, str):
            cfg = (
                cfg[int(key)]
                if key.isdigit()
                else next((item for item in cfg if item.get('type') == key), None)
            )
        else:
            return None
    return cfg


def _default(cfg: Mapping, key: str) -> Any:
    """The default of an argument of the class that a config names."""
    from mmseg import registry

    kind = cfg.get('type')
    if not isinstance(kind, str):
        return None
    for room in ('MODELS', 'TRANSFORMS', 'DATASETS', 'HOOKS', 'METRICS'):
        found = getattr(registry, room).get(kind)
        if found is None:
            continue
        for ancestor in found.__mro__:
            parameter = (
                inspect.signature(ancestor.__init__).parameters.get(key)
                if '__init__' in vars(ancestor)
                else None
            )
            if parameter is not None and parameter.default is not inspect.Parameter.empty:
                return parameter.default
    return None


def same(ours: Any, release: Any) -> bool:
    """Whether a value of a config is that of the file."""
    if isinstance(release, float) or isinstance(ours, float):
        return (
            ours is not None
            and release is not None
            and not isinstance(ours, (str, Sequence))
            and abs(ours - release) <= 1e-9 * abs(release)
        )
    if isinstance(release, list):
        if not isinstance(ours, Sequence) or isinstance(ours, str) or len(ours) != len(release):
            return False
        return all(
            same(
                own.get('type') if isinstance(own, Mapping) and isinstance(their, str) else own,
                their,
            )
            for own, their in zip(ours, release, strict=True)
        )
    if isinstance(release, dict):
        return (
            isinstance(ours, Mapping)
            and ours.keys() == release.keys()
            and all(same(ours[key], release[key]) for key in release)
        )
    return ours == release and isinstance(ours, bool) == isinstance(release, bool)


# ------------------------------------------------------------------- tables


def deviations(folder: str) -> Iterator[tuple[list[str], tuple[str, str, str, str]]]:
    """Rows of the table of a folder: patterns of configs, and what, release, ours, reason."""
    for entry in entries().values():
        patterns = [p for p in entry.get('configs', ()) if p.split('/')[0] == folder]
        if not patterns:
            continue
        for path, deviation in entry['deviations'].items():
            yield (
                patterns,
                (
                    deviation.get('what', f'`{path}`'),
                    _shown(released(entry, path)),
                    _shown(deviation['ours']),
                    deviation['reason'],
                ),
            )
        for note in entry['notes']:
            yield patterns, (note['what'], note['release'], note['ours'], note['reason'])


def released(entry: Mapping, path: str) -> Any:
    """The release's value of a path of a deviation."""
    kind, _, rest = path.partition('.')
    if kind in ('rates', 'schedule'):
        player, _, part = rest.partition('.')
        return entry[kind][player][part]
    return entry['values'][path]


def _shown(value: Any) -> str:
    if value is None:
        return 'none'
    if isinstance(value, dict) and {'base', 'power', 'horizon'} <= value.keys():
        return f'{value["base"]:g}, poly {value["power"]:g} over {value["horizon"]}'
    return value if isinstance(value, str) else json.dumps(value)


def table(folder: str) -> str:
    """The table of deviations of a folder, as markdown."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for patterns, row in deviations(folder):
        merged.setdefault(row, []).extend(patterns)
    if not merged:
        return 'None that is known.'
    lines = ['| what | release | here | why | configs |', '|---|---|---|---|---|']
    lines += [
        '| ' + ' | '.join((*row, _named(folder, patterns))) + ' |'
        for row, patterns in merged.items()
    ]
    return '\n'.join(lines)


def _named(folder: str, patterns: Sequence[str]) -> str:
    """Which configs of a folder the patterns are."""
    own = [config for config in full_size() if config.startswith(f'{folder}/')]
    if all(any(fnmatch(config, pattern) for pattern in patterns) for config in own):
        return 'all'
    return ', '.join(
        f'`{pattern.split("/", 1)[1].removesuffix(".py")}`' for pattern in dict.fromkeys(patterns)
    )


def with_table(text: str, folder: str) -> str:
    """The text of a README with the table of today.

    Raises:
        ValueError: If there is no place for it.
    """
    try:
        return with_part(text, BEGIN, END, table(folder))
    except ValueError as error:
        raise ValueError(f'configs/{folder}/README.md: {error}: put these lines there') from None


def folders() -> list[str]:
    """Folders of configs with an entry."""
    return sorted(
        {
            pattern.split('/')[0]
            for entry in entries().values()
            for pattern in entry.get('configs', ())
        }
    )


def readme(folder: str) -> Path:
    """The README of a folder of configs."""
    return CONFIGS / folder / 'README.md'


def main() -> None:
    for folder in folders():
        path = readme(folder)
        if not path.is_file():
            print(f'{folder}: no README.md')
            continue
        text = path.read_text()
        if (new := with_table(text, folder)) != text:
            path.write_text(new)
            print(f'{path.relative_to(ROOT)}: written')


if __name__ == '__main__':
    main()
