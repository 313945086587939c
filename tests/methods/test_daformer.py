"""DAFormer's feature distance: to what, and of which features."""

import pytest
import torch
from mmengine.runner import save_checkpoint

from mmdavss.structures import DomainBatch
from mmdavss.testing import build_method, small_net
from mmdavss.testing.methods import training_batch
from mmdavss.video_nets.base import levels_of
from tests.methods.table import CASES


@pytest.fixture
def files(tmp_path):
    """Makes checkpoints of a source model and of a pretrained backbone."""

    def make(case):
        student = build_method(case).student
        paths = [str(tmp_path / name) for name in ('source.pth', 'backbone.pth')]
        state = {f'student.{name}': value for name, value in student.state_dict().items()}
        save_checkpoint(dict(state_dict=state), paths[0])
        backbone = student.segmentor.backbone.state_dict()
        twos = {name: torch.full_like(value, 2) for name, value in backbone.items()}
        save_checkpoint(dict(state_dict=twos), paths[1])
        return paths

    return make


@pytest.mark.parametrize('name', ['daformer', 'mic', 'mic_hrda'])
def test_the_reference_is_pretrained_or_allowed_to_be_random(name, files):
    """A source checkpoint fills the student alone."""
    case = CASES[name]
    source, backbone = files(case)
    start = dict(init_weights=True, source_checkpoint=source)
    net = small_net(case.student, allow_random_init=False)
    with pytest.raises(ValueError, match=r'^\w+: the feature distance.*allow_random_init') as told:
        build_method(case, student=net, **start)
    assert '\n' not in str(told.value)
    build_method(case, student=dict(net, allow_random_init=True), **start)
    given = dict(type='Pretrained', checkpoint=backbone)
    for init_cfg in (given, [given]):
        net['segmentor']['backbone']['init_cfg'] = init_cfg
        model = build_method(case, student=net, **start)
        assert model.pretrained.backbone.conv1.weight.eq(2).all()
        assert not model.net.segmentor.backbone.conv1.weight.eq(2).any()


@pytest.mark.parametrize('name', ['daformer', 'mic', 'mic_hrda'])
def test_no_distance_behind_a_neck(name):
    """It would not be 0 of a student with the backbone of the pretrained copy."""
    net = small_net(CASES[name].student)
    net['segmentor']['neck'] = dict(
        type='FPN', in_channels=[8, 16, 32, 64], out_channels=64, num_outs=4
    )
    with pytest.raises(ValueError, match=r'^\w+: the feature distance.*FPN.*`neck`') as told:
        build_method(CASES[name], student=net)
    assert '\n' not in str(told.value)


@pytest.mark.parametrize('name', ['daformer', 'mic'])
def test_distance_of_the_last_level_of_the_current_frame(name):
    """0 of a student that equals the pretrained copy; then that of their last levels."""
    case = CASES[name]
    model = build_method(case).eval()
    backbone = model.student.segmentor.backbone
    backbone.load_state_dict(model.pretrained.backbone.state_dict())
    source = model.source(DomainBatch(**model.data_preprocessor(training_batch(case), True)).source)
    assert model.source_loss(source, None)['source.loss_distance'] == 0
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.mul_(1.1)
        current = source.clip.frames[:, -1]
        own, frozen = (
            levels_of(net, current)[-1] for net in (model.net.segmentor, model.pretrained)
        )
        expected = model.feature_distance(own, frozen, source.labels, model.num_classes)
        loss = model.source_loss(source, None)['source.loss_distance']
    assert expected > 0
    torch.testing.assert_close(loss, expected)
