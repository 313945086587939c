"""Pixel-to-pixel contrast of STPL (equations 3 and 4) in linear memory.

For a query q of class y, temperature tau, positives P_q (keys of class y) and negatives N_q
(keys of other classes), equation 3 is

    L_q = -1/|P_q| sum_{p in P_q} log( exp(q.p / tau) / sum_{n in N_q} exp(q.n / tau) )
        = -q . mean(P_q) / tau  +  logsumexp_{n in N_q}(q.n / tau).

The first term needs one mean key per class. The second is computed in blocks of queries, along with
its gradient, so that the matrix of all queries by all keys is never stored and no product is
computed twice.
"""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmdavss.ops import rows_per_block

DENOMINATORS = ('negatives', 'all')
REDUCTIONS = ('mean', 'none')
#: Queries per block on a CPU: 256 x 5734 scores are 6 MB, which fit into its cache.
BLOCK = 256


class LogSumExp(torch.autograd.Function):
    """logsumexp over keys of ``q.k * scale + offset(class of q, k)``, and its sum over queries.

    The gradient of the sum is computed along with it. Per query it would need the matrix again.

    Args (of ``apply``):
        queries: (M, D).
        keys: (L, D).
        classes: (M,), rows of `offsets`.
        offsets: (C + 1, L), minus infinity where queries of the class exclude the key.
        weights: (M,), factors in the sum; queries of weight 0 are left out.
        scale: Factor.
        skip_own: Whether query i excludes key i too; L is M then.

    Returns:
        The weighted sum, and the results of all queries (M,), minus infinity for those that exclude
        every key. The latter have no gradient.
    """

    @staticmethod
    def forward(
        ctx,
        queries: Tensor,
        keys: Tensor,
        classes: Tensor,
        offsets: Tensor,
        weights: Tensor,
        scale: float,
        skip_own: bool = False,
    ) -> tuple[Tensor, Tensor]:
        needs_grad = any(ctx.needs_input_grad)
        block = min(len(queries), rows_per_block(queries.device, BLOCK, offsets[0].nbytes))
        scaled = (keys * scale).T
        # One buffer: a new one would be cleared by the system for each block.
        buffer = queries.new_empty(block, len(keys))
        lowest = torch.finfo(queries.dtype).min
        result = queries.new_empty(len(queries))
        if needs_grad:
            grad_queries = torch.empty_like(queries)
            grad_keys = torch.zeros_like(keys) if ctx.needs_input_grad[1] else None
        for start in range(0, len(queries), max(block, 1)):
            rows = slice(start, start + block)
            q = queries[rows]
            # Added in the product, the offsets cost a fifth of a comparison and a masked fill.
            scores = buffer[: len(q)]
            torch.index_select(offsets, 0, classes[rows], out=scores)
            scores.addmm_(q, scaled)
            if skip_own:
                scores.diagonal(start).fill_(-torch.inf)
            shift = scores.amax(1, keepdim=True).clamp_(min=lowest)
            total = scores.sub_(shift).exp_().sum(1, keepdim=True)
            result[rows] = (total.log() + shift)[:, 0]
            if needs_grad:
                weight = weights[rows, None]
                weight = torch.where(weight > 0, weight * (scale / total), 0.0)
                torch.mm(scores, keys, out=grad_queries[rows])
                grad_queries[rows].mul_(weight)
                if grad_keys is not None:
                    grad_keys.addmm_(scores.T, q * weight)
        ctx.mark_non_differentiable(result)
        if needs_grad:
            ctx.save_for_backward(grad_queries, grad_keys)
        return torch.where(weights > 0, weights * result, 0.0).sum(), result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_queries, grad_keys = ctx.saved_tensors
        grad_keys = None if grad_keys is None else grad_keys * grad
        return grad_queries * grad, grad_keys, None, None, None, None, None


def stpl_loss(
    queries: Tensor,
    keys: Tensor,
    query_labels: Tensor,
    key_labels: Tensor,
    num_classes: int,
    temperature: float = 0.07,
    denominator: str = 'negatives',
    ignore_index: int = 255,
    reduction: str = 'mean',
) -> Tensor:
    """Pixel-to-pixel contrastive loss, STPL equations 3 and 4.

    With ``denominator='negatives'``, as printed in the paper, the loss is unbounded below: it
    falls to -2/temperature where each class gathers at a point opposite to the others.

    Queries for which the loss is undefined are left out of the mean: those labelled `ignore_index`,
    those whose class has no key, and, with ``denominator='negatives'``, those whose class is that
    of every key. An image in which only one class is confident therefore contributes nothing.
    Without any query left, the mean is zero (and still connected to the graph).

    Args:
        queries: (M, D), unit vectors.
        keys: (L, D), unit vectors.
        query_labels: (M,), classes or `ignore_index`.
        key_labels: (L,), classes or `ignore_index`.
        num_classes: Number of classes; labels are below it.
        temperature: tau.
        denominator: ``negatives`` (the paper) or ``all``, the keys of all classes (SupCon), whose
            loss is bounded below.
        ignore_index: Label of rows to ignore.
        reduction: ``mean`` over the remaining queries (equation 4), or ``none``: (M,) with zeros
            for those left out, and without gradient.

    Returns:
        Scalar or (M,), float32 at least.

    Raises:
        ValueError: For an unknown denominator or reduction.
    """
    if denominator not in DENOMINATORS:
        raise ValueError(f'stpl_loss: denominator={denominator!r} is not one of {DENOMINATORS}.')
    if reduction not in REDUCTIONS:
        raise ValueError(f'stpl_loss: reduction={reduction!r} is not one of {REDUCTIONS}.')
    # Exponentials of half-precision scores are too coarse: autocast must not reach them.
    with torch.autocast(queries.device.type, enabled=False):
        if queries.dtype in (torch.float16, torch.bfloat16):
            queries, keys = queries.float(), keys.float()
        # Ignored rows go to an extra class that is never read.
        query_class, key_class = (
            labels.masked_fill(labels == ignore_index, num_classes)
            for labels in (query_labels, key_labels)
        )
        counts = keys.new_zeros(num_classes + 1).index_add(
            0, key_class, torch.ones_like(keys[:, 0])
        )
        sums = keys.new_zeros(num_classes + 1, keys.shape[1]).index_add(0, key_class, keys)
        means = sums / counts.clamp(min=1)[:, None]
        attraction = (queries * means[query_class]).sum(1) / temperature
        every = torch.arange(num_classes + 1, device=keys.device)
        excluded = (key_class == num_classes).expand(num_classes + 1, -1)
        others = counts[:-1].sum().expand(num_classes + 1)
        if denominator == 'negatives':
            excluded = excluded | (every[:, None] == key_class)
            others = others - counts
        takes_part = (counts > 0) & (others > 0) & (every < num_classes)
        usable = takes_part[query_class]
        offsets = keys.new_zeros(num_classes + 1, len(keys)).masked_fill_(excluded, -torch.inf)
        total, repulsion = LogSumExp.apply(
            queries, keys, query_class, offsets, usable.to(queries.dtype), 1 / temperature
        )
        if reduction == 'none':
            return torch.where(usable, repulsion - attraction, 0.0).detach()
        # A NaN does not exclude a query: it has to show in the loss.
        return (total - torch.where(usable, attraction, 0.0).sum()) / usable.sum().clamp(min=1)


@MODELS.register_module()
class STPLLoss(nn.Module):
    """:func:`stpl_loss` of each clip, averaged over the clips of a batch.

    Args:
        temperature: tau, 0.07 in the paper.
        denominator: ``negatives`` (the paper) or ``all``.
        ignore_index: Label of pixels to ignore.
        loss_weight: Factor.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        denominator: str = 'negatives',
        ignore_index: int = 255,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if denominator not in DENOMINATORS:
            raise ValueError(f'STPLLoss: denominator={denominator!r} is not one of {DENOMINATORS}.')
        if not temperature > 0:
            raise ValueError(f'STPLLoss: temperature={temperature} must be above 0.')
        self.temperature = temperature
        self.denominator = denominator
        self.ignore_index = ignore_index
        self.loss_weight = loss_weight

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        query_labels: Tensor,
        key_labels: Tensor,
        num_classes: int,
    ) -> Tensor:
        """Scalar loss.

        Args:
            queries: (N, M, D), unit vectors.
            keys: (N, L, D), unit vectors.
            query_labels: (N, M).
            key_labels: (N, L).
            num_classes: Number of classes.
        """
        losses = [
            stpl_loss(
                q, k, ql, kl, num_classes, self.temperature, self.denominator, self.ignore_index
            )
            for q, k, ql, kl in zip(queries, keys, query_labels, key_labels, strict=True)
        ]
        return self.loss_weight * torch.stack(losses).mean()
