"""Which config starts from which checkpoint: the table in ``configs/README.md``.

python -m tests.origins          # writes it from the configs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mmengine.config import Config

from mmdavss.analysis.results import with_part

CONFIGS = Path(__file__).parents[1] / 'configs'
README = CONFIGS / 'README.md'
BEGIN = '<!-- Origins: written by `python -m tests.origins` -->'
END = '<!-- End of origins -->'


def leaves() -> list[str]:
    """Names of the configs that are trained, below ``configs/``."""
    return sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.glob('[!_]*/*.py'))


@cache
def resolved(name: str) -> Config:
    """A config as mmengine resolves it; not to be changed."""
    return Config.fromfile(CONFIGS / name)


def model_checkpoints(cfg: Mapping) -> Iterator[str]:
    """Checkpoints in ``work_dirs`` that a model's config starts from, its parts' too."""
    for key, value in cfg.items():
        if isinstance(value, Mapping):
            yield from model_checkpoints(value)
        elif key.endswith('checkpoint') and str(value).startswith('work_dirs/'):
            yield value


def origins() -> dict[str, list[str]]:
    """For each checkpoint the names of the configs that start from it."""
    table: dict[str, list[str]] = {}
    for name in leaves():
        for checkpoint in dict.fromkeys(model_checkpoints(resolved(name).model)):
            table.setdefault(checkpoint, []).append(name)
    return dict(sorted(table.items()))


def table() -> str:
    """Rows of the README: checkpoint, and what starts from it."""
    lines = ['| checkpoint | configs that start from it |', '|---|---|']
    for checkpoint, names in origins().items():
        folders: dict[str, list[str]] = {}
        for name in names:
            folder, _, file = name.removesuffix('.py').partition('/')
            folders.setdefault(folder, []).append(file)
        starts = '; '.join(
            f'{folder}: {", ".join(f"`{file}`" for file in files)}'
            for folder, files in folders.items()
        )
        lines.append(f'| `{checkpoint.removeprefix("work_dirs/")}` | {starts} |')
    return '\n'.join(lines)


def with_table(text: str) -> str:
    """The README with the table of today."""
    return with_part(text, BEGIN, END, table())


if __name__ == '__main__':
    README.write_text(with_table(README.read_text()))
