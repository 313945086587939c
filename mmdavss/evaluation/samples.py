"""What metrics over videos read from a sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from mmengine.evaluator import BaseMetric

from mmdavss.utils.errors import InputError

T = TypeVar('T')
#: What to do about frames that have the same names.
SAME_NAMES = 'give the sequences or the frames other names, or test fewer sequences at a time'


class LabelledFrame(NamedTuple):
    """A frame that has a label: names of its sequence and of itself, and its file if known."""

    sequence: str
    name: str
    path: str | None


def by_sequence(
    metric: BaseMetric, results: Iterable[tuple[LabelledFrame, T]]
) -> dict[str, dict[str, T]]:
    """Results of frames by sequence and name; frames that a sampler has repeated count once.

    Raises:
        InputError: If two files have the same names.
    """
    sequences: dict[str, dict[str, T]] = {}
    paths: dict[tuple[str, str], str | None] = {}
    for (sequence, name, path), result in results:
        check_same_file(metric, sequence, name, paths.setdefault((sequence, name), path), path)
        sequences.setdefault(sequence, {})[name] = result
    return sequences


def check_same_file(
    metric: BaseMetric, sequence: str, frame: str | int, first: str | None, second: str | None
) -> None:
    """Checks that two results of one name are of one frame, which a sampler has repeated.

    Data sets that are tested together may have videos of the same name.

    Raises:
        InputError: If their files differ.
    """
    if first != second:
        raise InputError(
            f'{type(metric).__name__}: {first} and {second} would both be the frame {frame} of '
            f'{sequence}: {SAME_NAMES}'
        )


def labelled_frame(metric: BaseMetric, sample: Mapping[str, Any]) -> LabelledFrame:
    """Sequence, name and file of a sample that has a label.

    Raises:
        ValueError: If it lacks a name or the label, or its prediction has another size.
    """
    if 'seq_name' not in sample or 'frame_name' not in sample:
        raise ValueError(
            f'{type(metric).__name__}: a sample has no seq_name and frame_name, which identify the '
            'frames of a clip. Use a data set of mmdavss and PackClipInputs with both among its '
            'meta_keys.'
        )
    check_label(metric, sample)
    return LabelledFrame(sample['seq_name'], sample['frame_name'], sample.get('img_path'))


def check_label(metric: BaseMetric, sample: Mapping[str, Any]) -> None:
    """Checks that a sample, of any data set, has a label of the size of its prediction.

    Raises:
        ValueError: If it has none, or its prediction has another size.
    """
    what = f'{type(metric).__name__}: {_shown(sample)}'
    if 'gt_sem_seg' not in sample:
        raise ValueError(
            f'{what} has no label. Set with_labels=True and put LoadClipAnnotations into the '
            "pipeline (LoadAnnotations, for mmseg's own data sets)."
        )
    predicted, labelled = (
        tuple(sample[key]['data'].shape[-2:]) for key in ('pred_sem_seg', 'gt_sem_seg')
    )
    if predicted != labelled:
        raise ValueError(
            f'{what} has a label of {labelled} and a prediction of {predicted}: put '
            "LoadClipAnnotations behind ClipResize (LoadAnnotations behind Resize, for mmseg's "
            'own data sets).'
        )


def _shown(sample: Mapping[str, Any]) -> str:
    """What a message calls the frame of a sample."""
    if 'seq_name' in sample and 'frame_name' in sample:
        return f'{sample["frame_name"]} of {sample["seq_name"]}'
    return sample.get('img_path', 'a sample')
