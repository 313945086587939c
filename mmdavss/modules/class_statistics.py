"""Running mean, covariance and count of the features of each class, and banks of batch means.

SePiCo, section 3.2. Symbols: C classes, features of A channels, M rows in a batch, B entries in
the bank of a class; n and m are a class's numbers of rows before and within an update.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import rows_per_block

COVARIANCES = ('diagonal', 'full', None)
#: Rows per block on a CPU: 512 x 512 values in float64 are 2 MiB.
BLOCK = 512
#: Rows per tile of the full covariance, and tiles per block on a CPU.
TILE, TILES = 256, 4


def classes_of_rows(
    labels: Tensor,
    num_classes: int,
    ignore_index: int = 255,
    seen: Tensor | None = None,
    finite: Tensor | None = None,
) -> Tensor:
    """Class of each row (or pixel), `num_classes` for ignored ones.

    Rows are ignored if they are labelled `ignore_index` or outside 0..num_classes-1, are not
    finite, or belong to a class that is not `seen`. No row is removed, so nothing synchronises
    with the device.

    Args:
        labels: Labels of any shape.
        num_classes: Number of classes, C.
        ignore_index: Label of rows to ignore.
        seen: (C,), bool; None for all.
        finite: Bool, with the shape of `labels`; None for all.

    Returns:
        int64 in 0..C, of the shape of `labels`.
    """
    takes_part = (labels >= 0) & (labels < num_classes) & (labels != ignore_index)
    if finite is not None:
        takes_part &= finite
    classes = torch.where(takes_part, labels, num_classes).long()
    if seen is not None:
        unseen = torch.cat([~seen, seen.new_ones(1)])
        classes = classes.masked_fill(unseen[classes], num_classes)
    return classes


def tiles_of_classes(classes: Tensor, num_classes: int, size: int) -> tuple[Tensor, Tensor]:
    """Gathers the rows of each class in tiles of `size`, without device synchronisation.

    Args:
        classes: (M,), from :func:`classes_of_rows`.
        num_classes: Number of classes, C.
        size: Rows per tile.

    Returns:
        Row numbers (T, size), with M where a tile is padded, and the classes (T,) of the tiles.
        T = M // size + C always suffices; unused tiles contain only padding.
    """
    count = len(classes)
    rows_of = classes.new_zeros(num_classes + 1).scatter_add_(0, classes, torch.ones_like(classes))
    first_row = rows_of.cumsum(0) - rows_of
    order = torch.cat([classes.argsort(stable=True), classes.new_full((1,), count)])
    tiles_of = (rows_of[:-1] + size - 1) // size
    end_tile = tiles_of.cumsum(0)
    tile = torch.arange(count // size + num_classes, device=classes.device)
    tile_class = torch.searchsorted(end_tile, tile, right=True).clamp(max=num_classes - 1)
    within = (tile - (end_tile - tiles_of)[tile_class])[:, None] * size + torch.arange(
        size, device=classes.device
    )
    position = first_row[tile_class][:, None] + within
    # Unused tiles come after those of the last class: they start past its rows.
    used = within < rows_of[tile_class][:, None]
    return order[torch.where(used, position, count)], tile_class


@MODELS.register_module()
class ClassStatistics(nn.Module):
    """Mean, covariance and count per class over all updates, and the latest batch means.

    All state is in buffers, so it is saved in checkpoints and survives a resume. In distributed
    training, an update uses the global batch and is the same in every process.

    Buffers: ``count`` (C,), ``mean`` (C, A), ``covariance`` (C, A) or (C, A, A), all float64;
    ``bank`` (C, B, A), float32, and ``bank_added`` (C,), the number of means added to each
    class's bank. Classes that have not occurred are zero, with an empty bank, whereas the published
    bank starts with a zero vector that counts until it is pushed out.

    Args:
        num_classes: Number of classes, C.
        channels: Number of channels, A.
        covariance: ``diagonal`` (the published results), ``full`` (the paper) or None.
        bank_size: Bank size B, 0 for no bank.
    """

    count: Tensor
    mean: Tensor
    covariance: Tensor | None
    bank: Tensor
    bank_added: Tensor

    def __init__(
        self,
        num_classes: int,
        channels: int,
        covariance: str | None = 'diagonal',
        bank_size: int = 0,
    ) -> None:
        super().__init__()
        if covariance not in COVARIANCES:
            raise ValueError(
                f'ClassStatistics: covariance={covariance!r} is not one of {COVARIANCES}.'
            )
        self.num_classes = num_classes
        self.channels = channels
        self.bank_size = bank_size

        def zeros(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.zeros(shape, dtype=dtype)

        self.register_buffer('count', zeros(num_classes))
        self.register_buffer('mean', zeros(num_classes, channels))
        shapes = dict(diagonal=(num_classes, channels), full=(num_classes, channels, channels))
        self.register_buffer('covariance', zeros(*shapes[covariance]) if covariance else None)
        self.register_buffer('bank', zeros(num_classes, bank_size, channels, dtype=torch.float32))
        self.register_buffer('bank_added', zeros(num_classes, dtype=torch.int64))

    @property
    def seen(self) -> Tensor:
        """(C,), bool: the classes that have occurred."""
        return self.count > 0

    @property
    def bank_length(self) -> Tensor:
        """(C,), int64: number of valid entries in each class's bank, which come first."""
        return self.bank_added.clamp(max=self.bank_size)

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor, ignore_index: int = 255) -> None:
        """Adds one batch (equations 6, 7, 9 and 10).

        Rows that are not finite are ignored, so that one batch cannot spoil the statistics; the
        caller has to detect them (:meth:`BaseAdapter.watch`). All processes must call this
        together.

        Args:
            features: (M, A).
            labels: (M,), classes or `ignore_index`.
            ignore_index: Label of rows to ignore.
        """
        with torch.autocast(features.device.type, enabled=False):
            # Zero times a value that is not finite is NaN; this does not copy the features.
            finite = features.mv(features.new_zeros(self.channels)) == 0
        classes = classes_of_rows(labels, self.num_classes, ignore_index, finite=finite)

        # Equation 6, the sums and counts in one tensor.
        sums = self.mean.new_zeros(self.num_classes, self.channels + 1)
        for block, member in self._blocks(features, classes):
            sums[:, :-1].addmm_(member.T, block)
            sums[:, -1] += member.sum(0)
        all_reduce(sums)
        count = sums[:, -1]
        mean = sums[:, :-1] / count.clamp(min=1)[:, None]
        share = count / (self.count + count).clamp(min=1)

        # Equation 10, from centred values: raw sums of squares would suffer from cancellation.
        if self.covariance is not None:
            moments = torch.zeros_like(self.covariance)
            full = moments.dim() == 3
            (self._add_products if full else self._add_squares)(moments, features, classes, mean)
            all_reduce(moments)
            shift = self.mean - mean
            shape = (-1, 1, 1) if full else (-1, 1)
            moments *= (share / count.clamp(min=1)).view(shape)
            shifted = (share * (1 - share))[:, None] * shift
            if full:
                moments.baddbmm_(shifted[:, :, None], shift[:, None])
            else:
                moments.addcmul_(shifted, shift)
            self.covariance.mul_((1 - share).view(shape)).add_(moments)

        # Equation 7.
        self.mean.lerp_(mean, share[:, None])
        self.count += count

        # Equation 9.
        if self.bank_size:
            row = torch.arange(self.num_classes, device=count.device)
            place = self.bank_added % self.bank_size
            occurs = count > 0
            self.bank[row, place] = torch.where(
                occurs[:, None], mean.to(self.bank.dtype), self.bank[row, place]
            )
            self.bank_added += occurs

    def _blocks(self, features: Tensor, classes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of rows (b, A) in float64, zero for ignored ones, and their one-hot classes
        (b, C)."""
        every = torch.arange(self.num_classes, device=classes.device)
        size = rows_per_block(features.device, BLOCK, 8 * max(self.channels, self.num_classes))
        for rows, kinds in zip(features.split(size), classes.split(size), strict=True):
            left_out = (kinds == self.num_classes)[:, None]
            yield rows.double().masked_fill(left_out, 0), (kinds[:, None] == every).double()

    def _add_squares(
        self, moments: Tensor, features: Tensor, classes: Tensor, mean: Tensor
    ) -> None:
        """Adds the sums (C, A) of squares about `mean`."""
        for block, member in self._blocks(features, classes):
            moments.addmm_(member.T, block.addmm_(member, mean, alpha=-1).square_())

    def _add_products(
        self, moments: Tensor, features: Tensor, classes: Tensor, mean: Tensor
    ) -> None:
        """Adds the sums (C, A, A) of products about `mean`, in tiles of one class each."""
        rows, kinds = tiles_of_classes(classes, self.num_classes, TILE)
        together = rows_per_block(
            features.device, TILES, 8 * self.channels * max(TILE, self.channels)
        )
        for row, kind in zip(rows.split(together), kinds.split(together), strict=True):
            tile = features[row.clamp(max=len(features) - 1)].double() - mean[kind][:, None]
            tile.masked_fill_((row == len(features))[..., None], 0)
            moments.index_add_(0, kind, tile.transpose(1, 2) @ tile)
