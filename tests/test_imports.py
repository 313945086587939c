"""Which part of the package may import which: downwards only, so that there are no circles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = 'mmdavss'
#: The rooms from the ground up. One may import those before it, wherever the import stands in its
#: files: at the top, in a function, or for type checkers alone.
ROOMS = (
    'version',
    'dependencies',
    'utils',
    'structures',
    'ops',
    'datasets',
    'flow',
    'backbones',
    'heads',
    'video_nets',
    'modules',
    'losses',
    'evaluation',
    'methods',
    'visualization',
    'minidrive',
    'engine',
    'testing',
    'launch',
    'pseudo_labels',
    'convert',
    'analysis',
    'inference',
    'adaptation',
    'apis',
    'cli',
    '__init__',
)


def imports(source: str, file: str) -> Iterator[str]:
    """Dotted names in the package that a file imports: modules, or what is in them.

    Args:
        source: Its content.
        file: Its path below the folder of the package's own, such as ``'mmdavss/ops/warp.py'``.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = Path(file).parent.parts
            above = parts[: len(parts) + 1 - node.level] if node.level else ()
            module = '.'.join([*above, *filter(None, [node.module])])
            names = [f'{module}.{alias.name}' for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split('.')[0] == PACKAGE)


def room(name: str) -> str:
    """The room of a dotted name; names of the package itself are those of ``__init__``."""
    part = name.split('.')[1] if '.' in name else '__init__'
    folder = ROOT / PACKAGE
    return part if (folder / part).is_dir() or (folder / f'{part}.py').is_file() else '__init__'


def upward(source: str, file: str) -> list[str]:
    """The imports of a file that do not lead downwards."""
    own = room('.'.join(Path(file).with_suffix('').parts))
    rank = {name: number for number, name in enumerate(ROOMS)}
    return [
        f'{file} imports {name}'
        for name in imports(source, file)
        if room(name) != own and rank[room(name)] >= rank[own]
    ]


def sources() -> dict[str, str]:
    """All files of the package, by their paths below the repository."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding='utf-8')
        for path in sorted((ROOT / PACKAGE).rglob('*.py'))
    }


def test_every_room_has_its_place():
    names = {
        path.stem
        for path in (ROOT / PACKAGE).iterdir()
        if path.suffix == '.py' or (path / '__init__.py').is_file()
    }
    assert names <= set(ROOMS)


def test_imports_lead_down():
    assert [text for file, source in sources().items() for text in upward(source, file)] == []


def test_no_circle_within_a_room():
    """Of files: one that imports its own package gets what that has imported so far."""
    files = sources()
    graph = {}
    for file, source in files.items():
        found = set()
        for name in imports(source, file):
            path = name.replace('.', '/')
            parent = path.rpartition('/')[0]
            options = (f'{path}.py', f'{path}/__init__.py', f'{parent}.py', f'{parent}/__init__.py')
            found.add(next(option for option in options if option in files))
        graph[file] = found
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the files


@pytest.mark.parametrize(
    'line',
    [
        'from mmdavss.engine import Clip',
        'from ..engine.hooks import StopSignalHook',
        'from .. import engine',
        'import mmdavss.engine.hooks',
        'def later():\n    from mmdavss.engine import Clip',
        'if TYPE_CHECKING:\n    from mmdavss.engine import Clip',
        'import mmdavss',
    ],
)
def test_what_is_found(line):
    assert len(upward(line, 'mmdavss/losses/gan.py')) == 1


def test_what_is_allowed():
    lines = 'from mmdavss.utils.distributed import mean_log\nfrom .tube_dice import tube\nimport os'
    assert upward(lines, 'mmdavss/losses/gan.py') == []
    assert upward(lines, 'mmdavss/losses/__init__.py') == []


def test_without_signals_and_errors_of_other_systems():
    """Windows has no SIGUSR1, macOS no EREMOTEIO."""
    code = (
        'import errno, signal; del signal.SIGUSR1, errno.EREMOTEIO\n'
        'import mmdavss, mmdavss.utils.inputs\n'
        'from mmdavss.engine.hooks.stop_signal import SIGNALS\n'
        'assert SIGNALS == (signal.SIGTERM,)'
    )
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
