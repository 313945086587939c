"""Predictions in sliding windows: mmseg's numbers, clips with their flow, and streams."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict

from mmdavss.ops import resize_flow
from mmdavss.video_nets.windows import Windows, windows_of

HEIGHT, WIDTH = 32, 48
#: Crop and stride: overlapping, with a last window moved back; side by side; larger than a frame.
SIZES = [((24, 20), (16, 12)), ((16, 16), (16, 16)), ((20, 99), (7, 50)), ((64, 64), (8, 8))]


def slide(crop_size, stride):
    return ConfigDict(mode='slide', crop_size=crop_size, stride=stride)  # mmseg reads attributes


def video(length):
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(2, length, 3, HEIGHT, WIDTH, generator=generator)
    flow = 4 * torch.randn(2, length, 2, HEIGHT, WIDTH, generator=generator)
    flow[:, 0] = 0
    return frames, flow


@pytest.fixture
def sliding(segmentor, build):
    """A net of a kind in windows, whose weights make every frame count."""

    def make(kind, crop_size=(24, 20), stride=(16, 12), **options):
        net = build(
            dict(
                type=kind,
                segmentor=dict(segmentor, test_cfg=slide(crop_size, stride)),
                allow_random_init=True,
                **options,
            )
        )
        torch.manual_seed(2)
        for name, parameter in net.named_parameters():
            if 'bn' not in name and 'downsample.1' not in name:
                torch.nn.init.normal_(parameter, std=0.1)
        return net.eval()

    return make


@pytest.mark.parametrize('crop_size, stride', SIZES)
@torch.no_grad()
def test_equals_mmseg(sliding, crop_size, stride):
    net = sliding('PerFrame', crop_size, stride)
    frames = video(1)[0]
    expected = net.segmentor.inference(
        frames[:, 0], [dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH))] * 2
    )
    for scores in (net.predict(frames), net.predict_next(frames[:, 0])[0]):
        torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-6)
    whole = F.interpolate(net(frames), (HEIGHT, WIDTH), mode='bilinear', align_corners=True)
    assert (crop_size == (64, 64)) == torch.allclose(whole, expected, atol=1e-3)


@pytest.mark.sampled
@pytest.mark.parametrize('kind', ['Accel', 'DFF', 'DistortionAwareVSS'])
@torch.no_grad()
def test_flow_is_cropped_with_the_frames(sliding, build, kind):
    net = sliding(kind)
    net.set_normalisation(
        build(dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3))
    )
    frames, flow = video(2)
    total, count = torch.zeros(2, net.num_classes, HEIGHT, WIDTH), torch.zeros(HEIGHT, WIDTH)
    for y in (0, 8):
        for x in (0, 12, 24, 28):
            part = (..., slice(y, y + 24), slice(x, x + 20))
            scores = net(frames[part], flow[:, 1:][part])
            total[part] += F.interpolate(scores, (24, 20), mode='bilinear', align_corners=True)
            count[part[1:]] += 1
    torch.testing.assert_close(net.predict(frames, flow[:, 1:]), total / count)
    small = resize_flow(flow[:, 1], (HEIGHT // 2, WIDTH // 2))
    torch.testing.assert_close(
        net.predict(frames, small[:, None]),
        net.predict(frames, resize_flow(small, (HEIGHT, WIDTH))[:, None]),
    )


@pytest.mark.sampled
@pytest.mark.parametrize('kind, clip_length', [('Accel', 2), ('Accel', 3), ('DFF', 3)])
@torch.no_grad()
def test_a_stream_equals_its_clips(sliding, kind, clip_length):
    net = sliding(kind, **(dict(key_interval=clip_length) if kind == 'DFF' else {}))
    frames, flow = video(3)
    state = None
    for t in range(3):
        scores, state = net.predict_next(frames[:, t], flow[:, t], state, clip_length)
    torch.testing.assert_close(
        scores, net.predict(frames[:, 3 - clip_length :], flow[:, 4 - clip_length :])
    )
    assert len(state) == len(list(net.windows.slices(HEIGHT, WIDTH))) == 8


@torch.no_grad()
def test_a_method_predicts_as_mmseg(batch, per_frame, build):
    """The labels of a test, resized to the image, from both code bases."""
    per_frame['segmentor']['test_cfg'] = slide((24, 20), (16, 12))
    method = build(
        dict(
            type='SourceOnly',
            student=per_frame,
            data_preprocessor=dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3),
        )
    ).eval()
    data = method.data_preprocessor(batch(length=1))
    for sample in data['data_samples']:
        sample.set_metainfo(dict(ori_shape=(40, 60)))
    images = data['inputs'].frames[:, 0]
    samples = [sample.clone() for sample in data['data_samples']]
    expected = method.student.segmentor.predict(images, samples)
    for ours, theirs in zip(method.predict(**data), expected, strict=True):
        torch.testing.assert_close(
            ours.seg_logits.data, theirs.seg_logits.data, rtol=1e-5, atol=1e-5
        )
        assert ours.seg_logits.shape[-2:] == (40, 60)


def test_whole_frames():
    assert windows_of(None) is windows_of({}) is windows_of(dict(mode='whole')) is None
    assert windows_of(slide([24, 20], [16, 12])) == Windows((24, 20), (16, 12))


@pytest.mark.parametrize(
    'test_cfg, message',
    [
        (dict(mode='sliding'), "mode='sliding' of the segmentor is not one of"),
        (dict(mode='slide'), 'needs crop_size'),
        (dict(mode='slide', crop_size=(24, 20), stride=(0, 4)), 'both above 0'),
        (dict(mode='slide', crop_size=24, stride=16), 'given are 24 and 16'),
        (dict(mode='slide', crop_size=(24, 20), stride=(24, 21)), 'must not be above crop_size'),
    ],
)
def test_unknown_windows(test_cfg, message, per_frame, build):
    per_frame['segmentor']['test_cfg'] = test_cfg
    with pytest.raises(ValueError, match=message):
        build(per_frame)


def test_sums_in_float32():
    """Of scores in half precision, as in mmseg: 64 windows hold a pixel."""
    frames = torch.zeros(1, 1, 3, 24, 24)
    scores = torch.full((1, 2, 8, 8), 0.1, dtype=torch.bfloat16)
    total = Windows((8, 8), (1, 1)).predict(lambda *_: scores, frames, None, False)
    torch.testing.assert_close(total, scores.float()[..., :1, :1].expand(-1, -1, 24, 24))
