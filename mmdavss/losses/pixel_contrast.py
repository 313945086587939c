"""Pixel-to-pixel contrast of STPL (equations 3 and 4) in linear memory.

For a query q of class y, temperature tau, positives P_q (keys of class y) and negatives N_q
(keys of other classes), equation 3 is

    L_q = -1/|P_q| sum_{p in P_q} log( exp(q.p / tau) / sum_{n in N_q} exp(q.n / tau) )
        = -q . mean(P_q) / tau  +  logsumexp_{n in N_q}(q.n / tau).

The first term needs one mean key per class. The second is computed in blocks of queries, and
again in the backward pass, so that the matrix of all queries by all keys is never stored.
"""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import rows_per_block

DENOMINATORS = ('negatives', 'all')
#: Queries per block on a CPU: 256 x 5734 scores are 6 MB, which fit into its cache.
BLOCK = 256


class _BlockwiseLogSumExp(torch.autograd.Function):
    """logsumexp over keys of ``q.k * scale``, excluding some keys for each query.

    Shapes: queries (M, D), keys (L, D), labels (M,) and (L,), result (M,). Each query
    excludes the keys with its own label (if ``negatives_only``) and those with `ignore_index`.
    """

    @staticmethod
    def _scores(
        queries: Tensor,
        keys: Tensor,
        query_labels: Tensor,
        key_labels: Tensor,
        scale: float,
        negatives_only: bool,
        ignored: Tensor,
    ) -> Tensor:
        scores = queries @ (keys * scale).T
        left_out = ignored
        if negatives_only:
            left_out = (query_labels[:, None] == key_labels) | ignored
        return scores.masked_fill_(left_out, -torch.inf)

    @staticmethod
    def forward(
        ctx,
        queries: Tensor,
        keys: Tensor,
        query_labels: Tensor,
        key_labels: Tensor,
        scale: float,
        negatives_only: bool,
        ignore_index: int,
    ) -> Tensor:
        ignored = key_labels == ignore_index
        ctx.block = rows_per_block(queries.device, BLOCK, keys[:, 0].nbytes)
        result = torch.cat(
            [
                _BlockwiseLogSumExp._scores(
                    q, keys, labels, key_labels, scale, negatives_only, ignored
                ).logsumexp(1)
                for q, labels in zip(
                    queries.split(ctx.block), query_labels.split(ctx.block), strict=True
                )
            ]
        )
        ctx.save_for_backward(queries, keys, query_labels, key_labels, ignored, result)
        ctx.scale, ctx.negatives_only = scale, negatives_only
        return result

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, query_labels, key_labels, ignored, result = ctx.saved_tensors
        # A query that excludes every key has the result -inf and no gradient.
        empty = result == -torch.inf
        shift = result.masked_fill(empty, 0.0)
        weight = (grad * ctx.scale).masked_fill(empty, 0.0)
        grad_queries = torch.empty_like(queries)
        grad_keys = torch.zeros_like(keys)
        for start in range(0, len(queries), ctx.block):
            block = slice(start, start + ctx.block)
            share = _BlockwiseLogSumExp._scores(
                queries[block],
                keys,
                query_labels[block],
                key_labels,
                ctx.scale,
                ctx.negatives_only,
                ignored,
            )
            share.sub_(shift[block, None]).exp_().mul_(weight[block, None])
            torch.mm(share, keys, out=grad_queries[block])
            grad_keys.addmm_(share.T, queries[block])
        return grad_queries, grad_keys, None, None, None, None, None


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
            for those left out.

    Returns:
        Scalar or (M,), float32 at least.
    """
    # Exponentials of half-precision scores are too coarse: autocast must not reach them.
    with torch.autocast(queries.device.type, enabled=False):
        if queries.dtype in (torch.float16, torch.bfloat16):
            queries, keys = queries.float(), keys.float()
        # Ignored rows go to an extra class that is never read.
        query_class = query_labels.clamp(max=num_classes)
        key_class = key_labels.clamp(max=num_classes)
        counts = keys.new_zeros(num_classes + 1).index_add(
            0, key_class, torch.ones_like(keys[:, 0])
        )
        sums = keys.new_zeros(num_classes + 1, keys.shape[1]).index_add(0, key_class, keys)
        means = sums / counts.clamp(min=1)[:, None]
        attraction = (queries * means[query_class]).sum(1) / temperature
        repulsion = _BlockwiseLogSumExp.apply(
            queries,
            keys,
            query_labels,
            key_labels,
            1 / temperature,
            denominator == 'negatives',
            ignore_index,
        )

        usable = (query_labels != ignore_index) & (counts[query_class] > 0)
        # Not `>`: a NaN must not exclude a query, it has to show in the loss.
        usable &= repulsion.detach() != -torch.inf
        per_query = torch.where(usable, repulsion - attraction, 0.0)
        if reduction == 'none':
            return per_query
        return per_query.sum() / usable.sum().clamp(min=1)


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
