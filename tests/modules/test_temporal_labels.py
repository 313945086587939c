"""Equations 10, 13 and 14 of VAT-VST, by hand: one row of pixels that moves by one.

And equation 10 on MiniDrive, whose flow and occlusion are exact.
"""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.datasets.label_maps import VIPER_15
from mmdavss.datasets.transforms.loading import read_image, read_label
from mmdavss.flow import read_flow
from mmdavss.minidrive.generate import Settings, generate
from mmdavss.modules import aggregate_predictions, consensus, fill_in, warp_labels
from mmdavss.ops import backward_warp


def flow_of(u, width=4):
    return torch.tensor([float(u), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, width)


def test_aggregation():
    """The neighbour lies one pixel to the right; one of its pixels looks different."""
    frame = torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(1, 3, 1, 4)
    image = torch.tensor([0.9, 0.1, 0.2, 0.8]).expand(1, 3, 1, 4)
    own = torch.tensor([0.5, 0.5, 0.5, 0.5]).view(1, 1, 1, 4)
    other = torch.tensor([0.0, 0.1, 0.2, 0.3]).view(1, 1, 1, 4)
    # Pixel p is found at p + 1: 0.1 and 0.2 fit, 0.8 for 0.3 does not, the last is outside.
    result = aggregate_predictions(own, frame, [(other, image, flow_of(1))])
    expected = torch.tensor([(0.5 + 0.1) / 2, (0.5 + 0.2) / 2, 0.5, 0.5])
    torch.testing.assert_close(result[0, 0, 0], expected)
    # A second neighbour that fits everywhere, and none at all.
    both = aggregate_predictions(
        own, frame, [(other, image, flow_of(1)), (torch.ones_like(own), frame, flow_of(0))]
    )
    torch.testing.assert_close(
        both[0, 0, 0], torch.tensor([(0.5 + 0.1 + 1) / 3, (0.5 + 0.2 + 1) / 3, 0.75, 0.75])
    )
    assert torch.equal(aggregate_predictions(own, frame, []), own)


def test_threshold_is_that_of_the_paper():
    """exp(-50 d^2) > 0.7 for a summed square below 0.00713."""
    frame = torch.zeros(1, 3, 1, 2)
    image = torch.tensor([0.0070, 0.0073]).sqrt().view(1, 1, 1, 2)
    image = torch.cat([image, torch.zeros(1, 2, 1, 2)], dim=1)
    result = aggregate_predictions(
        torch.zeros(1, 1, 1, 2), frame, [(torch.ones(1, 1, 1, 2), image, flow_of(0, 2))]
    )
    assert result.flatten().tolist() == [0.5, 0.0]
    result = aggregate_predictions(
        torch.zeros(1, 1, 1, 2),
        frame,
        [(torch.ones(1, 1, 1, 2), image, flow_of(0, 2))],
        threshold=0.69,
    )
    assert result.flatten().tolist() == [0.5, 0.5]


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


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Images, labels (15 for void), exact flows and exact visibility of four MiniDrive frames."""
    root = tmp_path_factory.mktemp('minidrive')
    generate(
        root,
        Settings(
            size=(64, 32),
            viper=1,
            viper_val=0,
            viper_frames=4,
            synthia=0,
            cityscapes=0,
            cityscapes_val=0,
            gta=0,
            synthia_rand=0,
            cityscapes_vps=0,
            cityscapes_vps_val=0,
            flow=True,
        ),
        progress=False,
    )
    root = root / 'viper'
    images, labels, flows, visible = {}, {}, {}, {}
    for n in range(1, 5):
        image = read_image(str(root / f'train/img/001/001_{n:05d}.jpg'))[..., ::-1]
        images[n] = torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None]
        label = read_label(str(root / f'train/cls/001/001_{n:05d}.png'), VIPER_15).astype(int)
        labels[n] = torch.from_numpy(np.where(label == 255, 15, label))[None]
        if n > 1:
            file = root / f'flow/train/img/001/001_{n:05d}__001_{n - 1:05d}'
            flows[n] = torch.from_numpy(read_flow(f'{file}.flo').copy()).permute(2, 0, 1)[None]
            visible[n] = torch.from_numpy(cv2.imread(f'{file}_visible.png', 0)[None] > 0)
    return images, labels, flows, visible


@pytest.mark.parametrize('n', [2, 3, 4])
def test_exact_labels_along_the_exact_flow(drive, n):
    """Bounds just below what was measured; what is left are the borders between classes.

    Of visible pixels 0.960 to 0.972 agree, of the hidden ones 0.42 to 0.46.
    """
    images, labels, flows, visible = drive
    seen = visible[n]
    assert seen.float().mean() > 0.9 and not seen.all()
    other = F.one_hot(labels[n - 1], 16).permute(0, 3, 1, 2).float()
    warped = backward_warp(other, flows[n])
    agrees = warped.argmax(1) == labels[n]
    assert agrees[seen].float().mean() > 0.95
    assert agrees[~seen].float().mean() < 0.5
    # Against the flow it does not fit.
    assert (
        agrees[seen].float().mean()
        > 0.02 + (backward_warp(other, -flows[n]).argmax(1) == labels[n])[seen].float().mean()
    )

    # A frame that knows nothing takes what its neighbour knows where it is not occluded.
    neighbour = [(other, images[n - 1], flows[n])]
    blank = torch.full_like(other, 1 / 16)
    result = aggregate_predictions(blank, images[n], neighbour)
    counts = (result != blank).any(1)
    assert counts[seen].float().mean() > 0.8 and counts[~seen].float().mean() < 0.4
    assert (result.argmax(1) == labels[n])[seen & counts].float().mean() > 0.98
    # One that knows is not misled (0.999 to 1).
    own = F.one_hot(labels[n], 16).permute(0, 3, 1, 2).float()
    result = aggregate_predictions(own, images[n], neighbour)
    assert (result.argmax(1) == labels[n])[seen].float().mean() > 0.998
