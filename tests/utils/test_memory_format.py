"""Networks whose features have their channels last in memory."""

import copy

import pytest
import torch
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import nn

from mmdavss.testing import PREPROCESSOR
from mmdavss.utils.memory_format import use_channels_last
from mmdavss.utils.quiet import QuietRunner


def ordered(model: nn.Module) -> list[bool]:
    """Whether each convolution has its channels last."""
    return [
        module.weight.is_contiguous(memory_format=torch.channels_last)
        for module in model.modules()
        if isinstance(module, nn.Conv2d) and min(module.weight.shape[1:3]) > 1
    ]


def test_order_in_memory(per_frame):
    """Features of all levels and scores have it; names, values and shapes of weights stay."""
    model = MODELS.build(dict(type='DACS', student=per_frame, data_preprocessor=PREPROCESSOR))
    plain = copy.deepcopy(model)
    use_channels_last(model)
    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=0, atol=0)

    def strides(method: nn.Module) -> list[tuple[int, ...]]:
        segmentor = method.student.segmentor
        levels = segmentor.extract_feat(torch.rand(2, 3, 64, 96))
        return [x.stride() for x in (*levels, segmentor.decode_head(levels))]

    for x, (*_, last) in zip(strides(plain), strides(model), strict=True):
        assert x[3] == 1 and last != 1
    for network in (model.student, model.teacher):
        assert ordered(network) and all(ordered(network))


def test_a_checkpoint_of_the_other_order(tmp_path):
    """Loading one changes the weights, not their order."""
    net = nn.Conv2d(3, 5, 3)
    torch.save(nn.Conv2d(3, 5, 3).state_dict(), tmp_path / 'weights.pth')
    use_channels_last(net)
    stride = net.weight.stride()
    net.load_state_dict(weights := torch.load(tmp_path / 'weights.pth'))
    assert net.weight.stride() == stride and torch.equal(net.weight, weights['weight'])


@pytest.mark.parametrize('chosen', [True, False, None])
def test_the_runner_does_it_before_ddp(chosen, monkeypatch):
    """DDP would permute the gradients of weights whose order changes later."""
    seen = []

    def wrap(self, cfg, model):
        seen.extend(ordered(model))
        return model

    monkeypatch.setattr(Runner, 'wrap_model', wrap)
    runner = QuietRunner.__new__(QuietRunner)
    runner.cfg = {} if chosen is None else dict(channels_last=chosen)
    runner.wrap_model(None, nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 3, 3)))
    assert seen == [bool(chosen)] * 2
