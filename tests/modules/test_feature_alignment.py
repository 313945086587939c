"""Banks of source features and the losses of CMOM's feature alignment."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.modules import FeatureAlignment
from mmdavss.modules.feature_alignment import FeatureBank, largest_regions, region_means
from mmdavss.testing import build_method
from mmdavss.video_nets import HeadScores
from tests.methods.table import CASES

# Computed with the published implementation of CMOM; components by scipy.
GOLDEN = np.load(Path(__file__).parents[1] / 'data/golden/cmom_feature_alignment.npz')


def golden(key: str, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    value = torch.from_numpy(GOLDEN[key])
    return value.to(dtype) if value.is_floating_point() else value.long()


def classifier(dtype: torch.dtype) -> partial:
    return partial(F.conv2d, weight=golden('classifier_weight', dtype)[:, :, None, None])


CLASSIFY = classifier(torch.float64)


def filled(images: slice = slice(None), dtype: torch.dtype = torch.float64) -> FeatureAlignment:
    """The alignment after the source images of the published computation."""
    classify = classifier(dtype)
    alignment = FeatureAlignment(
        background=golden('background_classes').tolist(),
        foreground=golden('foreground_classes').tolist(),
        channels=golden('classifier_weight').shape[1],
        prototypes=int(GOLDEN['num_prototype']),
        instances=int(GOLDEN['num_instance']),
        components=min(10, int(GOLDEN['num_instance'])),
    ).to(dtype)
    for features, labels in zip(
        golden('src_features', dtype)[images], golden('src_labels')[images], strict=True
    ):
        small = F.interpolate(labels[None, None].double(), features.shape[1:])[0].long()
        found = classify(features[None]).argmax(1)
        alignment.update(features[None], torch.where(small == found, small, 255), classify)
    return alignment


@cache
def consensus(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """That of CMOM, for the published probabilities."""
    current, carried = (golden(f'trg_prob_{key}', dtype) for key in ('current', 'propagated'))
    # Nothing arrives at pixels without probabilities: what the key frame has there, the last class,
    # leaves the image.
    empty = (carried == 0).all(1, keepdim=True)
    flow = torch.where(empty, 2.0 * max(carried.shape), 0.0).expand(-1, 2, -1, -1)
    last = F.one_hot(torch.tensor(carried.shape[1] - 1)).to(dtype)[:, None, None]
    key = torch.where(empty, last, carried).log()  # scores whose softmax they are
    scores = dict(decode=HeadScores(current=current.log(), key=key))
    return build_method(CASES['cmom']).consensus(scores, flow[:, None].to(dtype))


#: Tolerances of values and, relative, of gradients.
PRECISIONS = pytest.mark.parametrize(
    ('dtype', 'close', 'steep'), [(torch.float64, 1e-6, 1e-6), (torch.float32, 1e-5, 1e-4)]
)


@PRECISIONS
def test_banks_are_the_published_ones(dtype, close, steep):
    alignment = filled(dtype=dtype)
    for name, bank in (('background', alignment.background), ('instances', alignment.foreground)):
        np.testing.assert_array_equal(bank.written, GOLDEN[f'bank_{name}_written'])
        assert bank.entries.dtype == dtype
        torch.testing.assert_close(bank.entries, golden(f'bank_{name}', dtype), rtol=0, atol=close)


def assert_published(losses: dict[str, torch.Tensor], close: float = 1e-6) -> None:
    for name, key in (('background', 'loss_background'), ('foreground', 'loss_instances')):
        # The released losses before the factor of 0.01.
        loss = losses[f'loss_{name}'] / 0.01
        torch.testing.assert_close(loss, golden(key, loss.dtype)[0], rtol=close, atol=close)


@PRECISIONS
def test_losses_are_the_published_ones(dtype, close, steep):
    np.testing.assert_array_equal(consensus(dtype), GOLDEN['consensus_label'])
    features = golden('trg_feature', dtype).requires_grad_()
    losses = filled(dtype=dtype)(features, consensus(dtype), classifier(dtype))
    assert_published(losses, close)
    sum(losses.values()).backward()
    expected = golden('grad_of_0p01_times_sum_wrt_feature', dtype)
    assert features.grad.dtype == dtype
    torch.testing.assert_close(
        features.grad, expected, rtol=steep, atol=1e-6 * expected.abs().max().item()
    )


def test_banks_that_are_just_full_do_not_count():
    alignment = filled()
    for bank in (alignment.background, alignment.foreground):
        bank.written.fill_(bank.entries.shape[1])
    losses = alignment(golden('trg_feature'), consensus(), CLASSIFY)
    assert losses['loss_background'] == float(GOLDEN['loss_background_banks_just_full'][0]) == 0
    assert losses['loss_foreground'] == float(GOLDEN['loss_instances_banks_just_full'][0]) == 0
    for name, bank in (('background', alignment.background), ('instances', alignment.foreground)):
        more = torch.from_numpy(GOLDEN[f'bank_{name}_written']) > bank.entries.shape[1]
        bank.written.add_(more)
    assert_published(alignment(golden('trg_feature'), consensus(), CLASSIFY))


def test_a_batch_is_its_images_one_after_the_other():
    one, several = filled(slice(4)), filled(slice(0))
    labels = golden('src_labels')[:4]
    features = golden('src_features')[:4]
    small = F.interpolate(labels[:, None].double(), features.shape[2:])[:, 0].long()
    found = CLASSIFY(features).argmax(1)
    several.update(features, torch.where(small == found, small, 255), CLASSIFY)
    assert one.background.written.sum() > 0
    for key, value in one.state_dict().items():
        torch.testing.assert_close(several.state_dict()[key], value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('missing', ['labels', 'classes'])
def test_nothing_to_align(missing):
    """No consensus or no classes: no loss, zero gradients, banks as they were."""
    alignment, source = filled(), golden('src_features')[:1]
    labels, source_labels = torch.full_like(consensus(), 255), torch.full(source[:, 0].shape, 255)
    if missing == 'classes':
        alignment = FeatureAlignment([], [], channels=source.shape[1]).double()
        labels, source_labels = consensus(), torch.zeros_like(source_labels)
    before = {key: value.clone() for key, value in alignment.state_dict().items()}
    alignment.update(source, source_labels, CLASSIFY)
    torch.testing.assert_close(alignment.state_dict(), before, rtol=0, atol=0)
    features = golden('trg_feature').requires_grad_()
    # A bias: the class of an empty class's zero feature is none of the background.
    bias = torch.zeros(len(golden('classifier_weight'))).double()
    bias[golden('foreground_classes')[0]] = 1
    losses = alignment(features, labels, partial(CLASSIFY, bias=bias))
    assert losses['loss_background'] == losses['loss_foreground'] == 0
    sum(losses.values()).backward()
    assert not features.grad.any()


def test_the_largest_components_come_first():
    labels = torch.full((1, 4, 9), 255)
    labels[0, 0, 0] = 3
    labels[0, 2:, 0] = 3
    labels[0, 1:3, 4:6] = 3
    labels[0, 3, 6] = 3  # touches the former at a corner
    labels[0, 0, 8] = 5
    regions = largest_regions(labels, torch.tensor([5, 3]), 2).view(1, 2, 2, 4, 9)
    assert regions.sum((3, 4)).tolist() == [[[1, 0], [5, 2]]]
    assert regions[0, 1, 0, 3, 6] and regions[0, 1, 1, 2:, 0].all()
    means = region_means(torch.arange(36.0).view(1, 1, 4, 9), regions.flatten(3))
    assert means[0, :, :, 0].tolist() == [[8, 0], [21, 22.5]]


def test_a_ring_keeps_the_latest():
    bank = FeatureBank(2, 3, 1)
    rows = torch.arange(1.0, 5)[:, None, None, None].expand(4, 2, 2, 1).clone()
    rows[:, :, 1] += 10
    valid = torch.tensor([[[1, 1], [0, 1]], [[0, 0], [0, 1]], [[1, 1], [0, 0]], [[0, 1], [1, 0]]])
    bank.write(rows, valid.bool())
    assert bank.written.tolist() == [5, 3]
    # 1, 11, 3, then 13, 14 over the first two; 11, 12, 4.
    assert bank.entries[..., 0].tolist() == [[13, 14, 3], [11, 12, 4]]
    assert bank.full.tolist() == [True, False]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(background=[0, 1], foreground=[1]), 'must be different classes'),
        (dict(background=[255], foreground=[]), 'must be different classes'),
        (dict(background=[0], foreground=[1], instances=5), 'components=10 1 to instances=5'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureAlignment(**options, channels=4)
