"""Writes the optical flow between neighbouring frames, in the layout that PrecomputedFlow reads.

Frames are the images of a folder and its subfolders. Frames in one folder whose names differ only
in the number at the end form a sequence. The tool writes the flow from each frame to the previous
one (current -> previous), with --both-ways also that from each to the next one. Existing files are
skipped, so that an interrupted run continues where it stopped; flow.json records their provider,
and another one is refused.

    python tools/precompute_flow.py data/viper/train/img data/viper/train/flow --workers 8
    python tools/precompute_flow.py leftImg8bit_sequence/train OUT --frame-suffix _leftImg8bit
    python tools/precompute_flow.py IMAGES OUT --provider MMFlowEstimator --device cuda \
        --options config=raft_8xb2_100k_mixed-368x768 checkpoint=raft.pth
"""

from __future__ import annotations

import argparse
import re
from concurrent.futures import as_completed
from pathlib import Path

import cv2
import torch
from mmseg.registry import MODELS

import mmdavss  # noqa: F401
from mmdavss.cli.exits import one_line
from mmdavss.cli.key_values import KeyValues
from mmdavss.datasets.transforms.loading import read_image
from mmdavss.flow import BaseFlowProvider, write_flow
from mmdavss.flow.precomputed import TEMPLATE, flow_file
from mmdavss.launch.config_file import check_part
from mmdavss.utils.device import device_option
from mmdavss.utils.errors import InputError, UserError, number_of
from mmdavss.utils.files import check_writable
from mmdavss.utils.inputs import (
    IMAGE_SUFFIXES,
    check_names,
    choose_frames,
    is_hidden,
    read_json,
    walk,
)
from mmdavss.utils.journal import Journal, as_json
from mmdavss.utils.progress import progress
from mmdavss.utils.worker_pool import WorkerPool

Task = tuple[Path, Path, Path]
#: Names the provider of the flow files beside it.
RECORD = 'flow.json'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('frame_root', type=Path, help='folder of the frames')
    parser.add_argument('out', type=Path, help='folder of the flow files')
    parser.add_argument(
        '--pattern',
        nargs='+',
        metavar='GLOB',
        help="which files below frame_root are frames, such as '**/*.png'; by default all images",
    )
    parser.add_argument(
        '--frame-suffix',
        default='',
        help='text after the number in the names, such as _leftImg8bit',
    )
    parser.add_argument(
        '--step', type=int, default=1, help='distance of the two frames in their sequence'
    )
    parser.add_argument(
        '--both-ways', action='store_true', help='flow forward in time too (previous -> current)'
    )
    parser.add_argument('--provider', default='DISFlowEstimator', help='registered flow provider')
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValues,
        default={},
        help='arguments of the provider, key=value, as --cfg-options of tools/train.py',
    )
    parser.add_argument(
        '--device', type=device_option, default='cpu', help='cpu (default), cuda, cuda:1 ...'
    )
    parser.add_argument(
        '--format',
        choices=['npy', 'flo', 'png'],
        default='npy',
        help='npy is float16, png the 16-bit format of KITTI',
    )
    parser.add_argument('--workers', type=int, default=1, help='number of processes')
    parser.add_argument('--overwrite', action='store_true', help='compute existing files again')
    args = parser.parse_args()
    if not args.frame_root.is_dir():
        parser.error(f'frame_root: {args.frame_root} is not a folder')
    if args.step < 1 or args.workers < 1:
        parser.error('--step and --workers must be 1 or more')
    return args


def find_tasks(args: argparse.Namespace) -> list[Task]:
    """(frame a, frame b, file of the flow a->b) of all pairs: current and previous frame, and with
    --both-ways the other way round.

    Raises:
        UserError: If pictures of flow would lie between the frames.
    """
    sequences: dict[tuple[Path, str], list[tuple[int, Path]]] = {}
    for path in find_frames(args.frame_root, args.pattern, own_pictures(args)):
        name, number = re.fullmatch(
            r'(.*?)(\d*)', path.stem.removesuffix(args.frame_suffix)
        ).groups()
        sequences.setdefault((path.parent, name), []).append((int(number or 0), path))
    template = file_template(args)
    tasks = []
    for _, frames in sorted(sequences.items()):
        frames = [path for _, path in sorted(frames)]
        pairs = list(zip(frames[args.step :], frames, strict=False))
        if args.both_ways:
            pairs += [(previous, current) for current, previous in pairs]
        tasks += [
            (a, b, flow_file(args.out, a, b, args.frame_root, template, args.frame_suffix))
            for a, b in pairs
        ]
    return tasks


def own_pictures(args: argparse.Namespace) -> Path | None:
    """The folder below frame_root whose images are flow, if there is one.

    Raises:
        UserError: If it holds frames too.
    """
    root, out = args.frame_root.resolve(), args.out.resolve()
    if args.format != 'png' or not out.is_relative_to(root):
        return None
    # Images in a folder without the record are not flow of an earlier call.
    foreign = out.is_dir() and not (out / RECORD).exists() and any(find_frames(out, None))
    if out == root or foreign:
        raise UserError(
            f'{args.out} is a folder of frames, between which the next call would take the flow, '
            'png files, for frames, too: name another folder, or another --format.'
        )
    return out


def find_frames(root: Path, patterns: list[str] | None, left_out: Path | None = None) -> list[Path]:
    """Finds the frames of a folder and its subfolders, without hidden files.

    Args:
        root: The folder.
        patterns: Which of its files are frames; None for all images.
        left_out: Folder whose images are no frames, without links.

    Raises:
        InputError: If two differ only in their suffix.
    """

    def counts(folder: str | Path) -> bool:
        return left_out is None or not Path(folder).resolve().is_relative_to(left_out)

    advice = "Say it with --pattern '**/*.jpg', or move"
    if patterns is None:
        return [
            Path(folder, name)
            for folder, below, names in walk(root)
            if counts(folder)
            for name in choose_frames(folder, below, names, advice=advice)
        ]
    found: dict[Path, list[str]] = {}
    for path in sorted({path for pattern in patterns for path in root.glob(pattern)}):
        if not any(map(is_hidden, path.relative_to(root).parts)) and counts(path.parent):
            found.setdefault(path.parent, []).append(path.name)
    for folder, names in found.items():
        check_names(folder, names, advice)
    return [folder / name for folder, names in found.items() for name in names]


def file_template(args: argparse.Namespace) -> str:
    return str(Path(TEMPLATE).with_suffix(f'.{args.format}'))


class Worker:
    """Computes tasks with a provider, of which each process of a pool has its own."""

    config: dict
    device: str
    provider: BaseFlowProvider | None

    @classmethod
    def start(cls, config: dict, device: str, threads: int | None) -> None:
        cls.config, cls.device, cls.provider = config, device, None
        if threads is not None:
            # The processes share the cores already.
            cv2.setNumThreads(threads)
            torch.set_num_threads(threads)

    @classmethod
    def run(cls, task: Task) -> None:
        if cls.provider is None:
            # Not in start(): a pool does not report the errors of its initializer.
            cls.provider = MODELS.build(cls.config).to(cls.device)
        path_a, path_b, file = task
        image_a, image_b = (read_image(str(path)) for path in (path_a, path_b))
        if image_a.shape != image_b.shape:
            raise UserError(
                f'{path_a} is {image_a.shape[:2]} and {path_b} {image_b.shape[:2]}: '
                'the frames of a folder must have one size.'
            )
        write_flow(file, cls.provider.estimate_numpy(image_a, image_b, str(path_a), str(path_b)))


def compute(tasks: list[Task], config: dict, device: str, workers: int) -> None:
    """Runs all tasks, with a progress bar."""
    if workers == 1:
        Worker.start(config, device, None)
        for task in progress('flow', tasks, unit='pairs'):
            Worker.run(task)
        return
    with WorkerPool(workers, initializer=Worker.start, initargs=(config, device, 1)) as pool:
        futures = [pool.submit(Worker.run, task) for task in tasks]
        for future in progress('flow', as_completed(futures), len(tasks), 'pairs'):
            future.result()


def begun(args: argparse.Namespace, provider: dict) -> Journal:
    """The record of the provider of the files, which no other one has made in part.

    Raises:
        UserError: If another one has, --overwrite was interrupted, or the file is no such record.
    """
    # In a list: of a dict, a journal compares only the options that are given now.
    journal = Journal(args.out / RECORD, dict(provider=as_json([provider], str)))
    if journal.path.is_file() and not args.overwrite:
        remedy = 'Delete it and the files beside it.'
        found = read_json(journal.path, 'record', remedy)
        made = found.get('provider') if isinstance(found, dict) else None
        if not (isinstance(made, list) and made):
            raise InputError(
                f'{journal.path} is no record of the provider of flow files, or one of an older '
                f'version. {remedy}'
            )
        if journal.resume(found):
            raise UserError(
                f'{args.out} has flow of {made[0]}: name another folder, or compute '
                'all of it again with --overwrite.'
            )
        if journal.state.get('replaced'):
            raise UserError(
                f'{args.out}: --overwrite was interrupted and has left files of before: repeat the '
                'command with it.'
            )
    return journal


def main() -> None:
    args = parse_args()
    with one_line('interrupted: the same command continues from here'):
        tasks = find_tasks(args)
        if not tasks:
            raise UserError(
                f'No two frames of one sequence below {args.frame_root} match '
                f'{args.pattern or IMAGE_SUFFIXES}. Correct the folder, --pattern or '
                '--frame-suffix.'
            )
        provider = dict(type=args.provider, **args.options)
        journal = begun(args, provider)
        todo = [task for task in tasks if args.overwrite or not task[2].exists()]
        print(f'{number_of(len(tasks), "pair")}, {len(tasks) - len(todo)} there already.')
        if todo:
            check_writable(args.out, 'name another folder')
            check_part(MODELS, provider, '--provider')
            args.out.mkdir(parents=True, exist_ok=True)
            journal.save(replaced=args.overwrite)
            compute(todo, provider, args.device, args.workers)
            journal.save(replaced=False)
    provider = dict(
        type='PrecomputedFlow',
        root=str(args.out),
        frame_root=str(args.frame_root),
        template=file_template(args),
        frame_suffix=args.frame_suffix,
    )
    print(f'Use it: flow={provider}')


if __name__ == '__main__':
    main()
