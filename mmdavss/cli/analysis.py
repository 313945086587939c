"""Shared code of the commands in tools/analysis: arguments, models, files."""

from __future__ import annotations

import argparse
import csv
import io
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.datasets.label_maps import LabelSet
from mmdavss.launch.config_file import load_config, require, without_pipeline
from mmdavss.launch.model import load_model
from mmdavss.methods.base import BaseAdapter
from mmdavss.utils.checkpoints import is_missing
from mmdavss.utils.classes import check_classes, class_names
from mmdavss.utils.configs import find_config
from mmdavss.utils.device import device_option
from mmdavss.utils.errors import UserError, number_of
from mmdavss.utils.files import (
    check_writable,
    refuse_existing,
    replace_file,
    unfinished_file,
)
from mmdavss.utils.inputs import natural

#: Suffixes of plots, which matplotlib writes, and of images, which OpenCV writes.
PLOTS = ('.png', '.jpg', '.pdf', '.svg')
IMAGES = ('.png', '.jpg')


class CheckpointParser(argparse.ArgumentParser):
    """Arguments of a command over a list of checkpoints: config, checkpoints, names, output.

    Args:
        doc: Docstring of the command.
        out: Default of ``--out``, the picture, or None for a command that writes nothing.
        config: What the command takes from the config.
        optional: Whether the command may be called without a checkpoint.
        suffixes: Suffixes that the picture may have.
    """

    def __init__(
        self,
        doc: str,
        out: str | None = None,
        config: str = 'its student is the network, its test_dataloader the data',
        optional: bool = False,
        suffixes: Sequence[str] = PLOTS,
    ) -> None:
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument('config', help=config)
        self.add_argument(
            'checkpoints',
            nargs='*' if optional else '+',
            metavar='CHECKPOINT',
            help='checkpoints of any method with that network',
        )
        self.add_argument('--names', nargs='+', help='names of the checkpoints')
        self.add_argument(
            '--device', type=device_option, default='cpu', help='cpu (default), cuda, cuda:1 ...'
        )
        self.add_argument(
            '--cfg-options',
            nargs='+',
            action=KeyValues,
            metavar='KEY=VALUE',
            help='replace values of the config',
        )
        self.out = out
        self.suffixes = suffixes
        if out is not None:
            self.add_argument(
                '--out',
                type=Path,
                default=Path(out),
                help=f'the picture; a csv is written beside it (default: {out})',
            )
            self.add_argument('--overwrite', action='store_true', help='replace existing files')

    def parse_args(self, *args, **kwargs) -> argparse.Namespace:
        """Parses and checks the arguments: files exist, names fit, the picture can be written
        and overwrites nothing unasked."""
        found = super().parse_args(*args, **kwargs)
        if found.names is None:
            found.names = [Path(path).absolute().parent.name for path in found.checkpoints]
        if len(found.names) != len(found.checkpoints):
            self.error(
                f'{number_of(len(found.names), "name")} for '
                f'{number_of(len(found.checkpoints), "checkpoint")}'
            )
        twice = sorted({name for name in found.names if found.names.count(name) > 1})
        if twice:
            self.error(f'several checkpoints are called {twice[0]}: tell them apart with --names')
        try:
            found.config = str(find_config(found.config))
        except FileNotFoundError as error:
            self.error(str(error))
        for path in found.checkpoints:
            if is_missing(path):
                self.error(f'{path} does not exist')
        if self.out is not None:
            check_picture(self, found.out, found.overwrite, self.suffixes)
        return found


def check_picture(
    parser: argparse.ArgumentParser,
    out: Path,
    overwrite: bool,
    suffixes: Sequence[str] = PLOTS,
) -> None:
    """Checks that a picture, which a csv file accompanies, can be written.

    It is a usage error if it is no picture of these suffixes.

    Raises:
        UserError: If one of the two files is there already, or the folder cannot be written to.
    """
    if out.suffix.lower() not in suffixes:
        first, *others = suffixes
        parser.error(f'--out {out}: must be a picture ({first}), or end in {", ".join(others)}')
    refuse_existing((out, out.with_suffix('.csv')), overwrite)
    check_writable(out.parent, 'write the picture elsewhere (--out)')


def read_config(args: argparse.Namespace) -> Config:
    """Reads the config of a command and applies its options."""
    cfg = load_config(args.config, args.cfg_options, None)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    return cfg


def models(
    cfg: Config, args: argparse.Namespace, metainfo: Mapping[str, Any]
) -> Iterator[tuple[str, BaseAdapter]]:
    """Yields name and model of each checkpoint.

    Args:
        cfg: The config.
        args: The options of the command.
        metainfo: That of the data set of test_dataloader.

    Raises:
        UserError: If a model has other classes than the data set.
        CheckpointError: If a checkpoint is damaged or does not fit, before the first is yielded.
    """
    count = len(metainfo.get('classes') or ())
    check_checkpoints(cfg, args)
    for name, checkpoint in zip(args.names, args.checkpoints, strict=True):
        print(name, flush=True)
        model = load_model(cfg, checkpoint, args.device)
        check_classes(model, count, 'the data set of test_dataloader')
        yield name, model


def check_checkpoints(cfg: Config, args: argparse.Namespace) -> None:
    """Loads all checkpoints but the first, which is used at once.

    They are used after passes over the data, whose results one that is damaged would cost.

    Raises:
        CheckpointError: If one is damaged or does not fit.
    """
    for checkpoint in args.checkpoints[1:]:
        load_model(cfg, checkpoint)


def test_data(cfg: Config) -> DataLoader:
    """Builds the config's test_dataloader.

    Raises:
        UserError: If it has none, or its data set names no classes.
    """
    require(cfg, 'test_dataloader.dataset')
    loader = Runner.build_dataloader(cfg.test_dataloader)
    dataset: Any = loader.dataset
    class_names(dataset.metainfo, 'the data set of test_dataloader')
    return loader


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Writes a table, and creates its folder."""
    text = io.StringIO(newline='')
    csv.writer(text).writerows([header, *rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.getvalue().encode())


def save(figure: Figure, out: Path, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Writes a plot, and before it its numbers into a csv of the same name."""
    write_csv(out.with_suffix('.csv'), header, rows)
    with unfinished_file(out) as file:
        figure.savefig(file, format=out.suffix[1:].lower(), dpi=120, bbox_inches='tight')
    print(f'wrote {out} and {out.with_suffix(".csv")}')


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a test set.

    Attributes:
        path: Image file.
        number: Its number in the sequence.
        label: Label file and how it is stored, or None.
    """

    path: str
    number: int
    label: tuple[str, LabelSet] | None


def add_frame_arguments(
    parser: argparse.ArgumentParser, count: int = 4, first: str = 'the first'
) -> None:
    """Adds arguments that choose consecutive frames of the test data."""
    parser.add_argument('--sequence', help='name in the test data (default: the first)')
    parser.add_argument(
        '--first',
        type=int,
        metavar='NUMBER',
        help=f'first frame, its number in the sequence (default: {first})',
    )
    parser.add_argument('--count', type=int, default=count, help=f'number of frames ({count})')
    parser.add_argument('--step', type=int, default=1, help='distance between them (1)')


def video_frames(
    cfg: Config, args: argparse.Namespace, before: int = 0, needed: int = 0, reach: int = 0
) -> tuple[list[VideoFrame], list[int]]:
    """Selects consecutive frames of a test_dataloader's video, labelled or not.

    Args:
        cfg: The config.
        args: Arguments, including those of :func:`add_frame_arguments`.
        before: Number of preceding frames to include, if there are as many.
        needed: Number of preceding frames that the first chosen one must have.
        reach: How far back the clips of these frames reach, in the numbers of the data set: the
            frames from there on are included, too.

    Returns:
        The frames, and the positions of the chosen ones among them.

    Raises:
        UserError: If there is no test_dataloader, or no such sequence or frame, or it has too few
            frames before it, or its frames lie outside the data set's folder.
    """
    require(cfg, 'test_dataloader.dataset')
    dataset = DATASETS.build(without_pipeline(cfg.filename, cfg.test_dataloader.dataset))
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    # The folders may hold sequences that are not scored.
    scored = {info['seq_name'] for info in infos}
    found = {name: numbers for name, numbers in dataset.scan().items() if name in scored}
    if not found:
        raise UserError(
            f'the frames of the test data, such as {infos[0]["img_path"]}, are not in '
            f'{dataset.data_root}, where those before them are looked for: name their folder '
            '(data_root)'
        )
    names = sorted(found, key=natural)
    enough = [name for name in names if len(found[name]) > needed]
    sequence = args.sequence or (enough or names)[0]
    if sequence not in found:
        near = ', '.join([*names[:5], *(['...'] if len(names) > 5 else [])])
        raise UserError(
            f'--sequence {sequence}: there is no sequence of this name in the test data, '
            f'{dataset.data_root}, which have {len(found)}: {near}'
        )
    numbers = sorted(found[sequence])
    if len(numbers) <= needed:
        raise UserError(
            f'--sequence {sequence}: it has {number_of(len(numbers), "frame")}, and a frame needs '
            f'{needed} before it'
        )
    first = numbers[needed] if args.first is None else args.first
    if args.count < 1 or args.step < 1:
        raise UserError('--count and --step must be 1 or more')
    if first not in numbers:
        raise UserError(f'--first {first}: {sequence} has the frames {numbers[0]} to {numbers[-1]}')
    start = numbers.index(first)
    if start < needed:
        raise UserError(
            f'--first {first}: a frame needs {needed} before it: {sequence} has such frames from '
            f'{numbers[needed]} on'
        )
    chosen = range(start, start + args.count * args.step, args.step)
    if chosen[-1] >= len(numbers):
        raise UserError(
            f'--count {args.count}: {sequence} has '
            f'{number_of(len(numbers) - start, "frame")} from {first} on: take fewer'
            + (', or start earlier with --first' if start > needed else '')
        )
    labels = {
        info['img_path']: (info['seg_map_path'], info['label_spec'])
        for info in infos
        if info['seq_name'] == sequence and info['seg_map_path'] is not None
    }
    begin = bisect_left(numbers, numbers[max(0, start - before)] - reach)
    paths = {n: found[sequence][n] for n in numbers[begin : chosen[-1] + 1]}
    frames = [VideoFrame(path, n, labels.get(path)) for n, path in paths.items()]
    return frames, [i - begin for i in chosen]


def save_image(
    image: np.ndarray, out: Path, header: Sequence[str], rows: Sequence[Sequence]
) -> None:
    """Writes an RGB picture, and before it its numbers into a csv of the same name."""
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if out.suffix == '.png' else []
    write_csv(out.with_suffix('.csv'), header, rows)
    coded = cv2.imencode(out.suffix, image[..., ::-1], options)[1]
    replace_file(out, coded.tobytes())
    print(f'wrote {out} and {out.with_suffix(".csv")}')


def chosen_classes(names: Sequence[str] | None, classes: Sequence[str]) -> list[int]:
    """Indices of the named classes, by default all.

    Raises:
        UserError: If there is no such class.
    """
    unknown = [name for name in names or () if name not in classes]
    if unknown:
        raise UserError(f'there is no class {unknown[0]!r}, only {", ".join(classes)}')
    return [k for k, name in enumerate(classes) if names is None or name in names]


def run(main: Callable[[], None]) -> None:
    """Runs a command; user errors end it with one line."""
    with one_line():
        main()
