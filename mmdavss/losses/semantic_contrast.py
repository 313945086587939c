"""Pixel contrasts of SePiCo (section 3.3), with memory independent of classes and banks.

Symbols: a query q is a pixel's feature, a unit vector of A channels, y its class; class k has the
mean mu_k, the covariance Sigma_k and the bank B_k of batch means; tau is the temperature.

    ProtoCL (14)  -log( e^(q.mu_y/tau) / sum_k e^(q.mu_k/tau) )
    BankCL  (15)  -mean_{b in B_y} log( e^(q.b/tau) / (e^(q.b/tau) + sum_{k != y} E_k) )
                  E_k = mean_{b in B_k} e^(q.b/tau) in the text, e^(mean_{b in B_k} q.b/tau) in code
    DistCL  (19)  log sum_k e^(q.mu_k/tau + q.Sigma_k.q/(2 tau^2))  -  q.mu_y/tau
    regulariser (13)  sum_k log softmax_k(Q.mu_k/tau) / (K log K),  Q the mean of the queries

Equation 19 is also printed as a cross-entropy plus q.Sigma_y.q/(2 tau^2), which is equivalent.

At tau = 100 and with unit vectors, ProtoCL is log K plus about 1e-4, whatever is learned: monitor
``alignment``, the mean cosine of q and mu_y, instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmdavss.modules.class_statistics import ClassStatistics, classes_of_rows, tiles_of_classes
from mmdavss.ops import rows_per_block
from mmdavss.utils.distributed import mean_over_batch, sum_over_processes

NEGATIVES = ('exp_of_mean', 'mean_of_exp')
REDUCTIONS = ('mean', 'sum', 'none')
#: Rows per block on a CPU: 256 x 512 values in float32 are 0.5 MiB.
BLOCK = 256
#: The same if each row has C x A or C x B values of its own.
SMALL_BLOCK = 128
#: Rows per tile (compared only with the bank of its class) and tiles per block, on a CPU.
TILE, TILES = 64, 8
#: Maximum rows per tile elsewhere: few tiles (each gathers a bank), but still little padding.
LARGE_TILE = 512


class _RowLosses(torch.autograd.Function):
    """Per-pixel losses and the similarities q.mu_k, computed block by block.

    The gradient of the losses is computed along with them, so that a block's intermediate values
    are freed before the next block and nothing is computed twice. The gradient overwrites the
    features in a copy of each image.

    Args (of ``apply``):
        maps: (N, A, P).
        classes: (N, P), C for ignored pixels, which get zeros.
        mean: mu (C, A).
        blocks: Maps the classes (P,) of an image to the pixel indices of each of its blocks, in
            any shape, with P for padding. No pixel is in two blocks.
        row_loss: Maps a block's features (..., A), q.mu_k (..., C) and classes (...) to its losses
            (...).

    Returns:
        Losses (N, P) and similarities (N, C, P).
    """

    @staticmethod
    def forward(
        ctx,
        maps: Tensor,
        classes: Tensor,
        mean: Tensor,
        blocks: Callable[[Tensor], Sequence[Tensor]],
        row_loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        images, channels, pixels = maps.shape
        num_classes, needs_grad = len(mean), ctx.needs_input_grad[0]
        losses = maps.new_empty(images, pixels)
        similarities = maps.new_empty(images, num_classes, pixels)
        grad: Any = maps.new_empty(maps.shape) if needs_grad else None
        for n in range(images):
            # The last row is for padding.
            kinds = torch.cat([classes[n], classes.new_full((1,), num_classes)])
            left_out = kinds == num_classes
            rows = maps.new_empty(pixels + 1, channels)
            rows[:-1].copy_(maps[n].T)
            rows.masked_fill_(left_out[:, None], 0)
            loss = maps.new_zeros(pixels + 1)
            to_means = maps.new_zeros(pixels + 1, num_classes)
            for block in blocks(classes[n]):
                with torch.set_grad_enabled(needs_grad):
                    queries = rows.index_select(0, block.flatten()).view(*block.shape, -1)
                    queries.requires_grad_(needs_grad)
                    scores = queries @ mean.T
                    values = row_loss(queries, scores, kinds[block].clamp(max=num_classes - 1))
                    values = values.masked_fill(left_out[block], 0)
                    if needs_grad:
                        rows[block] = torch.autograd.grad(values.sum(), queries)[0]
                loss[block], to_means[block] = values.detach(), scores.detach()
            losses[n], similarities[n] = loss[:-1], to_means[:-1].T
            if needs_grad:
                grad[n].copy_(rows[:-1].T)
        if needs_grad:
            ctx.save_for_backward(grad, classes, mean)
        return losses, similarities

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, grad_similarities: Tensor) -> tuple[Tensor | None, ...]:
        own, classes, mean = ctx.saved_tensors
        left_out = (classes == len(mean))[:, None]
        grad_maps = _project(mean.T, grad_similarities.masked_fill(left_out, 0))
        return grad_maps.addcmul_(own, grad[:, None]), None, None, None, None


def _project(matrix: Tensor, maps: Tensor) -> Tensor:
    """Product of (B, A) and (N, A, P); ``matmul`` would copy the maps."""
    return torch.bmm(matrix.expand(len(maps), -1, -1), maps)


def _mask(scores: Tensor, left_out: Tensor) -> Tensor:
    """Masks scores from softmax; finite, so that a fully masked row has zero gradient."""
    return scores.masked_fill(left_out, torch.finfo(scores.dtype).min)


# The contrasts: losses (N, P) and similarities q.mu_k (N, C, P), zero at ignored pixels.


def _proto(
    maps: Tensor, classes: Tensor, mean: Tensor, temperature: float, seen: Tensor | None
) -> tuple[Tensor, Tensor]:
    left_out = classes == len(mean)
    similarities = _project(mean, maps).masked_fill(left_out[:, None], 0)
    scores = similarities / temperature
    own = scores.gather(1, classes.clamp(max=len(mean) - 1)[:, None])[:, 0]
    if seen is not None:
        scores = _mask(scores, ~seen[:, None])
    return (scores.logsumexp(1) - own).masked_fill(left_out, 0), similarities


def _bank(
    maps: Tensor,
    classes: Tensor,
    mean: Tensor,
    bank: Tensor,
    bank_length: Tensor,
    temperature: float,
    negatives: str,
) -> tuple[Tensor, Tensor]:
    num_classes, size, channels = bank.shape
    bank = bank.to(maps)
    valid = torch.arange(size, device=bank.device) < bank_length[:, None]
    empty, length = ~valid[:, 0], bank_length.clamp(min=1).to(maps.dtype)
    every = torch.arange(num_classes, device=bank.device)

    def log_sum_of_others(scores: Tensor, kinds: Tensor) -> Tensor:
        return _mask(scores, empty | (kinds[..., None] == every)).logsumexp(-1)

    def mean_over_bank(similarities: Tensor, log_others: Tensor, kinds: Tensor) -> Tensor:
        """-mean_b log(e^s / (e^s + others)) of similarities s (..., B)."""
        losses = F.softplus(log_others[..., None] - similarities)
        return losses.masked_fill(~valid[kinds], 0).sum(-1) / length[kinds]

    def exp_of_mean(queries: Tensor, _: Tensor, kinds: Tensor) -> Tensor:
        # Tiles (T, R, A), each of one class, given by its first pixel.
        log_others = log_sum_of_others(queries @ mean_entry.T / temperature, kinds)
        kind = kinds[:, 0]
        similarities = queries @ bank.index_select(0, kind).transpose(1, 2) / temperature
        return mean_over_bank(similarities, log_others, kind[:, None])

    def mean_of_exp(queries: Tensor, _: Tensor, kinds: Tensor) -> Tensor:
        similarities = (queries @ bank.flatten(0, 1).T / temperature).view(-1, num_classes, size)
        log_means = _mask(similarities, ~valid).logsumexp(-1) - length.log()
        own = similarities.take_along_dim(kinds[:, None, None], 1)[:, 0]
        return mean_over_bank(own, log_sum_of_others(log_means, kinds), kinds)

    def tiles(classes: Tensor) -> Sequence[Tensor]:
        tile = min(LARGE_TILE, _block(maps, TILE, max(channels, size)))
        together = _block(maps, TILES, max(tile * channels, tile * size, size * channels))
        return tiles_of_classes(classes, num_classes, tile)[0].split(together)

    if negatives == 'exp_of_mean':
        mean_entry = (bank * valid[..., None]).sum(1) / length[:, None]
        return _RowLosses.apply(maps, classes, mean, tiles, exp_of_mean)
    block = _block(maps, SMALL_BLOCK, num_classes * size)
    return _RowLosses.apply(maps, classes, mean, _in_order(block), mean_of_exp)


def _dist(
    maps: Tensor,
    classes: Tensor,
    mean: Tensor,
    covariance: Tensor,
    temperature: float,
    seen: Tensor | None,
) -> tuple[Tensor, Tensor]:
    num_classes, channels = mean.shape
    covariance = covariance.to(maps)
    full = covariance.dim() == 3

    def quadratic(queries: Tensor) -> Tensor:
        """q.Sigma_k.q, (b, C)."""
        if not full:
            return queries.square() @ covariance.T
        # The gradient is 2 Sigma_k.q, which reuses the product.
        product = queries.detach() @ covariance.flatten(0, 1).T
        value = torch.einsum('bka,ba->bk', product.view(-1, num_classes, channels), queries)
        return 2 * value - value.detach()

    def row_loss(queries: Tensor, to_means: Tensor, kinds: Tensor) -> Tensor:
        scores = to_means / temperature
        own = scores.gather(1, kinds[:, None])[:, 0]
        scores = scores + quadratic(queries) / (2 * temperature**2)
        if seen is not None:
            scores = _mask(scores, ~seen)
        return scores.logsumexp(1) - own

    block = (
        _block(maps, SMALL_BLOCK, num_classes * channels) if full else _block(maps, BLOCK, channels)
    )
    return _RowLosses.apply(maps, classes, mean, _in_order(block), row_loss)


def _block(maps: Tensor, on_cpu: int, row_values: int) -> int:
    return rows_per_block(maps.device, on_cpu, row_values * maps.element_size())


def _in_order(size: int) -> Callable[[Tensor], Sequence[Tensor]]:
    return lambda classes: torch.arange(len(classes), device=classes.device).split(size)


def _reduce(losses: Tensor, classes: Tensor, num_classes: int, reduction: str = 'mean') -> Tensor:
    """Equation 12 for ``mean``: over the pixels used, of all processes; zero if there are none."""
    if reduction not in REDUCTIONS:
        raise ValueError(f'reduction={reduction!r} is not one of {REDUCTIONS}.')
    if reduction == 'none':
        return losses
    total = losses.sum()
    return total if reduction == 'sum' else mean_over_batch(total, (classes < num_classes).sum())


def _regulariser(
    similarities: Tensor, classes: Tensor, temperature: float, seen: Tensor | None
) -> Tensor:
    # Q.mu_k is the mean of q.mu_k. The gradient is the difference of the softmax from 1/K,
    # about 1e-4 of it at temperature 100: float64 is worth it for these C numbers.
    # Not linear in Q, which therefore must be the mean over all processes.
    pixels = sum_over_processes((classes < similarities.shape[1]).sum())
    total = sum_over_processes(similarities.sum((0, 2)).double())
    scores = total / pixels.clamp(min=1) / temperature
    if seen is None:
        seen = torch.ones_like(scores, dtype=torch.bool)
    log_share = _mask(scores, ~seen).log_softmax(0).masked_fill(~seen, 0)
    count = seen.sum().clamp(min=1).double()
    # K log K exceeds 1 except for a single class, whose logarithm is 0.
    loss = log_share.sum() / (count * count.log()).clamp(min=1) * (pixels > 0)
    return loss.to(similarities.dtype)


def _full_precision(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Decorator: at temperature 100, differences are below the resolution of half precision."""

    @wraps(function)
    def wrapped(features: Tensor, *args, **kwargs) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            features = features if features.dtype == torch.float64 else features.float()
            return function(features, *args, **kwargs)

    return wrapped


@_full_precision
def proto_contrast(
    rows: Tensor,
    labels: Tensor,
    mean: Tensor,
    temperature: float = 100.0,
    seen: Tensor | None = None,
    ignore_index: int = 255,
    reduction: str = 'mean',
) -> Tensor:
    """Contrast with the mean of each class, SePiCo equation 14.

    Rows labelled `ignore_index` or of a class that is not `seen` are ignored. If another row is not
    finite, neither is the loss, so that a broken network is noticed.

    Args:
        rows: (M, A), unit vectors.
        labels: (M,), classes or `ignore_index`.
        mean: (C, A).
        temperature: tau.
        seen: (C,), bool, the classes to use; None for all.
        ignore_index: Label of rows to ignore.
        reduction: ``mean`` over the rows used (equation 12; zero if there are none), ``sum``, or
            ``none``: (M,) with zeros for ignored rows.

    Returns:
        Scalar or (M,), float32 at least.
    """
    maps = rows.T[None]
    classes = classes_of_rows(labels[None], len(mean), ignore_index, seen)
    losses, _ = _proto(maps, classes, mean.to(rows), temperature, seen)
    return _reduce(losses[0], classes, len(mean), reduction)


@_full_precision
def bank_contrast(
    rows: Tensor,
    labels: Tensor,
    bank: Tensor,
    bank_length: Tensor,
    temperature: float = 100.0,
    negatives: str = 'exp_of_mean',
    ignore_index: int = 255,
    reduction: str = 'mean',
) -> Tensor:
    """Contrast with the bank of each class, SePiCo equation 15.

    Classes with an empty bank and their rows are ignored. With ``negatives='exp_of_mean'``, a row
    is compared with the entries of its own class and the mean entry of each other class; with
    ``mean_of_exp``, with all entries, which takes C times as long.

    Args:
        rows: (M, A), unit vectors.
        labels: (M,), classes or `ignore_index`.
        bank: (C, B, A).
        bank_length: (C,), int64: number of valid entries, which come first.
        temperature: tau.
        negatives: Term of each other class: ``exp_of_mean``, the exponential of its mean
            similarity (the published code), or ``mean_of_exp``, the mean of the exponentials
            (the paper).
        ignore_index: Same as in :func:`proto_contrast`.
        reduction: Same as in :func:`proto_contrast`.

    Returns:
        Scalar or (M,), float32 at least.
    """
    num_classes = len(bank)
    if negatives not in NEGATIVES:
        raise ValueError(f'negatives={negatives!r} is not one of {NEGATIVES}.')
    maps = rows.T[None]
    classes = classes_of_rows(labels[None], num_classes, ignore_index, bank_length > 0)
    mean = rows.new_zeros(num_classes, rows.shape[1])
    losses, _ = _bank(maps, classes, mean, bank, bank_length, temperature, negatives)
    return _reduce(losses[0], classes, num_classes, reduction)


@_full_precision
def dist_contrast(
    rows: Tensor,
    labels: Tensor,
    mean: Tensor,
    covariance: Tensor,
    temperature: float = 100.0,
    seen: Tensor | None = None,
    ignore_index: int = 255,
    reduction: str = 'mean',
) -> Tensor:
    """Contrast with a Gaussian of each class, SePiCo equation 19.

    Args:
        rows: (M, A), unit vectors.
        labels: (M,), classes or `ignore_index`.
        mean: (C, A).
        covariance: (C, A), diagonals, or (C, A, A), symmetric.
        temperature: tau.
        seen: Same as in :func:`proto_contrast`.
        ignore_index: Same as in :func:`proto_contrast`.
        reduction: Same as in :func:`proto_contrast`.

    Returns:
        Scalar or (M,), float32 at least.
    """
    maps = rows.T[None]
    classes = classes_of_rows(labels[None], len(mean), ignore_index, seen)
    losses, _ = _dist(maps, classes, mean.to(rows), covariance, temperature, seen)
    return _reduce(losses[0], classes, len(mean), reduction)


@_full_precision
def mean_feature_regulariser(
    rows: Tensor,
    labels: Tensor,
    mean: Tensor,
    temperature: float = 100.0,
    seen: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Regulariser of the mean feature, SePiCo equation 13, over the rows used.

    It is -1 if the mean feature is equally similar to all classes, and falls as the mean feature
    prefers some of them. Minimising it, as paper and code do, therefore sharpens; the paper's text
    asks for diversity, which the opposite sign gives.

    Args:
        rows: (M, A), unit vectors.
        labels: (M,), classes or `ignore_index`.
        mean: (C, A).
        temperature: tau.
        seen: Same as in :func:`proto_contrast`.
        ignore_index: Same as in :func:`proto_contrast`.

    Returns:
        Scalar, float32 at least; zero if no row or only a single class is used.
    """
    maps = rows.T[None]
    classes = classes_of_rows(labels[None], len(mean), ignore_index, seen)
    _, similarities = _proto(maps, classes, mean.to(rows), temperature, seen)
    return _regulariser(similarities, classes, temperature, seen)


class SemanticContrast(nn.Module):
    """Base class: a contrast and the regulariser, from features and class statistics.

    Args:
        temperature: tau, 100 in the published results.
        loss_weight: lambda_cl of equation 20, also a factor of the regulariser.
        reg_weight: lambda_reg of equation 20, relative to `loss_weight`.
        reg_sign: 1 as in the equation and the code, -1 for the diversity that the text asks for.
        ignore_index: Label of pixels to ignore.
    """

    def __init__(
        self,
        temperature: float = 100.0,
        loss_weight: float = 1.0,
        reg_weight: float = 1.0,
        reg_sign: int = 1,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ValueError(
                f'{type(self).__name__}: temperature={temperature} is not a positive number.'
            )
        if reg_sign not in (1, -1):
            raise ValueError(f'{type(self).__name__}: reg_sign={reg_sign} is neither 1 nor -1.')
        self.temperature = temperature
        self.loss_weight = loss_weight
        self.reg_weight = reg_weight
        self.reg_sign = reg_sign
        self.ignore_index = ignore_index

    def check(self, statistics: ClassStatistics) -> None:
        """Raises ValueError if the statistics lack what the loss needs."""

    def forward(
        self, features: Tensor, labels: Tensor, statistics: ClassStatistics
    ) -> dict[str, Tensor]:
        """Losses and values to log.

        Args:
            features: (N, A, h, w), unit vectors along A.
            labels: (N, h, w), classes or `ignore_index`.
            statistics: Class statistics with A channels; classes not yet seen are ignored.

        Returns:
            ``loss_contrast`` and ``loss_reg``, weighted, and ``alignment``, the mean cosine of
            features and the means of their classes, which is not a loss.

        Raises:
            ValueError: If the statistics lack what the loss needs.
        """
        self.check(statistics)
        with torch.autocast(features.device.type, enabled=False):
            maps = features.flatten(2)
            maps = maps if maps.dtype == torch.float64 else maps.float()
            mean, seen = statistics.mean.to(maps), statistics.seen
            classes = classes_of_rows(labels.flatten(1), len(mean), self.ignore_index, seen)
            contrast, similarities = self._contrast(maps, classes, mean, statistics)
            regulariser = _regulariser(similarities, classes, self.temperature, seen)
            # Ignored pixels have similarities of zero.
            norm = mean.norm(dim=1, keepdim=True).clamp(min=torch.finfo(mean.dtype).eps)
            own = (similarities.detach() / norm).gather(
                1, classes.clamp(max=len(mean) - 1)[:, None]
            )
            return dict(
                loss_contrast=self.loss_weight * _reduce(contrast, classes, len(mean)),
                loss_reg=self.loss_weight * self.reg_weight * self.reg_sign * regulariser,
                alignment=_reduce(own, classes, len(mean)),
            )

    def _contrast(
        self, maps: Tensor, classes: Tensor, mean: Tensor, statistics: ClassStatistics
    ) -> tuple[Tensor, Tensor]:
        """Losses (N, P) and similarities (N, C, P) of maps (N, A, P)."""
        raise NotImplementedError


@MODELS.register_module()
class ProtoCLLoss(SemanticContrast):
    """Contrast with the class means, see :func:`proto_contrast`.

    Args:
        kwargs: ``temperature``, ``loss_weight``, ``reg_weight``, ``reg_sign`` and
            ``ignore_index`` of :class:`SemanticContrast`.
    """

    def _contrast(
        self, maps: Tensor, classes: Tensor, mean: Tensor, statistics: ClassStatistics
    ) -> tuple[Tensor, Tensor]:
        return _proto(maps, classes, mean, self.temperature, statistics.seen)


@MODELS.register_module()
class BankCLLoss(SemanticContrast):
    """Contrast with the class banks, see :func:`bank_contrast`.

    Args:
        negatives: ``exp_of_mean`` (the published code) or ``mean_of_exp`` (the paper).
        kwargs: Passed to :class:`SemanticContrast`.
    """

    def __init__(self, negatives: str = 'exp_of_mean', **kwargs) -> None:
        super().__init__(**kwargs)
        if negatives not in NEGATIVES:
            raise ValueError(f'BankCLLoss: negatives={negatives!r} is not one of {NEGATIVES}.')
        self.negatives = negatives

    def check(self, statistics: ClassStatistics) -> None:
        if not statistics.bank_size:
            raise ValueError(
                'BankCLLoss needs a bank: set bank_size of ClassStatistics, 200 in the paper.'
            )

    def _contrast(
        self, maps: Tensor, classes: Tensor, mean: Tensor, statistics: ClassStatistics
    ) -> tuple[Tensor, Tensor]:
        return _bank(
            maps,
            classes,
            mean,
            statistics.bank,
            statistics.bank_length,
            self.temperature,
            self.negatives,
        )


@MODELS.register_module()
class DistCLLoss(SemanticContrast):
    """Contrast with class Gaussians, see :func:`dist_contrast`.

    Args:
        kwargs: Passed to :class:`SemanticContrast`.
    """

    def check(self, statistics: ClassStatistics) -> None:
        if statistics.covariance is None:
            raise ValueError(
                "DistCLLoss needs covariances: set covariance='diagonal' of "
                "ClassStatistics, or 'full'."
            )

    def _contrast(
        self, maps: Tensor, classes: Tensor, mean: Tensor, statistics: ClassStatistics
    ) -> tuple[Tensor, Tensor]:
        assert statistics.covariance is not None  # see check
        return _dist(maps, classes, mean, statistics.covariance, self.temperature, statistics.seen)
