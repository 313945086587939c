"""Equations 10, 13 and 14 of VAT-VST, by hand: one row of pixels that moves by one."""
import torch

from mmdavss.modules import aggregate_predictions, consensus, fill_in, warp_labels


def flow_of(u, width=4):
    return torch.tensor([float(u), 0.]).view(1, 2, 1, 1).expand(1, 2, 1, width)


def test_aggregation():
    """The neighbour lies one pixel to the right; one of its pixels looks different."""
    frame = torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(1, 3, 1, 4)
    image = torch.tensor([0.9, 0.1, 0.2, 0.8]).expand(1, 3, 1, 4)
    own = torch.tensor([0.5, 0.5, 0.5, 0.5]).view(1, 1, 1, 4)
    other = torch.tensor([0., 0.1, 0.2, 0.3]).view(1, 1, 1, 4)
    # Pixel p is found at p + 1: 0.1 and 0.2 fit, 0.8 for 0.3 does not, the last is outside.
    result = aggregate_predictions(own, frame, [(other, image, flow_of(1))])
    expected = torch.tensor([(0.5 + 0.1) / 2, (0.5 + 0.2) / 2, 0.5, 0.5])
    torch.testing.assert_close(result[0, 0, 0], expected)
    # A second neighbour that fits everywhere, and none at all.
    both = aggregate_predictions(own, frame, [
        (other, image, flow_of(1)), (torch.ones_like(own), frame, flow_of(0))])
    torch.testing.assert_close(both[0, 0, 0], torch.tensor(
        [(0.5 + 0.1 + 1) / 3, (0.5 + 0.2 + 1) / 3, 0.75, 0.75]))
    assert torch.equal(aggregate_predictions(own, frame, []), own)


def test_threshold_is_that_of_the_paper():
    """exp(-50 d^2) > 0.7 for a summed square below 0.00713."""
    frame = torch.zeros(1, 3, 1, 2)
    image = torch.tensor([0.0070, 0.0073]).sqrt().view(1, 1, 1, 2)
    image = torch.cat([image, torch.zeros(1, 2, 1, 2)], dim=1)
    result = aggregate_predictions(
        torch.zeros(1, 1, 1, 2), frame, [(torch.ones(1, 1, 1, 2), image, flow_of(0, 2))])
    assert result.flatten().tolist() == [0.5, 0.]


def test_consensus_and_fill_in():
    labels = torch.tensor([[[0, 1, 255, 3]]])
    reference = torch.tensor([[[7, 0, 2, 2]]])
    warped = warp_labels(reference, flow_of(1))
    assert warped.tolist() == [[[0, 2, 2, 255]]]
    # The class 0 is a label like any other: outside of the frame nothing agrees with it.
    assert consensus(labels, reference, flow_of(1)).tolist() == [[[0, 255, 255, 255]]]
    zeros = torch.zeros(1, 1, 4, dtype=torch.long)
    assert consensus(zeros, zeros, flow_of(1)).tolist() == [[[0, 0, 0, 255]]]
    visible = torch.ones(1, 1, 1, 4, dtype=torch.bool)
    assert fill_in(labels, reference, flow_of(1), visible).tolist() == [[[0, 1, 2, 3]]]
    assert fill_in(labels, reference, flow_of(1), ~visible).tolist() == labels.tolist()
