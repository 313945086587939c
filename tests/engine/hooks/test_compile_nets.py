import copy
from types import SimpleNamespace

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmdavss.engine import CompileNetsHook
from mmdavss.testing import PREPROCESSOR


@pytest.fixture
def compiled():
    """A backend that notes the graphs that it gets and runs them as they are."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    backend.graphs = graphs
    torch._dynamo.reset()
    yield backend
    torch._dynamo.reset()


@pytest.mark.slow
def test_same_losses_gradients_and_names(per_frame, batch, compiled):
    torch.manual_seed(0)
    per_frame['segmentor']['backbone'].update(
        num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1)
    )
    for head, width in (('decode_head', 16), ('auxiliary_head', 8)):
        per_frame['segmentor'][head].update(in_channels=width, in_index=int(width == 16))
    model = MODELS.build(dict(type='DACS', student=per_frame, data_preprocessor=PREPROCESSOR))
    plain = copy.deepcopy(model)
    CompileNetsHook(backend=compiled).before_train(SimpleNamespace(model=model))
    assert model.state_dict().keys() == plain.state_dict().keys()
    results = []
    for method in (plain, model):
        assert not compiled.graphs
        torch.manual_seed(1)
        data = method.data_preprocessor(batch('source', 'target'), True)
        loss, log = method.train().parse_losses(method(**data, mode='loss'))
        loss.backward()
        results.append(
            (
                log,
                {name: p.grad for name, p in method.named_parameters() if p.grad is not None},
                method.state_dict(),
            )
        )
    assert compiled.graphs
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)


def test_many_forms_are_compiled(video_net, compiled):
    """Sizes stand for what else a compiled network is used for."""
    net = video_net('PerFrame')
    CompileNetsHook(backend=compiled, dynamic=False).before_train(SimpleNamespace(model=net))
    for width in range(1, 13):
        net.segmentor.backbone(torch.zeros(1, 3, 32, 32 * width))
        assert len(compiled.graphs) == width


@pytest.mark.parametrize('flow_net', [None, dict(type='FlowNetS', base_channels=2)])
def test_what_is_compiled(video_net, flow_net, monkeypatch):
    seen = []
    monkeypatch.setattr(nn.Module, 'compile', lambda self, **options: seen.append((self, options)))
    net = video_net('Accel', flow_net=flow_net)
    # As a method of a run has it: DDP is around it.
    CompileNetsHook(mode='reduce-overhead').before_train(
        SimpleNamespace(model=nn.ModuleDict(dict(module=net)))
    )
    parts = [net.segmentor.backbone] + [net.flow_net] * (flow_net is not None)
    assert seen == [
        (part, dict(backend='inductor', mode='reduce-overhead', dynamic=None)) for part in parts
    ]
