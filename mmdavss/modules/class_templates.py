"""Templates: what QuadMix pastes into other clips."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .class_mix import ClipLayer, class_masks, draw_values, occurring_values
from .temporal_labels import IGNORE

#: Classes drawn for each template, as published.
DRAWN = 2


def source_template(clips: ClipLayer, always: Tensor) -> tuple[ClipLayer, Tensor]:
    """A template of two classes that the labels of the current frame have, and of some others.

    As published 255 is one of the values that may be drawn.

    Args:
        clips: N labelled clips.
        always: (256,), bool, the classes that belong to any template.

    Returns:
        The clips with the mask of the template, and the two classes (N, 256), bool.
    """
    drawn = draw_values(occurring_values(clips.labels[:, -1]), DRAWN)
    return clips._replace(mask=class_masks(clips.labels, drawn | always)[:, 0]), drawn


def target_template(clips: ClipLayer, sure: Tensor, but: Tensor) -> ClipLayer:
    """A template of two classes of the current frame's pseudo-labels, where these are sure.

    Args:
        clips: N clips with pseudo-labels.
        sure: (N, T, H, W), bool.
        but: (N, 256), bool, the classes not to draw.

    Returns:
        The clips with the mask of the template, which may be empty.
    """
    drawn = draw_values(occurring_values(clips.labels[:, -1]) & ~but, DRAWN)
    return clips._replace(mask=class_masks(clips.labels, drawn)[:, 0] & sure)


def still_layers(
    images: Tensor, labels: Tensor, length: int, size: Sequence[int]
) -> list[ClipLayer]:
    """Layers of patches that do not move: the same ones in all frames, without flow.

    Args:
        images: (N, R, 3, H, W).
        labels: (N, R, H, W), int64, 255 outside of the patches.
        length: Number of frames, T.
        size: (H, W) of the clips that they are pasted onto.

    Returns:
        R layers.

    Raises:
        ValueError: If they have another size.
    """
    if images.shape[-2:] != tuple(size):
        raise ValueError(
            f'patches of rare classes have {tuple(images.shape[-2:])} pixels (height, width), what '
            f'they are pasted onto {tuple(size)}: set `rare_patches.size` to that.'
        )
    images, labels = (
        maps[:, :, None].expand(-1, -1, length, *maps.shape[2:]) for maps in (images, labels)
    )
    return [
        ClipLayer(image, label, mask=label != IGNORE)
        for image, label in zip(images.unbind(1), labels.unbind(1), strict=True)
    ]
