"""Clips of consecutive frames: the base of all video data sets, and folders of your own frames."""

from __future__ import annotations

import logging
import os
import os.path as osp
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmdavss.utils.errors import InputError, number_of
from mmdavss.utils.inputs import (
    IMAGE_SUFFIXES,
    OTHER_SUFFIXES,
    choose_frames,
    entries_of,
    is_folder,
    leads_outside,
    read_lines,
    subfolders,
    walk,
)

from .label_folder import (
    ADVICE,
    frame_line,
    mask_labels,
    mask_name,
    of_pairs,
    previous_name,
    read_frames,
    read_manifest,
)
from .label_maps import LabelSet

FRAMES = ('annotated', 'all')
#: Options that select frames and make clips of them, with the values that say nothing.
SELECTION = dict(
    frame_list=None,
    ann_file='',
    sequences=None,
    annotated=None,
    frames=None,
    frame_distance=1,
    whole_clips=False,
)
#: ``{sequence: {frame number: image file}}``
Sequences = dict[str, dict[int, str]]


class ClipSegDataset(BaseSegDataset):
    """Base of the video data sets: an item is a clip whose last frame is the current one.

    A subclass says where images and labels are (:meth:`scan`, :meth:`image_path`,
    :meth:`label_path`); frame selection, clips and all checks are here. Missing files are
    detected when the data set is built.

    A clip that would begin before its sequence repeats the first frame, or is left out with
    `whole_clips`. A frame missing later in the sequence is an error.

    Args:
        data_root: Folder of the data set, in its official layout.
        labels: How labels are stored and which classes they become, or None without labels.
        clip_length: Frames of a clip, T.
        frame_distance: From one frame of a clip to the next, in the frame numbers of the files
            (in positions of the sequence's list where the data set has no regular numbers).
        whole_clips: Whether to skip frames with too few predecessors for a clip. Methods that learn
            from the change between frames learn nothing from a repeated frame, and published lists
            of clips have no such clips.
        frames: Which frames are current frames: ``annotated``, those with a label, or ``all``.
            Default: ``annotated``, or ``all`` where the data set labels every frame; without
            labels, unless `annotated` is given, whatever the data set's papers do.
        annotated: Shell-style pattern for the names of the annotated frames, for example ``'*0'``;
            if labels are used, a matching frame must have a label file. By default, all frames that
            have one.
        sequences: Names of the sequences to use, all by default; or a text file, relative to
            `data_root`, with one name per line.
        ann_file: Split file with one frame name per line, relative to `data_root`, which lists the
            current frames; replaces `frames` and `annotated`.
        frame_list: Text file that a tool has written (``pseudo_label_generator.split`` of
            tools/generate_pseudo_labels.py), relative to the working directory, with one
            SEQUENCE/NAME per line: of the current frames only these are used.
        with_labels: False for use without labels: no label file is opened, none need exist.
        label_clips: Whether all frames of a clip come with their labels, for losses over time,
            instead of only the current one.
        pseudo_labels: Folder written by tools/generate_pseudo_labels.py, whose masks replace the
            data set's own labels (requires ``with_labels=False``). `frames` then defaults to
            ``annotated``, the frames that have a mask.
        allow_outside: Whether lines of lists (split files, `sequences`, clips, pairs) may point
            outside `data_root`, by ``../`` or as absolute paths.
        metainfo: ``classes`` may name a subset of the classes; the others are ignored.
        kwargs: ``pipeline``, ``indices``, ``test_mode``, ``lazy_init``, ``serialize_data`` of
            :class:`mmseg.BaseSegDataset`.

    Raises:
        FileNotFoundError: If the folder is not the data set, or frames, labels, pseudo-labels or
            names of the split file are missing.
        ValueError: If nothing is selected, an option has an invalid value, or the pseudo-labels are
            unfinished or have other classes.
    """

    #: Section of docs/datasets.md, if any.
    DOCS: str = ''
    #: Required files, for messages.
    LAYOUT: str = ''
    #: Default of `frames` without labels.
    UNLABELLED_FRAMES: str = 'all'
    #: Default of `frames` with the labels of the data set; ``all`` where it labels every frame, so
    #: that a missing label is an error and no gap.
    LABELLED_FRAMES: str = 'annotated'
    #: Suffixes of frame names in split files, in addition to an image suffix.
    NAME_TAILS: tuple[str, ...] = ()
    #: Whether frame names are unique over all sequences: folders in split files are then ignored.
    UNIQUE_NAMES: bool = False

    #: Always set, unlike in mmseg.
    data_root: str
    ann_file: str

    def __init__(
        self,
        data_root: str,
        labels: LabelSet | None,
        clip_length: int = 2,
        frame_distance: int = 1,
        whole_clips: bool = False,
        frames: str | None = None,
        annotated: str | None = None,
        sequences: Sequence[str] | str | None = None,
        ann_file: str = '',
        frame_list: str | None = None,
        with_labels: bool = True,
        label_clips: bool = False,
        pseudo_labels: str | None = None,
        allow_outside: bool = False,
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        name = type(self).__name__
        if pseudo_labels is not None and with_labels:
            raise ValueError(
                f'{name}: pseudo_labels={pseudo_labels!r} replaces the data '
                "set's own labels: set with_labels=False."
            )
        if label_clips and not with_labels and pseudo_labels is None:
            raise ValueError(f'{name}: label_clips=True needs with_labels=True or pseudo_labels.')
        if clip_length < 1 or frame_distance < 1:
            raise ValueError(
                f'{name}: clip_length={clip_length} and frame_distance='
                f'{frame_distance} must be 1 or more.'
            )
        if frames is None:
            if annotated is not None or pseudo_labels is not None:
                frames = 'annotated'
            elif with_labels:
                frames = self.LABELLED_FRAMES
            else:
                frames = self.UNLABELLED_FRAMES
        if frames not in FRAMES:
            raise ValueError(f'{name}: frames={frames!r} is not one of {FRAMES}.')
        self.clip_length = clip_length
        self.frame_distance = frame_distance
        self.whole_clips = whole_clips
        self.frames = frames
        self.annotated = annotated
        # --cfg-options reads the name 101 as a number.
        if isinstance(sequences, int | float):
            sequences = str(sequences)
        self.sequences_file = sequences if isinstance(sequences, str) else None
        self.sequences = (
            None if sequences is None or self.sequences_file else tuple(map(str, sequences))
        )
        self.frame_list = frame_list
        self.with_labels = with_labels
        self.label_clips = label_clips
        self.pseudo_labels = pseudo_labels
        self.allow_outside = allow_outside
        metainfo = dict(metainfo or {})
        if labels is not None and 'classes' in metainfo:
            labels = labels.subset(metainfo['classes'])
        if pseudo_labels is not None:
            labels = self._pseudo_label_set(pseudo_labels, labels, metainfo)
        if labels is not None:
            metainfo = {**labels.metainfo, **metainfo, 'classes': labels.classes}
        self.labels = labels
        self._listings: dict[str, dict[str, str]] = {}
        self._pairs = False
        super().__init__(data_root=data_root, ann_file=ann_file, metainfo=metainfo, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """None: a subset of the classes is part of the :class:`LabelSet`."""
        return None

    # Defined by subclasses: where the files are.

    @classmethod
    def check_split(
        cls,
        split: str,
        splits: Sequence[str],
        private: Sequence[str] = (),
        with_labels: bool = True,
    ) -> None:
        """Checks the name of a split.

        Args:
            split: The name.
            splits: Those that there are.
            private: Those whose labels are not public.
            with_labels: Whether the labels are wanted.

        Raises:
            ValueError: If there is no such split, or its labels are wanted and not public.
        """
        if split not in splits:
            raise ValueError(f'{cls.__name__}: split={split!r} is not one of {splits}.')
        if split in private and with_labels:
            raise ValueError(
                f'{cls.__name__}: the labels of split={split!r} are not public: set '
                "with_labels=False, or score split='val'."
            )

    def scan(self) -> Sequences:
        """All frames on disk: ``{sequence: {frame number: image file}}``."""
        raise NotImplementedError

    def image_path(self, sequence: str, number: int) -> str:
        """Expected path of a frame's image, for frames that are not on disk."""
        raise NotImplementedError

    def label_path(self, sequence: str, number: int, image: str) -> str:
        """Path of a frame's label."""
        raise NotImplementedError

    def frame_name(self, image: str) -> str:
        """Name of a frame in split files: its image file without folder and suffix."""
        name, suffix = osp.splitext(osp.basename(image))
        if suffix.lower() not in IMAGE_SUFFIXES:
            name += suffix
        for tail in self.NAME_TAILS:
            name = name.removesuffix(tail)
        return name

    # Implementation.

    def list_images(self, folder: str, pattern: str) -> Iterator[tuple[re.Match, str]]:
        """Files of a folder whose whole name matches a regular expression, with their paths.

        The suffix may be in upper case on disk. Hidden files are skipped.

        Raises:
            FileNotFoundError: If the folder does not exist.
            InputError: If a frame exists with two suffixes, or only with one that the data set
                does not use, or is a folder; or if the groups of the expression, with leading
                zeros of numbers removed, are the same for two files.
        """
        if not osp.isdir(folder):
            raise self.not_the_data_set(f'{folder} does not exist')
        regex = re.compile(pattern)
        found: dict[str, tuple[re.Match, str]] = {}
        foreign: dict[str, str] = {}
        numbers: dict[tuple, str] = {}
        for entry in entries_of(folder):
            stem, suffix = osp.splitext(entry.name)
            match = regex.fullmatch(entry.name) or regex.fullmatch(stem + suffix.lower())
            if match is None:
                if suffix.lower() in (*IMAGE_SUFFIXES, *OTHER_SUFFIXES) and any(
                    regex.fullmatch(stem + own) for own in IMAGE_SUFFIXES
                ):
                    foreign[stem] = entry.path
                continue
            if is_folder(entry):
                raise InputError(
                    f'{entry.path} is a folder, where an image should be: move or rename it.'
                )
            if stem in found:
                raise InputError(
                    f'{found[stem][1]} and {entry.name} are two images with the same name: which '
                    'suffix do the frames have? Move the others (labels?) to another folder.'
                )
            found[stem] = match, entry.path
            # 1.png and 0001.png would be one frame.
            number = tuple(int(part) if part.isdecimal() else part for part in match.groups(''))
            if number and numbers.setdefault(number, entry.path) != entry.path:
                raise InputError(
                    f'{numbers[number]} and {entry.name} have the same number: delete or '
                    'move one of them.'
                )
        lost = [path for stem, path in foreign.items() if stem not in found]
        if lost:
            raise InputError(
                f'{type(self).__name__}: {number_of(len(lost), "image")} in {folder} with the '
                f'name of a frame but another suffix: {_some(lost)}. The data set has '
                f'{self.LAYOUT}: convert them, or move them to another folder.'
            )
        yield from found.values()

    def list_folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder, without hidden ones; each folder counts once.

        Raises:
            FileNotFoundError: If the folder does not exist.
        """
        if not osp.isdir(folder):
            raise self.not_the_data_set(f'{folder} does not exist')
        return subfolders(folder)

    def not_the_data_set(self, problem: str) -> FileNotFoundError:
        """The error for a folder that is not the data set."""
        message = (
            f'{type(self).__name__}: {problem}. data_root={self.data_root!r} must hold '
            f'{self.LAYOUT}.'
        )
        if self.DOCS:
            message += (
                f' docs/datasets.md, section "{self.DOCS}", says where to get the data '
                'and how the folder must look.'
            )
        return FileNotFoundError(message)

    @staticmethod
    def _pseudo_label_set(folder: str, labels: LabelSet | None, metainfo: dict) -> LabelSet:
        """Label set of the pseudo-label masks."""
        own = metainfo if labels is None else labels.metainfo
        if 'classes' not in own:  # a user's own frames
            own = read_manifest(folder)
        return mask_labels(own['classes'], own.get('palette'))

    def _check_pseudo_labels(self, found: Sequences | None = None) -> None:
        """Checks that the pseudo-labels (of these sequences) are complete and have our classes."""
        folder, labels, name = self.pseudo_labels, self.labels, type(self).__name__
        assert folder is not None and labels is not None
        content = read_manifest(folder)
        if not content['finished']:
            raise ValueError(
                f'{name}: the pseudo-labels in {folder} are unfinished. Run the '
                'command that started them again; it continues where it stopped.'
            )
        if tuple(content['classes']) != labels.classes:
            raise ValueError(
                f'{name}: the pseudo-labels in {folder} have the classes '
                f'{tuple(content["classes"])}, the data set has {labels.classes}. Make them '
                f'with this data set in the config: {ADVICE}'
            )
        self._pairs = of_pairs(content)
        masks = read_frames(folder)
        if found is not None:
            folders = {osp.dirname(mask_name(sequence, 'frame')) for sequence in found}
            masks = [mask for mask in masks if osp.dirname(mask) in folders]
        missing = [path for mask in masks if not self._exists(path := osp.join(folder, mask))]
        if missing:
            raise FileNotFoundError(
                f'{name}: {len(missing)} of {len(masks)} masks of the pseudo-labels are missing: '
                f'{_some(missing)}. Make them again: {ADVICE} --out {folder} --overwrite'
            )

    def _label_file(self, sequence: str, number: int, image: str, earlier: bool = False) -> str:
        if self.pseudo_labels is None:
            return self._on_disk(self.label_path(sequence, number, image))
        mask = mask_name(sequence, self.frame_name(image))
        if earlier and self._pairs:
            mask = previous_name(mask)
        return osp.join(self.pseudo_labels, mask)

    def _listing(self, folder: str) -> dict[str, str]:
        """File names in a folder, both as they are and with the suffix in lower case."""
        # One listing per folder instead of one query per file.
        if folder not in self._listings:
            names = os.listdir(folder) if osp.isdir(folder) else []
            self._listings[folder] = {_small_suffix(name): name for name in names}
            self._listings[folder].update(zip(names, names, strict=True))
        return self._listings[folder]

    def _exists(self, path: str) -> bool:
        folder, name = osp.split(path)
        return name in self._listing(folder)

    def _on_disk(self, path: str) -> str:
        """The path, with the suffix in upper case if only that file exists."""
        folder, name = osp.split(path)
        names = self._listing(folder)
        return osp.join(folder, names.get(name) or names.get(_small_suffix(name), name))

    def load_data_list(self) -> list[dict]:
        """Finds the clips; see the class for the errors."""
        if self.sequences_file is not None:
            try:
                self.sequences = self._listed_sequences(self.sequences_file)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f'{error} Names are written as a list: sequences=[{self.sequences_file}].'
                ) from None
        found = self.scan()
        if not any(found.values()):
            raise self.not_the_data_set('no frame was found')
        if self.sequences is not None:
            unknown = [s for s in self.sequences if s not in found]
            if unknown:
                raise FileNotFoundError(
                    f'{type(self).__name__}: the sequences {unknown} are not in '
                    f'{self.data_root!r}, which has {_some(list(found))}.'
                )
            found = {s: found[s] for s in self.sequences}
        if self.pseudo_labels is not None:
            self._check_pseudo_labels(found)
        if self.ann_file:
            current = self._from_split_file(found)
        elif self.pseudo_labels is not None:
            # A subclass's selection for use without labels does not apply here.
            current = ClipSegDataset._from_options(self, found)
        else:
            current = self._from_options(found)
        if not current:
            raise ValueError(
                f'{type(self).__name__}: no frame is left: frames={self.frames!r}, '
                f'annotated={self.annotated!r}, sequences={self.sequences}, with_labels='
                f'{self.with_labels} select none of the {sum(map(len, found.values()))} frames '
                f'in {self.data_root!r}, for example '
                f'{next(iter(next(f for f in found.values() if f).values()))!r}.'
            )
        if self.frame_list is not None:
            current = self._of_list(self.frame_list, found, current)
        if self.with_labels or self.pseudo_labels is not None:
            self._check_labels(found, current)
        data_list = self._clips(found, current)
        if not data_list:
            raise ValueError(
                f'{type(self).__name__}: no clip is left: none of the {len(current)} frames has '
                f'enough predecessors for clip_length={self.clip_length} and frame_distance='
                f'{self.frame_distance}: use shorter clips, or set whole_clips=False.'
            )
        self._listings.clear()
        return data_list

    def _from_options(self, found: Sequences) -> list[tuple[str, int]]:
        frames = [(s, n) for s, numbers in found.items() for n in sorted(numbers)]
        if self.frames == 'all':
            return frames
        if self.annotated is not None:
            return [
                (s, n)
                for s, n in frames
                if fnmatchcase(self.frame_name(found[s][n]), self.annotated)
            ]
        chosen = [(s, n) for s, n in frames if self._exists(self._label_file(s, n, found[s][n]))]
        if not chosen and self.pseudo_labels is not None:
            s, n = frames[0]
            raise FileNotFoundError(
                f'{type(self).__name__}: none of the {len(frames)} frames has a mask in '
                f'{self.pseudo_labels}, {found[s][n]} should have '
                f'{self._label_file(s, n, found[s][n])}. The masks belong to other frames: name '
                f'the right folder (pseudo_labels), or make the masks: {ADVICE}'
            )
        if not chosen:
            s, n = frames[0]
            raise self.not_the_data_set(
                f'none of the {len(frames)} frames has a label file, {found[s][n]} should have '
                f'{self.label_path(s, n, found[s][n])}'
                + ('' if self.with_labels else " (without labels, frames='all' needs none)")
            )
        return chosen

    def _lines(self, path: str, what: str, option: str, holds: str) -> list[tuple[int, str]]:
        """Lines of a text file that are not empty, with their numbers.

        Raises:
            FileNotFoundError: If it does not exist.
            ValueError: If it is empty or not text.
        """
        name = type(self).__name__
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'{name}: the {what} {path} ({option}) does not exist; it must '
                f'hold {holds} per line.'
            )
        try:
            lines = read_lines(path, what)
        except InputError as error:
            raise InputError(
                f'{name}: {error} ({option}). It must hold {holds} per line.'
            ) from error
        if not lines:
            raise InputError(
                f'{name}: the {what} {path} ({option}) is empty; it must hold {holds} per line.'
            )
        return lines

    def _inside(
        self, name: str, file: str, number: int, option: str, folder: str | None = None
    ) -> str:
        """Normalises a path read from a line of a list.

        Args:
            name: The path.
            file: The list.
            number: Number of the line.
            option: Option that names the list.
            folder: Base of relative paths, by default the data root.

        Returns:
            The path, with forward slashes, relative to `folder` if it lies inside.

        Raises:
            InputError: If it points outside the data root and `allow_outside` is not set.
        """
        folder = folder or self.data_root
        if '\\' in name and not osp.lexists(osp.join(folder, name)):
            name = name.replace('\\', '/')
        if leads_outside(name, folder):
            if not self.allow_outside:
                raise InputError(
                    f'{type(self).__name__}: {file} ({option}), line {number}: {name!r} leads out '
                    f'of {folder}. If that is meant, set allow_outside=True.'
                )
        elif osp.isabs(name):
            name = osp.relpath(name, osp.abspath(folder))
        return name

    def _listed_sequences(self, file: str) -> tuple[str, ...]:
        path = osp.join(self.data_root, file)
        lines = self._lines(path, 'list', 'sequences', 'one name of a sequence')
        return tuple(
            dict.fromkeys(self._inside(line, path, number, 'sequences') for number, line in lines)
        )

    def _from_split_file(self, found: Sequences) -> list[tuple[str, int]]:
        lines = self._lines(self.ann_file, 'split file', 'ann_file', 'one frame name')
        by_name: dict[str, list[tuple[str, int]]] = {}
        for s, numbers in found.items():
            for n, image in numbers.items():
                by_name.setdefault(self.frame_name(image), []).append((s, n))
        current, missing, unclear = [], [], []
        for number, line in lines:
            if '\\' not in line or self.frame_name(line) not in by_name:
                line = self._inside(line, self.ann_file, number, 'ann_file')
            frames = by_name.get(self.frame_name(line), [])
            if frames and not self.UNIQUE_NAMES:
                meant = self._of_folder(osp.dirname(line), frames, found)
                if len(meant) > 1 or (len(frames) > 1 and not meant):
                    unclear.append(line)
                    continue
                frames = meant
            if frames:
                current.append(frames[0])
            else:
                missing.append(line)
        if missing:
            raise FileNotFoundError(
                f'{type(self).__name__}: {len(missing)} of the {len(lines)} frames of '
                f'{self.ann_file} are not among the {len(by_name)} in {self.data_root!r}: '
                f'{_some(missing)}. Names there look like {next(iter(by_name))!r}.'
            )
        if unclear:
            raise ValueError(
                f'{type(self).__name__}: {_some(unclear)} of {self.ann_file} are in several '
                'sequences: write SEQUENCE/NAME.'
            )
        return self._once(current, current, self.ann_file)

    def _of_list(
        self, path: str, found: Sequences, current: list[tuple[str, int]]
    ) -> list[tuple[str, int]]:
        """The current frames that a list names, in their order."""
        lines = self._lines(path, 'list of frames', 'frame_list', 'one SEQUENCE/NAME')
        names = {frame_line(s, self.frame_name(found[s][n])): (s, n) for s, n in current}
        unknown = [line for _, line in lines if line not in names]
        if unknown:
            raise FileNotFoundError(
                f'{type(self).__name__}: {len(unknown)} of the {len(lines)} frames of {path} '
                f'(frame_list) are not among the {len(names)} that the other options select: '
                f'{_some(unknown)}. Names look like {next(iter(names))!r}. Write the list anew '
                'for this data set.'
            )
        wanted = {line for _, line in lines}
        return [frame for name, frame in names.items() if name in wanted]

    def _once(self, items: list[Any], keys: Iterable[Hashable], file: str) -> list[Any]:
        """Removes items whose key has occurred before; warns if there are any."""
        kept: dict[Hashable, Any] = {}
        for key, item in zip(keys, items, strict=True):
            kept.setdefault(key, item)
        if len(kept) < len(items):
            print_log(
                f'{type(self).__name__}: {file} lists {len(items) - len(kept)} of '
                f'{number_of(len(items), "line")} twice or more: each counts once.',
                'current',
                logging.WARNING,
            )
        return list(kept.values())

    def _of_folder(
        self, folder: str, frames: list[tuple[str, int]], found: Sequences
    ) -> list[tuple[str, int]]:
        """Frames, among several of one name, that match the folder written before the name."""
        if not folder:
            return frames
        folder = osp.normpath(folder)
        exact = [(s, n) for s, n in frames if s == folder]
        if exact or folder == '.':
            return exact or frames
        places = {}
        for s, n in frames:
            files = [found[s][n]]
            if self.labels is not None and self.pseudo_labels is None:
                files.append(self.label_path(s, n, found[s][n]))
            places[s, n] = [osp.dirname(osp.abspath(file)) for file in files]
        return [
            (s, n)
            for s, n in frames
            if f'/{s}/' in f'/{folder}/'
            or any(place.endswith(f'/{folder.lstrip("/")}') for place in places[s, n])
        ]

    def _check_labels(self, found: Sequences, current: list[tuple[str, int]]) -> None:
        missing = [
            path
            for s, n in current
            if not self._exists(path := self._label_file(s, n, found[s][n]))
        ]
        if missing and self.pseudo_labels is not None:
            raise FileNotFoundError(
                f'{type(self).__name__}: {len(missing)} of {len(current)} frames have no mask in '
                f'{self.pseudo_labels}: {_some(missing)}. Select those that have one '
                "(frames='annotated', annotated=None), or make the masks of all frames again: "
                f'{ADVICE} --overwrite'
            )
        if missing:
            raise FileNotFoundError(
                f'{type(self).__name__}: {len(missing)} of {len(current)} frames have no label '
                f'file: {_some(missing)}. Unpack the labels, select other frames (frames, '
                'annotated, sequences, ann_file), or set with_labels=False.'
            )

    def _clips(self, found: Sequences, current: list[tuple[str, int]]) -> list[dict]:
        first = {s: min(numbers) for s, numbers in found.items() if numbers}
        steps = range((self.clip_length - 1) * self.frame_distance, -1, -self.frame_distance)
        data_list: list[dict] = []
        missing: list[tuple[str, str]] = []
        unlabelled: list[str] = []
        for s, n in current:
            numbers = found[s]
            if self.whole_clips and n - steps[0] < first[s]:
                continue
            wanted = [max(n - step, first[s]) for step in steps]
            gaps = [w for w in wanted if w not in numbers]
            if gaps:
                missing.append((self.image_path(s, gaps[-1]), numbers[n]))
                continue
            earlier = (
                [self._label_file(s, w, numbers[w], earlier=True) for w in wanted[:-1]]
                if self.label_clips
                else []
            )
            unlabelled += [path for path in earlier if not self._exists(path)]
            data_list.append(
                dict(
                    earlier_seg_map_paths=earlier,
                    frame_paths=[numbers[w] for w in wanted],
                    img_path=numbers[n],
                    seg_map_path=self._label_file(s, n, numbers[n])
                    if self.with_labels or self.pseudo_labels is not None
                    else None,
                    seq_name=s,
                    frame_name=self.frame_name(numbers[n]),
                    frame_number=n,
                    label_map=None,
                    reduce_zero_label=False,
                )
            )
        if missing:
            path, image = missing[0]
            raise FileNotFoundError(
                f'{type(self).__name__}: {path} is missing: the clip of {image} needs it '
                f'(clip_length={self.clip_length}, frame_distance={self.frame_distance}); '
                f'{len(missing)} of {len(current)} clips lack frames. Unpack all frames of the '
                'sequences, choose frame_distance to fit the frames on disk, or list only '
                'frames whose predecessors exist in a split file (ann_file).'
            )
        if unlabelled:
            raise FileNotFoundError(
                f'{type(self).__name__}: label_clips=True, but {len(unlabelled)} earlier frames of '
                f'the clips have no label file: {_some(unlabelled)}. Unpack (pseudo-labels: make) '
                'the labels of all frames, choose frame_distance to fit the labels, or set '
                'label_clips=False.'
            )
        return data_list

    def get_data_info(self, idx: int) -> dict:
        """Information about one clip, with the fields that the annotation loader needs."""
        info = super().get_data_info(idx)
        info.update(seg_fields=[], label_spec=self.labels, pseudo_labels=self.pseudo_labels)
        return info

    def prepare_data(self, idx: int, rare_class: int | None = None) -> dict:
        """Runs one clip through the pipeline.

        Args:
            idx: Index of the clip.
            rare_class: Class that the clip was drawn for, for the transforms (``rare_class``).

        Raises:
            RuntimeError: If a transform returned None (mmengine would silently use another clip).
        """
        info = self.get_data_info(idx)
        if rare_class is not None:
            info['rare_class'] = rare_class
        data = self.pipeline(info)
        if data is None:
            raise RuntimeError(
                f'{type(self).__name__}: a transform of the pipeline returned None for '
                f'{self.get_data_info(idx)["img_path"]}.'
            )
        return data


@DATASETS.register_module()
class ClipFolderDataset(ClipSegDataset):
    """Your own frames, without labels: any folder of frames, or a list of clips.

    Every folder under `data_root` that directly contains images is a sequence (including
    `data_root` itself), its frames in natural order of their names (``f9.png`` before
    ``f10.png``). Hidden files and folders are skipped, and targets of links are read once.

    Args:
        data_root: Folder of the frames.
        clips: Text file, relative to `data_root`, with one clip per line, which replaces the
            search: the image files of the clip's frames (relative to `data_root`), the current one
            last, separated by tabs or, in lines without tabs, by spaces. Every clip must have
            `clip_length` frames, and none is left out.
        clip_length: Frames of a clip, T.
        with_labels: Must be False, as there are no labels; see `pseudo_labels` instead.
        suffix: Suffix of the frames, such as ``.jpg``, if the folders contain other images. By
            default, every image is a frame.
        kwargs: ``frame_distance`` (in positions), ``whole_clips``, ``sequences``, ``ann_file`` and
            other options that select frames (not with `clips`), ``pseudo_labels``, ``metainfo``,
            ``pipeline`` and so on of :class:`ClipSegDataset`.

    Raises:
        FileNotFoundError: If there are no images, or files of the list are missing.
        ValueError: If the list is empty, a clip has another length or points outside `data_root`,
            two images have the same name, or an option that selects frames is given with `clips`.
    """

    DOCS = 'Your own frames'
    LAYOUT = 'images (jpg, png, bmp), directly or in folders'

    def __init__(
        self,
        data_root: str,
        clips: str | None = None,
        clip_length: int = 2,
        with_labels: bool = False,
        suffix: str | None = None,
        **kwargs,
    ) -> None:
        if with_labels or (
            kwargs.get('frames') == 'annotated' and kwargs.get('pseudo_labels') is None
        ):
            raise ValueError(
                'ClipFolderDataset: your own frames have no labels: set neither '
                "with_labels=True nor frames='annotated'."
            )
        for name, unset in SELECTION.items() if clips is not None else ():
            if kwargs.get(name, unset) != unset:
                raise ValueError(
                    f'ClipFolderDataset: clips={clips!r} and {name}={kwargs[name]!r} both '
                    'select frames: use one of them.'
                )
        self.clips = clips
        self.suffix = suffix
        super().__init__(
            data_root=data_root, labels=None, clip_length=clip_length, with_labels=False, **kwargs
        )

    def scan(self) -> Sequences:
        """Folders with images; frames are numbered by their position."""
        if not osp.isdir(self.data_root):
            raise self.not_the_data_set(f'{self.data_root} does not exist')
        advice = f'Say it with suffix={self.suffix or ".jpg"!r}, or move'
        found = {}
        for folder, folders, names in walk(self.data_root):
            images = choose_frames(folder, folders, names, self.suffix, advice)
            if images:
                found[osp.relpath(folder, self.data_root)] = {
                    i: osp.join(folder, name) for i, name in enumerate(images)
                }
        return found

    def load_data_list(self) -> list[dict]:
        """Clips of the list if there is one, otherwise those of the folders."""
        if self.clips is None:
            return super().load_data_list()
        path = osp.join(self.data_root, self.clips)
        lines = self._lines(path, 'list', 'clips', 'the frames of one clip')
        if self.pseudo_labels is not None:
            self._check_pseudo_labels()
        data_list: list[dict] = []
        for number, line in lines:
            names = [name.strip() for name in line.split('\t' if '\t' in line else None)]
            if len(names) != self.clip_length:
                raise InputError(
                    f'ClipFolderDataset: {path}, line {number}, has a clip of '
                    f'{number_of(len(names), "frame")}, '
                    f'clip_length is {self.clip_length}: {line!r}.'
                )
            names = [self._inside(name, path, number, 'clips') for name in names]
            files = [self._on_disk(osp.join(self.data_root, name)) for name in names]
            for file in files:
                if not self._exists(file):
                    raise FileNotFoundError(
                        f'ClipFolderDataset: {file} is missing; {path} lists it in line {number}.'
                    )
            masks = []
            if self.pseudo_labels is not None:
                masks = [
                    self._label_file(osp.dirname(name), 0, file, earlier=k < len(names) - 1)
                    for k, (name, file) in enumerate(zip(names, files, strict=True))
                ]
                missing = [
                    mask
                    for mask in masks[0 if self.label_clips else -1 :]
                    if not self._exists(mask)
                ]
                if missing:
                    raise FileNotFoundError(
                        f'ClipFolderDataset: {missing[0]} is missing, the mask of a frame that '
                        f'{path} lists. Make the pseudo-labels of the whole folder: {ADVICE}'
                    )
            data_list.append(
                dict(
                    earlier_seg_map_paths=masks[:-1] if self.label_clips else [],
                    frame_paths=files,
                    img_path=files[-1],
                    seg_map_path=masks[-1] if masks else None,
                    # As the search names it: '.' for the data root.
                    seq_name=osp.normpath(osp.dirname(names[-1])),
                    frame_name=self.frame_name(files[-1]),
                    label_map=None,
                    reduce_zero_label=False,
                )
            )
        self._listings.clear()
        return self._once(
            data_list, (tuple(map(osp.normpath, info['frame_paths'])) for info in data_list), path
        )


def _small_suffix(name: str) -> str:
    stem, suffix = osp.splitext(name)
    return stem + suffix.lower()


def _some(names: Sequence[str], count: int = 3) -> str:
    """The first few names."""
    text = ', '.join(str(name) for name in names[:count])
    return text + (f' and {len(names) - count} more' if len(names) > count else '')
