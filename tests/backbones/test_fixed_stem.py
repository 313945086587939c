"""SFC's backbone."""

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS


def test_only_the_stems_norm_is_fixed():
    options = dict(depth=18, base_channels=4, stem_channels=4)
    net = MODELS.build(dict(type='FixedStemResNet', **options))
    net.train()
    fixed = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert fixed == {'bn1.weight', 'bn1.bias'}
    # Its statistics move.
    assert net.bn1.training
    assert net.state_dict().keys() == ResNet(**options).state_dict().keys()
