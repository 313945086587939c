"""What the commands of tools/analysis share: arguments, models, files."""
from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmdavss.methods.base import BaseAdapter

from .inference import load_model
from .launch import UserError, load_config


class CheckpointParser(argparse.ArgumentParser):
    """Arguments of a command over a list of checkpoints: config, checkpoints, names, output.

    Args:
        doc: Docstring of the command.
        out: Default of ``--out``, the picture; None for a command that writes nothing.
        config: What the command takes from the config.
        optional: Whether the command may be called without a checkpoint.
    """

    def __init__(self, doc: str, out: str | None = None,
                 config: str = 'its student is the network, its test_dataloader the data',
                 optional: bool = False) -> None:
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument('config', help=config)
        self.add_argument('checkpoints', nargs='*' if optional else '+', metavar='CHECKPOINT',
                          help='of any method with that network')
        self.add_argument('--names', nargs='+', help='of the checkpoints')
        self.add_argument('--device', default='cpu')
        self.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                          help='replace values of the config')
        self.out = out
        if out is not None:
            self.add_argument('--out', type=Path, default=Path(out),
                              help=f'the picture; a csv goes beside it (default: {out})')
            self.add_argument('--overwrite', action='store_true', help='replace existing files')

    def parse_args(self, *args, **kwargs) -> argparse.Namespace:
        """Arguments, checked: files exist, names fit, nothing would be overwritten unasked."""
        found = super().parse_args(*args, **kwargs)
        if found.names is None:
            found.names = [Path(path).resolve().parent.name for path in found.checkpoints]
        if len(found.names) != len(found.checkpoints):
            self.error(f'{len(found.names)} names for {len(found.checkpoints)} checkpoints')
        twice = sorted({name for name in found.names if found.names.count(name) > 1})
        if twice:
            self.error(f'several checkpoints are called {twice[0]}: tell them apart with --names')
        for path in (found.config, *found.checkpoints):
            if '://' not in path and not Path(path).is_file():
                self.error(f'{path} does not exist')
        if self.out is not None:
            if found.out.suffix.lower() not in ('.png', '.pdf', '.svg', '.jpg'):
                self.error(f'--out {found.out}: must be a picture (.png)')
            for path in (found.out, found.out.with_suffix('.csv')):
                if path.exists() and not found.overwrite:
                    self.error(f'{path} exists: choose another --out, or --overwrite')
            found.out.parent.mkdir(parents=True, exist_ok=True)
        return found


def read_config(args: argparse.Namespace) -> Config:
    """The config of a command, with its options."""
    cfg = load_config(args.config, args.cfg_options, None)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    return cfg


def models(cfg: Config, args: argparse.Namespace) -> Iterator[tuple[str, BaseAdapter]]:
    """Names and models of all checkpoints, one after the other."""
    for name, checkpoint in zip(args.names, args.checkpoints, strict=True):
        print(name, flush=True)
        yield name, load_model(cfg, checkpoint, args.device)


def test_data(cfg: Config) -> DataLoader:
    """The config's test_dataloader."""
    return Runner.build_dataloader(cfg.test_dataloader)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Writes a table."""
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def save(figure: Figure, out: Path, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Writes a plot, and its numbers into a csv of the same name."""
    figure.savefig(out, dpi=120)
    write_csv(out.with_suffix('.csv'), header, rows)
    print(f'wrote {out} and {out.with_suffix(".csv")}')


def chosen_classes(names: Sequence[str] | None, classes: Sequence[str]) -> list[int]:
    """Numbers of the named classes, all by default.

    Raises:
        UserError: If there is no such class.
    """
    unknown = [name for name in names or () if name not in classes]
    if unknown:
        raise UserError(f'there is no class {unknown[0]!r}, only {", ".join(classes)}')
    return [k for k, name in enumerate(classes) if names is None or name in names]


def run(main: Callable[[], None]) -> None:
    """Runs a command; what its user did wrong ends it with one line."""
    try:
        main()
    except (OSError, UserError, ValueError) as error:
        raise SystemExit(f'\nerror: {error}') from error
    except KeyboardInterrupt:
        raise SystemExit('\ninterrupted') from None
