"""Masked images: the student has to say from the context what is hidden (MIC)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType
from torch import Tensor, nn

from mmdavss.utils.errors import check_factors, check_unit

MODES = ('target', 'separate', 'source')


def block_mask(
    count: int,
    size: tuple[int, int],
    block_size: int,
    mask_ratio: float,
    device: torch.device | str = 'cpu',
) -> Tensor:
    """Draws for each image which square blocks stay visible (Hoyer et al., CVPR 2023, eq. 3).

    As published: the number of blocks along a side is rounded, half to even, so that the blocks of
    sides that are no multiples are a little larger or smaller than `block_size`.

    Args:
        count: Number of images N.
        size: (H, W), their size in pixels.
        block_size: Side of a block in pixels.
        mask_ratio: Share of the blocks to hide, on average.
        device: Where to draw.

    Returns:
        (N, 1, H, W), float32, 1 where an image stays visible.

    Raises:
        ValueError: If a side is so small that it has no block.
    """
    blocks = [round(side / block_size) for side in size]
    if min(blocks) == 0:
        raise ValueError(
            f'block_mask: an image of {size[1]}x{size[0]} has no block of {block_size} pixels: '
            'block_size must be smaller.'
        )
    visible = torch.rand(count, 1, *blocks, device=device) > mask_ratio
    return F.interpolate(visible.float(), size, mode='nearest')


@MODELS.register_module()
class MaskedConsistency(nn.Module):
    """Masked image consistency (MIC): what is masked, and how much it weighs.

    The student learns the teacher's labels of the plain target images from images in which blocks
    are hidden: ``masked`` of :class:`MeanTeacher`, and of methods that get a teacher for it.

    In a clip the same blocks are hidden in all frames, so that no other frame shows them.

    Args:
        block_size: Side of a block in pixels: 64 for crops of 1024x1024, 32 for 512x512.
        mask_ratio: Share of the blocks to hide.
        mode: ``target``: all target clips of a batch, as for daytime targets
            (``separatetrgaug`` of the release). ``separate``: every other clip of a batch, source
            and target, as for targets at night or in bad weather; of the batches of two of the
            release that is the first of each domain. ``source``: all source clips, with their own
            labels (``separatesrcaug``).
        augment: Config of the strong augmentation before masking, which makes draws of its own;
            None for none.
        loss_weight: Factor of the loss of the prediction. As published it does not reach what a
            net adds to that, such as the loss of HRDA's details.

    Raises:
        ValueError: If a value is outside its range.
    """

    def __init__(
        self,
        block_size: int = 64,
        mask_ratio: float = 0.7,
        mode: str = 'target',
        augment: OptConfigType = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f'MaskedConsistency: mode={mode!r} is not one of {MODES}.')
        check_unit('MaskedConsistency', mask_ratio=mask_ratio)
        if not isinstance(block_size, int) or block_size < 1:
            raise ValueError(
                f'MaskedConsistency: block_size={block_size} must be 1 or more, and whole.'
            )
        check_factors('MaskedConsistency', loss_weight=loss_weight)
        self.block_size = block_size
        self.mask_ratio = mask_ratio
        self.mode = mode
        self.augment = None if augment is None else MODELS.build(augment)
        self.loss_weight = loss_weight

    def mask(self, clips: Tensor) -> Tensor:
        """Hides blocks of normalised clips: they become 0, the mean colour.

        Args:
            clips: (N, T, 3, H, W).

        Returns:
            Same shape.
        """
        height, width = clips.shape[-2:]
        visible = block_mask(
            len(clips), (height, width), self.block_size, self.mask_ratio, clips.device
        )
        return clips * visible[:, None].to(clips.dtype)
