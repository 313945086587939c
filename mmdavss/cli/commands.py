"""The functions of the console commands that ``setup.py`` lists."""

from __future__ import annotations

import argparse
import ast
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

from mmdavss.utils.configs import config_names, get_config_path, shipped_folder


def run_tool(name: str) -> None:
    """Runs a tool of ``tools/`` with the arguments of this process, as ``python tools/NAME`` would.

    It becomes the main module, so that spawned processes find its functions, but unlike with
    ``runpy`` its help and errors show the name of the console command.

    Args:
        name: Path below ``tools/``.
    """
    path = shipped_folder('tools') / name
    tree = ast.parse(path.read_text(encoding='utf-8'), str(path))
    main = ModuleType('__main__')
    main.__file__ = str(path)
    sys.modules['__main__'] = main
    # The help is the docstring, which shows the call in a clone.
    expression = tree.body[0]
    assert isinstance(expression, ast.Expr) and isinstance(expression.value, ast.Constant)
    docstring = expression.value
    docstring.value = str(docstring.value).replace(f'python tools/{name}', Path(sys.argv[0]).name)
    exec(compile(tree, str(path), 'exec'), main.__dict__)


train = partial(run_tool, 'train.py')
test = partial(run_tool, 'test.py')
run_phases = partial(run_tool, 'run_phases.py')
adapt = partial(run_tool, 'adapt_video.py')
video_demo = partial(run_tool, 'video_demo.py')
export = partial(run_tool, 'export_segmentor.py')
convert = partial(run_tool, 'convert_checkpoint.py')
pseudo_labels = partial(run_tool, 'generate_pseudo_labels.py')
select_source = partial(run_tool, 'select_source.py')
class_statistics = partial(run_tool, 'class_statistics.py')
precompute_flow = partial(run_tool, 'precompute_flow.py')
make_minidrive = partial(run_tool, 'make_minidrive.py')
make_bddvid = partial(run_tool, 'make_bddvid.py')
demo = partial(run_tool, 'demo.py')
torchrun = partial(run_tool, 'torchrun_local.py')


def analysis() -> None:
    """``mmdavss-analysis NAME ...``: runs one of ``tools/analysis``."""
    names = sorted(path.stem for path in (shipped_folder('tools') / 'analysis').glob('*.py'))
    parser = argparse.ArgumentParser(
        description='Analyses of runs and models; NAME --help says more.', usage='%(prog)s NAME ...'
    )
    parser.add_argument('name', choices=names, metavar='NAME', help=', '.join(names))
    name = parser.parse_args(sys.argv[1:2]).name
    sys.argv[:2] = [f'{sys.argv[0]} {name}']
    run_tool(f'analysis/{name}.py')


def config() -> None:
    """``mmdavss-config NAME``: prints the path of a config, for programs such as mim."""
    parser = argparse.ArgumentParser(
        description='Prints the path of a config of the package, or the names of all of them.'
    )
    parser.add_argument('name', nargs='?', help='such as stpl/accel_viper2city.py')
    name = parser.parse_args().name
    if name is None:
        print('\n'.join(name for name in config_names() if not name.startswith('_base_/')))
        return
    try:
        print(get_config_path(name))
    except FileNotFoundError as error:
        parser.error(str(error))
