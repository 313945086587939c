"""Videos of the same name, in metrics that group frames by video."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from mmseg.structures import SegDataSample


def refuses_videos_of_one_name(
    samples: Sequence[SegDataSample], evaluate: Callable[[list[SegDataSample]], object]
) -> None:
    """Two data sets that are tested together: the frames of one do not replace those of another.

    Args:
        samples: Frames of two videos, as many of each; their names are changed.
        evaluate: Applies the metric to samples.
    """
    half = len(samples) // 2
    for number, one in enumerate(samples):
        one.set_metainfo(dict(seq_name='001', img_path=f'{number}.png'))
    first, second = samples[0], samples[half]
    second.set_metainfo(dict(frame_name=first.frame_name))
    with pytest.raises(ValueError, match=f'{first.img_path} and {second.img_path} would both be'):
        evaluate(list(samples))
    second.set_metainfo(dict(img_path=first.img_path))
    evaluate([*samples[:half], second])
