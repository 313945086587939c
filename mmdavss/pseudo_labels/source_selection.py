"""Source frames and pixels that are like the target (CCM).

Li et al., *Content-Consistent Matching for Domain Adaptive Semantic Segmentation*, ECCV 2020. The
symbols of the release, ``ccm_config.yml``, and the options here: ``num_center`` is `centres`,
``src_count`` is `count`, ``pool_prop`` is `pool`, ``src_pix_prop`` is `pixels`.
"""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmdavss.datasets.label_folder import (
    FIELDS,
    MANIFEST,
    mask_name,
    read_manifest,
    write_frames,
    write_manifest,
)
from mmdavss.datasets.label_maps import IGNORE
from mmdavss.datasets.transforms.loading import read_label
from mmdavss.launch.config_file import checkpoint_fingerprint, labelling_checkpoints, require
from mmdavss.utils.errors import InputError, UserError
from mmdavss.utils.files import check_writable
from mmdavss.utils.journal import as_json

from .folder import full_size, remove, write_mask
from .generator import PseudoLabelGenerator, changed_settings
from .predictor import Frame, FrameClip, Prediction
from .rules import FixedRule
from .target import from_config, output_folder
from .workers import ClipRunner, Turn, one_thread

KEY = 'source_selection'
#: Smallest probability in a logarithm.
TINY = 1e-30
#: Temperature of the class means.
TEMPERATURE = 2.0


def layout(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the classes of a frame are distributed over its rows and over its columns.

    Args:
        maps: (K, H, W), probabilities, or 1 where a label is the class.

    Returns:
        (K, H) and (K, W), float32: the sums, divided by their total; 0 for a class without any.
    """
    sums = maps.sum(2, dtype=np.float64), maps.sum(1, dtype=np.float64)
    rows, columns = (own / np.maximum(own.sum(1, keepdims=True), TINY) for own in sums)
    return rows.astype(np.float32), columns.astype(np.float32)


def k_means(points: np.ndarray, centres: np.ndarray, iterations: int = 300) -> np.ndarray:
    """Lloyd's algorithm.

    Args:
        points: (N, D).
        centres: (C, D), where it starts. A centre that no point is nearest to stays.
        iterations: Largest number of steps.

    Returns:
        The centres.
    """
    centres = centres.astype(np.float64)
    for _ in range(iterations):
        # Without (N, C, D) differences.
        distances = (centres**2).sum(1) - 2 * points @ centres.T
        nearest = distances.argmin(1)
        moved = np.stack(
            [
                points[nearest == c].mean(0, dtype=np.float64) if (nearest == c).any() else old
                for c, old in enumerate(centres)
            ]
        )
        if np.allclose(moved, centres, rtol=0, atol=1e-12):
            break
        centres = moved
    return centres


def divergence(centres: np.ndarray, own: np.ndarray) -> float:
    """Mean over centres and classes of KL(centre || own), as CCM has it.

    A class that the frame lacks costs up to 69 nats, since 1e-30 is added in the logarithms.

    Args:
        centres: (C, K, D), distributions over rows or columns.
        own: (K, D), that of a frame.
    """
    logs = np.log(centres + TINY) - np.log(own.astype(np.float64) + TINY)
    return float((centres * logs).sum(-1).mean())


def softened_sums(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the softened probabilities of the pixels of each class, and their number.

    Args:
        probabilities: (K, H, W). At temperature 2 they are the square roots, normalised.
        labels: (H, W), classes or 255.

    Returns:
        (K, K), a row of each class, and (K,), both float64.
    """
    softened = probabilities.astype(np.float64) ** (1 / TEMPERATURE)
    softened /= softened.sum(0)
    flat = softened.reshape(len(softened), -1)
    pixels = [np.flatnonzero(labels == k) for k in range(len(flat))]
    sums = np.stack([flat[:, own].sum(1) for own in pixels])
    return sums, np.array([len(own) for own in pixels], np.float64)


def similar_pixels(
    probabilities: np.ndarray, labels: np.ndarray, means: np.ndarray, share: float
) -> np.ndarray:
    """The pixels of a source frame whose prediction is near the mean of their class in the target.

    Of each class those whose divergence KL(mean || p) is less than that at place int(n * share) of
    its n pixels, counted from 0 in ascending order.

    Args:
        probabilities: (K, H, W).
        labels: (H, W), classes or 255.
        means: (K, K), a row of each class; NaN for classes that the target lacks, none of whose
            pixels is kept.
        share: 0 to 1.

    Returns:
        (H, W), bool.
    """
    kept = np.zeros(labels.shape, bool)
    for k, mean in enumerate(means):
        mine = labels == k
        count = int(mine.sum())
        if not count or np.isnan(mean).any():
            continue
        logs = np.log(probabilities[:, mine].astype(np.float64) + TINY)
        values = (mean * np.log(mean + TINY)).sum() - mean @ logs
        place = min(int(count * share), count - 1)
        kept[mine] = values < np.partition(values, place)[place]
    return kept


class Survey(NamedTuple):
    """What is known of the target's frames.

    Attributes:
        rows: (N, K, H), distributions over rows.
        columns: (N, K, W), distributions over columns.
        means: (K, K), mean softened probabilities of the labelled pixels of each class, NaN without
            any.
    """

    rows: np.ndarray
    columns: np.ndarray
    means: np.ndarray

    def centres(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Centres (C, K, H) and (C, K, W) of the layouts, of each class separately.

        Args:
            count: C, at most the number of frames.
            generator: Draws the frames where they start.
        """

        def of(points: np.ndarray) -> np.ndarray:
            starts = generator.choice(len(points), min(count, len(points)), replace=False)
            return k_means(points, points[starts])

        return tuple(  # type: ignore[return-value]
            np.stack([of(maps[:, k]) for k in range(maps.shape[1])], 1)
            for maps in (self.rows, self.columns)
        )


@dataclass(frozen=True)
class SourceSelection:
    """Selects source frames by their layout, and their pixels by their prediction.

    Args:
        source: Config of the whole labelled source data set. The selected frames and what is left
            of their labels are written as a folder of pseudo-labels, which
            ``train_dataloader.dataset.source.pseudo_labels`` names.
        count: Number of frames. The release takes one less than it says (1191).
        pool: Share of the source frames that are looked at, drawn at random; 1 for all of them.
        centres: Number of centres of the layouts.
        pixels: Share of the pixels of each class that is kept.
        seed: Seed of all draws.

    Raises:
        ValueError: If a share is not between 0 and 1, where only the pool may be 1, or a number is
            not 1 or more.
    """

    source: Mapping[str, Any]
    count: int
    pool: float = 0.2
    centres: int = 10
    pixels: float = 0.9
    seed: int = 1234

    def __post_init__(self) -> None:
        if not 0 < self.pool <= 1:
            raise ValueError(
                f'{KEY}.pool={self.pool} must be between 0 and 1, which is all source frames.'
            )
        if not 0 < self.pixels < 1:
            raise ValueError(
                f'{KEY}.pixels={self.pixels} must be between 0 and 1: nothing would be selected, '
                'or everything.'
            )
        for name in ('count', 'centres'):
            if getattr(self, name) < 1:
                raise ValueError(f'{KEY}.{name}={getattr(self, name)} must be 1 or more.')

    @classmethod
    def from_config(cls, cfg: Config) -> SourceSelection:
        """The selection of a config's ``source_selection``.

        Raises:
            UserError: If there is none, or it has other keys.
        """
        return from_config(cls, cfg, KEY, 'the configs of configs/ccm')

    def settings(self, labels: Mapping[str, Any]) -> dict:
        """The options, and the settings of the target's labels, as json stores them."""
        return as_json({**vars(self), 'labels': labels}, repr)

    def select(
        self, cfg: Config, workers: int = 1, device: str = 'cpu', overwrite: bool = False
    ) -> dict:
        """Writes the selected source frames of a config; does nothing if they are there.

        The model is the one that has made the pseudo-labels of the target. An interrupted selection
        begins anew.

        Returns:
            Content of ``pseudo_labels.json`` of the source: ``kept`` and ``predicted`` are the
            pixels of each class that are selected, and those that the selected frames have.

        Raises:
            UserError: If the pseudo-labels of the target are missing, unfinished, of another model
                or made with other settings, the folder was made with other settings, or the pool
                has too few frames.
        """
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        generator = PseudoLabelGenerator.from_config(cfg)
        if not isinstance(generator.rule, FixedRule):
            raise UserError(
                f'{cfg.filename}: {KEY} needs thresholds of the whole data set, such as those of '
                "pseudo_label_generator.selection='ccm'"
            )
        out = source_folder(cfg)
        target = read_manifest(output_folder(cfg), FIELDS)
        checkpoints = labelling_checkpoints(cfg)
        file = checkpoint_fingerprint(checkpoints)
        if not target['finished'] or target['checkpoint']['sha256'] != file['sha256']:
            raise UserError(
                f'the pseudo-labels in {output_folder(cfg)} are unfinished, or of another model '
                f'than {file["path"]}: make them first, with tools/generate_pseudo_labels.py'
            )
        # The rule chooses pixels anew, with the thresholds of the folder.
        changed = changed_settings(target['settings'], generator.settings)
        if changed:
            raise UserError(
                f'the pseudo-labels in {output_folder(cfg)} were made with other settings: '
                f'pseudo_label_generator: {changed}: make them again first, with '
                'tools/generate_pseudo_labels.py --overwrite'
            )
        made = dict(
            settings=self.settings(target['settings']),
            checkpoint=file,
            classes=target['classes'],
            palette=target['palette'],
        )
        if osp.isfile(osp.join(out, MANIFEST)):
            found = read_manifest(out)
            same = (
                all(found.get(key) == made[key] for key in ('settings', 'classes'))
                and found.get('checkpoint', {}).get('sha256') == file['sha256']
            )
            if same and found['finished']:
                print(f'{out} is there already, with these settings.')
                return found
            if not same and not overwrite:
                raise UserError(
                    f'{out} holds source frames that were selected with other settings or another '
                    'model: select anew with --overwrite'
                )
            remove(out)
        check_writable(
            out, f'name another folder in train_dataloader.dataset.source of {cfg.filename}'
        )
        frames = self.pool_of(tuple(target['classes']))
        runner = generator.runner(cfg, checkpoints, workers, device, len(target['classes']))
        with one_thread():
            survey = survey_target(cfg, generator, runner, target)
            chosen = self.nearest(frames, survey)
            content = self._write(out, runner, chosen, survey.means, made)
        return content

    def pool_of(self, classes: Sequence[str]) -> list[dict]:
        """The drawn source frames, as the data set describes them.

        Raises:
            UserError: If they are fewer than those to be selected, or have other classes.
        """
        dataset = DATASETS.build(dict(self.source, clip_length=1, pipeline=[]))
        if tuple(dataset.metainfo['classes']) != tuple(classes):
            raise UserError(
                f'{KEY}.source has the classes {dataset.metainfo["classes"]}, the target {classes}'
            )
        size = int(len(dataset) * self.pool)
        if size < self.count:
            raise UserError(
                f'{KEY}.pool={self.pool} of {len(dataset)} source frames are {size}, fewer than '
                f'count={self.count}: enlarge the pool, or take fewer frames'
            )
        drawn = np.random.default_rng(self.seed).choice(len(dataset), size, replace=False)
        return [dataset.get_data_info(int(i)) for i in sorted(drawn)]

    def nearest(self, frames: Sequence[dict], survey: Survey) -> list[dict]:
        """The frames whose layout is nearest to those of the target, nearest first."""
        generator = np.random.default_rng(self.seed)
        rows, columns = survey.centres(self.centres, generator)
        height, width = rows.shape[-1], columns.shape[-1]
        distances = []
        for info in frames:
            label = _resized(read_label(info['seg_map_path'], info['label_spec']), (height, width))
            own = layout(np.stack([label == k for k in range(rows.shape[1])]))
            distances.append(divergence(rows, own[0]) + divergence(columns, own[1]))
        order = np.argsort(distances, kind='stable')[: self.count]
        return [frames[i] for i in order]

    def _write(
        self,
        out: str,
        runner: ClipRunner,
        chosen: Sequence[dict],
        means: np.ndarray,
        made: dict[str, Any],
    ) -> dict:
        content = dict(made, finished=False)
        write_manifest(out, content)
        infos = {mask_name(info['seq_name'], info['frame_name']): info for info in chosen}
        write_frames(out, sorted(infos))
        clips = [
            FrameClip(mask, (Frame(mask, info['img_path']),))
            for mask, info in sorted(infos.items())
        ]
        work = _SourceWriter(
            out,
            means,
            self.pixels,
            {mask: (info['seg_map_path'], info['label_spec']) for mask, info in infos.items()},
        )
        kept, all_ = np.zeros((2, len(means)), np.int64)
        for _, (own_kept, own_all) in runner(work, clips):
            kept += own_kept
            all_ += own_all
        content.update(finished=True, kept=kept.tolist(), predicted=all_.tolist())
        write_manifest(out, content)
        return content


def source_folder(cfg: Config) -> str:
    """The folder that a config reads its selected source frames from.

    Raises:
        UserError: If the config does not set it.
    """
    require(cfg, 'train_dataloader.dataset')
    source = cfg.train_dataloader.dataset.get('source') or {}
    if not source.get('pseudo_labels'):
        raise UserError(
            f'{cfg.filename}: train_dataloader.dataset.source.pseudo_labels is not set, the folder '
            'of the selected source frames'
        )
    return source['pseudo_labels']


def survey_target(
    cfg: Config, generator: PseudoLabelGenerator, runner: ClipRunner, manifest: Mapping[str, Any]
) -> Survey:
    """Layouts of the labelled target frames, and the class means of their labelled pixels.

    Args:
        cfg: Config of the training.
        generator: Its generator of pseudo-labels.
        runner: Predicts.
        manifest: Description of the pseudo-labels, with their thresholds.

    Raises:
        InputError: If the frames differ in size.
    """
    dataset, classes, _ = generator.target(cfg)
    thresholds = np.array(list(manifest['thresholds'].values())[-1])
    rows: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    sums, counts = np.zeros((len(classes), len(classes))), np.zeros(len(classes))
    assert isinstance(generator.rule, FixedRule)
    surveyor = _Surveyor(generator.rule, thresholds)
    for clip, (layouts, own_sums, own_counts) in runner(surveyor, generator.clips(dataset)):
        for own_rows, own_columns in layouts:
            if rows and (own_rows.shape, own_columns.shape) != (rows[0].shape, columns[0].shape):
                raise InputError(
                    f'the frames of {clip.name} have another size than those before: layouts are '
                    'compared at one size (ClipResize without keep_ratio).'
                )
            rows.append(own_rows)
            columns.append(own_columns)
        sums += own_sums
        counts += own_counts
    with np.errstate(invalid='ignore'):
        means = sums / counts[:, None]
    return Survey(np.stack(rows), np.stack(columns), means)


@dataclass(frozen=True)
class _Surveyor:
    """Layouts and sums of a clip of the target."""

    rule: FixedRule
    thresholds: np.ndarray

    def __call__(
        self, clip: FrameClip, predictions: Iterator[Prediction], turn: Turn
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
        classes = len(self.thresholds)
        layouts, sums, counts = [], np.zeros((classes, classes)), np.zeros(classes)
        for prediction in predictions:
            assert prediction.probabilities is not None
            maps = prediction.probabilities.cpu().numpy()
            layouts.append(layout(maps))
            own_sums, own_counts = softened_sums(
                maps, self.rule.choose(prediction, self.thresholds)[0]
            )
            sums += own_sums
            counts += own_counts
        return layouts, sums, counts


@dataclass(frozen=True)
class _SourceWriter:
    """Writes what is left of the labels of a source frame."""

    out: str
    means: np.ndarray
    share: float
    labels: dict[str, tuple[str, Any]]

    def __call__(
        self, clip: FrameClip, predictions: Iterator[Prediction], turn: Turn
    ) -> tuple[np.ndarray, np.ndarray]:
        (frame,), (prediction,) = clip.frames, predictions
        assert prediction.probabilities is not None
        label = read_label(*self.labels[frame.mask])
        maps = prediction.probabilities.cpu().numpy()
        small = _resized(label, maps.shape[1:])
        kept = similar_pixels(maps, small, self.means, self.share)
        selected = np.where(full_size(kept.astype(np.uint8), label.shape) > 0, label, IGNORE)
        write_mask(osp.join(self.out, frame.mask), selected.astype(np.uint8), label.shape)
        counts = (np.bincount(one.ravel(), minlength=256) for one in (selected, label))
        own_kept, own_all = (one[: len(self.means)] for one in counts)
        return own_kept, own_all


def _resized(label: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return full_size(label, (size[0], size[1]))
