"""Networks whose features have their channels last in memory."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmdavss.engine import ChannelsLastHook
from mmdavss.testing import PREPROCESSOR


@pytest.mark.parametrize('moment', ['before_train', 'before_val', 'before_test'])
def test_order_in_memory(moment, per_frame):
    """Features of all levels and scores have it; names, values and shapes of weights stay."""
    model = MODELS.build(dict(type='DACS', student=per_frame, data_preprocessor=PREPROCESSOR))
    plain = copy.deepcopy(model)
    getattr(ChannelsLastHook(), moment)(SimpleNamespace(model=nn.ModuleDict(dict(module=model))))
    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=0, atol=0)

    def strides(method: nn.Module) -> list[tuple[int, ...]]:
        segmentor = method.student.segmentor
        levels = segmentor.extract_feat(torch.rand(2, 3, 64, 96))
        return [x.stride() for x in (*levels, segmentor.decode_head(levels))]

    for x, (*_, last) in zip(strides(plain), strides(model), strict=True):
        assert x[3] == 1 and last != 1
    for network in (model.student, model.teacher):
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert convolutions
        for convolution in convolutions:
            assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_checkpoint_of_the_other_order(tmp_path):
    """Loading one changes the weights, not their order."""
    net = nn.Conv2d(3, 5, 3)
    torch.save(nn.Conv2d(3, 5, 3).state_dict(), tmp_path / 'weights.pth')
    ChannelsLastHook().before_train(SimpleNamespace(model=net))
    stride = net.weight.stride()
    net.load_state_dict(weights := torch.load(tmp_path / 'weights.pth'))
    assert net.weight.stride() == stride and torch.equal(net.weight, weights['weight'])
