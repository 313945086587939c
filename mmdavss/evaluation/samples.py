"""What metrics over videos read from a sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from mmengine.evaluator import BaseMetric

T = TypeVar('T')


def by_sequence(results: Iterable[tuple[str, str, T]]) -> dict[str, dict[str, T]]:
    """Results of frames by sequence and name; frames that a sampler has repeated count once."""
    sequences: dict[str, dict[str, T]] = {}
    for sequence, name, result in results:
        sequences.setdefault(sequence, {})[name] = result
    return sequences


def labelled_frame(metric: BaseMetric, sample: Mapping[str, Any]) -> tuple[str, str]:
    """Names of the sequence and the frame of a sample that has a label.

    Raises:
        ValueError: If it lacks a name or the label, or its prediction has another size.
    """
    name = type(metric).__name__
    if 'seq_name' not in sample or 'frame_name' not in sample:
        raise ValueError(
            f'{name}: a sample has no seq_name and frame_name, which identify the frames of a '
            'clip. Use a data set of mmdavss and PackClipInputs with both among its meta_keys.'
        )
    if 'gt_sem_seg' not in sample:
        raise ValueError(
            f'{name}: {sample["frame_name"]} of {sample["seq_name"]} has no label. Set '
            'with_labels=True and put LoadClipAnnotations into the pipeline.'
        )
    predicted, labelled = (
        tuple(sample[key]['data'].shape[-2:]) for key in ('pred_sem_seg', 'gt_sem_seg')
    )
    if predicted != labelled:
        raise ValueError(
            f'{name}: {sample["frame_name"]} of {sample["seq_name"]} has a label of {labelled} and '
            f'a prediction of {predicted}: put LoadClipAnnotations behind ClipResize.'
        )
    return sample['seq_name'], sample['frame_name']
