"""Makes BDDVid, clips with one labelled frame, of your own copy of BDD100K.

    python tools/make_bddvid.py data/bdd100k data/bddvid

takes from data/bdd100k (bdd-data.berkeley.edu, after registration) what its packages hold:

    videos/{train,val}/*.mov                  video parts; folders below train and val do not matter
    images/10k/{train,val}/*.jpg              10K images
    labels/sem_seg/masks/{train,val}/*.png    segmentation

and writes data/bddvid, which BDDVidDataset reads: the frames 303 to 311 of the 2999 and 430 videos
of UnifiedVideoDA's lists (tools/bddvid) to {train,val}/images, the labels of frame 307 to
{train,val}/labels, and to {train,val}_orig_10k/images the same frames (as links to the same file,
where the file system can) but for frame 307, which is the labelled image itself.

The videos are large. They can be unpacked part by part: the tool makes the clips whose videos are
there, and the same command adds others later. Existing files are never written again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmdavss.cli.exits import one_line
from mmdavss.datasets.bddvid import FRAMES, LABELLED
from mmdavss.utils.errors import MissingInputError, UserError, number_of
from mmdavss.utils.files import check_writable, replace_file
from mmdavss.utils.inputs import read_lines, walk
from mmdavss.utils.progress import progress

LISTS = Path(__file__).parent / 'bddvid'
SPLITS = ('train', 'val')
VIDEOS, IMAGES, MASKS = 'videos', 'images/10k', 'labels/sem_seg/masks'
CLASSES = 19
VOID = 255


@dataclass(frozen=True)
class Clip:
    """Where a clip comes from and goes to.

    Attributes:
        name: Name of the video.
        video: The video, None if it is not there (any more).
        image: The labelled image of BDD10K.
        mask: Its label, train ids of Cityscapes.
        out: Folder of the split.
    """

    name: str
    video: Path | None
    image: Path
    mask: Path
    out: Path

    def frame(self, number: int, original: bool = False) -> Path:
        """The file of a frame, that of ``*_orig_10k`` if `original`."""
        out = self.out.with_name(f'{self.out.name}_orig_10k') if original else self.out
        return out / 'images' / f'{self.name}_{number}.jpg'

    @property
    def label(self) -> Path:
        return self.out / 'labels' / f'{self.name}_{LABELLED}.png'

    @property
    def done(self) -> bool:
        """Whether all its files exist."""
        frames = (self.frame(n, original) for n in FRAMES for original in (False, True))
        return self.label.is_file() and all(path.is_file() for path in frames)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('bdd100k', type=Path, help='folder with videos, images and labels')
    parser.add_argument('out', type=Path, help='folder to write to')
    parser.add_argument(
        '--only', nargs='+', choices=SPLITS, default=SPLITS, help='splits to make (default: both)'
    )
    parser.add_argument(
        '--lists',
        type=Path,
        default=LISTS,
        metavar='FOLDER',
        help='folder with train.txt and val.txt, names of videos (default: the published ones)',
    )
    parser.add_argument('--workers', type=int, default=1, help='number of clips at a time')
    args = parser.parse_args()
    if args.workers < 1:
        parser.error('--workers must be 1 or more')
    return args


def files_of(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files in a folder and its subfolders, by their names without suffix."""
    below = walk(folder) if folder.is_dir() else ()
    paths = (Path(place, name) for place, _, names in below for name in names)
    return {path.stem: path for path in paths if path.suffix.lower() in suffixes}


def find_clips(args: argparse.Namespace) -> list[Clip]:
    """All clips of the lists.

    Raises:
        MissingInputError: If images or labels are missing.
    """
    masks = files_of(args.bdd100k / MASKS, ('.png',))
    images = files_of(args.bdd100k / IMAGES, ('.jpg',))
    videos = files_of(args.bdd100k / VIDEOS, ('.mov', '.mp4'))
    clips = []
    for split in args.only:
        names = [line for _, line in read_lines(str(args.lists / f'{split}.txt'), 'list of clips')]
        for found, folder, package in (
            (masks, MASKS, 'segmentation'),
            (images, IMAGES, '10K images'),
        ):
            missing = [name for name in names if name not in found]
            if missing:
                raise MissingInputError(
                    f'{args.bdd100k / folder} lacks {len(missing)} of the '
                    f'{number_of(len(names), "file")} of {split}, for example {missing[0]}: '
                    f'unpack the whole package there ({package}, train and val).'
                )
        clips += [
            Clip(name, videos.get(name), images[name], masks[name], args.out / split)
            for name in names
        ]
    return clips


def read(path: Path, flags: int, what: str) -> np.ndarray:
    """Reads an image.

    Raises:
        UserError: If it cannot be read.
    """
    image = cv2.imread(str(path), flags)
    if image is None:
        raise UserError(f'{path} cannot be read: unpack the {what} again.')
    return image


def frames_of(video: Path) -> list[np.ndarray]:
    """The frames :data:`FRAMES` of a video.

    Raises:
        UserError: If it cannot be read or is too short.
    """
    capture = cv2.VideoCapture(str(video))
    frames = []
    try:
        # Seeking by number is not exact in these files.
        for number in range(FRAMES.stop):
            if number < FRAMES.start:
                good, frame = capture.grab(), None
            else:
                good, frame = capture.read()
            if not good:
                what = f'ends after {number_of(number, "frame")}' if number else 'cannot be read'
                raise UserError(
                    f'{video} {what}, frame {FRAMES[-1]} is needed: unpack or download it again.'
                )
            if frame is not None:
                frames.append(frame)
    finally:
        capture.release()
    return frames


def turns(frame: np.ndarray, image: np.ndarray) -> int:
    """By how many quarters of a turn to the left a frame becomes most like an image.

    Some videos lie on their side, and whether OpenCV turns them depends on its version.

    Raises:
        UserError: If no turn gives the size of the image.
    """

    def small(picture: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        return cv2.resize(grey, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float64)

    wanted = small(image)
    found = {
        k: np.abs(small(turned) - wanted).mean()
        for k in range(4)
        if (turned := np.ascontiguousarray(np.rot90(frame, k))).shape == image.shape
    }
    if not found:
        raise UserError(f'frames are {frame.shape[:2]}, the labelled image is {image.shape[:2]}')
    return min(found, key=lambda k: found[k])


def write(path: Path, content: bytes) -> None:
    """Writes a file unless it exists."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)


def link(path: Path, target: Path) -> None:
    """Makes a second name for a file, or a copy where the file system has no links."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, path)
    except OSError:
        write(path, target.read_bytes())


def make(clip: Clip) -> str | None:
    """Writes the files of a clip; returns what went wrong."""
    try:
        mask = read(clip.mask, cv2.IMREAD_UNCHANGED, 'segmentation labels')
        image = read(clip.image, cv2.IMREAD_COLOR, '10K images')
        if mask.shape != image.shape[:2] or (~np.isin(mask, (*range(CLASSES), VOID))).any():
            raise UserError(
                f'{clip.mask} is no mask of train ids at the size of {clip.image}: unpack '
                'labels/sem_seg/masks, not the colour maps or polygons.'
            )
        assert clip.video is not None
        frames = frames_of(clip.video)
        try:
            quarters = turns(frames[FRAMES.index(LABELLED)], image)
        except UserError as error:
            raise UserError(f'{clip.video}: {error}') from None
        for number, frame in zip(FRAMES, frames, strict=True):
            coded = cv2.imencode('.jpg', np.ascontiguousarray(np.rot90(frame, quarters)))[1]
            write(clip.frame(number), coded.tobytes())
            if number != LABELLED:
                link(clip.frame(number, original=True), clip.frame(number))
        write(clip.frame(LABELLED, original=True), clip.image.read_bytes())
        write(clip.label, clip.mask.read_bytes())
    except UserError as error:
        return str(error)
    return None


def make_all(clips: list[Clip], workers: int) -> Iterator[str]:
    """Makes clips, with a progress bar; yields what went wrong."""
    if not clips:
        return
    # OpenCV decodes without holding the interpreter.
    pool = ThreadPoolExecutor(workers)
    try:
        futures = [pool.submit(make, clip) for clip in clips]
        for future in progress('BDDVid', as_completed(futures), len(clips), 'clips'):
            if problem := future.result():
                yield problem
    finally:
        pool.shutdown(cancel_futures=True)


def main() -> None:
    args = parse_args()
    with one_line('interrupted: the same command continues from here'):
        clips = find_clips(args)
        todo = [clip for clip in clips if not clip.done]
        print(f'{number_of(len(clips), "clip")}, {len(clips) - len(todo)} there already.')
        missing = [clip for clip in todo if clip.video is None]
        if len(missing) < len(todo):
            check_writable(args.out, 'name another folder')
        problems = list(make_all([clip for clip in todo if clip.video is not None], args.workers))
        if problems:
            raise UserError(
                f'{len(problems)} of {number_of(len(clips), "clip")} could not be made. The first: '
                f'{problems[0]}'
            )
        if missing:
            raise MissingInputError(
                f'{len(missing)} of {number_of(len(clips), "clip")} are not made, as their videos '
                f'are not in {args.bdd100k / VIDEOS}, for example {missing[0].name}: unpack other '
                'parts there, then run the same command again.'
            )
        print(f'{args.out} is complete.')


if __name__ == '__main__':
    main()
