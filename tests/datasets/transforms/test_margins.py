"""Margins of pseudo-labels, through the pipeline to the weights of a method."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.registry import MODELS, TRANSFORMS

from mmdavss.testing import build_method
from mmdavss.testing.methods import PREPROCESSOR
from tests.methods.table import CASES


def packed(*transforms, size=(64, 128)):
    results = dict(imgs=[np.zeros((*size, 3), np.uint8)] * 2, flows=[], frame_paths=['a.png'] * 2)
    for transform in transforms:
        results = TRANSFORMS.build(transform)(results)
    return results


def test_marks_go_through_what_follows():
    """Of 64x128: 4 rows above, 12 below, 8 columns at the left; halved and mirrored."""
    results = packed(
        dict(type='PseudoLabelMargins', top=4, bottom=12, left=8),
        dict(type='ClipResize', scale=(64, 32)),
        dict(type='ClipFlip', prob=1.0),
        dict(type='PackClipInputs'),
    )
    expected = torch.ones(32, 64, dtype=torch.uint8)
    expected[:2] = expected[-6:] = 0
    expected[:, -4:] = 0
    assert torch.equal(results['inputs']['valid'][0, 0], expected)


def test_a_crop_keeps_its_part():
    np.random.seed(3)
    marked = packed(
        dict(type='PseudoLabelMargins', right=90), dict(type='ClipCrop', crop_size=(32, 64))
    )
    top, bottom, left, right = marked['crop_bbox']
    columns = np.arange(left, right) < 128 - 90
    assert np.array_equal(marked['valid_map'], np.tile(columns, (32, 1)))
    assert columns.any() and not columns.all()


def test_pseudo_labels_there_weigh_nothing():
    margins = [dict(type='PseudoLabelMargins', left=16), dict(type='PackClipInputs')]
    data = pseudo_collate([packed(*margins, size=(32, 48)) for _ in range(2)])
    clip = MODELS.build(PREPROCESSOR)(data)['inputs']
    assert clip.valid.shape == (2, 32, 48)
    model = build_method(CASES['dacs'], confidence_threshold=0.0)
    _, weights = model.pseudo_labels(clip, torch.zeros(2, 1, 2, 32, 48))
    assert weights[..., :16].eq(0).all() and weights[..., 16:].eq(1).all()


@pytest.mark.parametrize(
    ('margins', 'words'), [(dict(top=-1), 'not be negative'), (dict(top=40, bottom=24), 'nothing')]
)
def test_bad_margins(margins, words):
    with pytest.raises(ValueError, match=words):
        packed(dict(type='PseudoLabelMargins', **margins))
