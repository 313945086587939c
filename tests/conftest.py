"""Networks of a few thousand parameters, and data for them, for all tests."""
import copy

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import mmdavss  # noqa: F401

NUM_CLASSES = 4
SEGMENTOR = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, stem_channels=8, num_stages=4,
        out_indices=(0, 1, 2, 3), strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN', requires_grad=True)),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=64, in_index=3, num_classes=NUM_CLASSES,
        dilations=(1, 2), align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    auxiliary_head=dict(
        type='DeepLabV2Head', in_channels=32, in_index=2, num_classes=NUM_CLASSES,
        dilations=(1, 2), align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.1)))
ACCEL = dict(type='Accel', segmentor=SEGMENTOR, allow_random_init=True)
PER_FRAME = dict(type='PerFrame', segmentor=SEGMENTOR, allow_random_init=True)


@pytest.fixture(autouse=True)
def mmseg_scope():
    torch.manual_seed(0)
    init_default_scope('mmseg')


@pytest.fixture
def segmentor():
    """Config of a small EncoderDecoder."""
    return copy.deepcopy(SEGMENTOR)


@pytest.fixture
def accel():
    """Config of a small Accel."""
    return copy.deepcopy(ACCEL)


@pytest.fixture
def per_frame():
    """Config of a small per-frame net."""
    return copy.deepcopy(PER_FRAME)


@pytest.fixture
def build():
    """Builds a config in mmseg's registry."""
    return MODELS.build


@pytest.fixture
def video_net(segmentor, build):
    """Builds a small video net: ``video_net('DFF', stage=2, ...)``; frames are plain images."""

    def make(kind, **options):
        net = build(dict(type=kind, segmentor=segmentor, allow_random_init=True, **options))
        net.set_normalisation(
            build(dict(type='DomainDataPreprocessor', mean=[99.] * 3, std=[50.] * 3)))
        return net

    return make


def packed(seed=0, length=2, size=(32, 48), augmented=True, label=True):
    """One packed clip, as PackClipInputs gives it."""
    generator = torch.Generator().manual_seed(seed)

    def image():
        return torch.randint(256, (length, 3, *size), dtype=torch.uint8, generator=generator)

    inputs = dict(frames=image(),
                  flow=torch.randn(length - 1, 2, *size, generator=generator) * 2)
    if augmented:
        inputs['augmented'] = image()
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, img_path=f'{seed}.png'))
    if label:
        gt = torch.randint(NUM_CLASSES, (1, *size), generator=generator)
        gt[:, :3] = 255
        sample.gt_sem_seg = PixelData(data=gt)
    return inputs, sample


@pytest.fixture
def batch():
    """Collated batch of clips: ``batch('source', 'target', count=2, ...)``; no name, no branch."""

    def make(*branches, count=2, seed=0, **kwargs):
        def collate(offset):
            clips = [packed(seed + offset + i, **kwargs) for i in range(count)]
            inputs = {key: [c[key] for c, _ in clips] for key in clips[0][0]}
            return inputs, [s for _, s in clips]

        if not branches:
            inputs, samples = collate(0)
            return dict(inputs=inputs, data_samples=samples)
        made = {name: collate(100 * i) for i, name in enumerate(branches)}
        return dict(inputs={n: v[0] for n, v in made.items()},
                    data_samples={n: v[1] for n, v in made.items()})

    return make
