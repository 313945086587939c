"""HRDA against the published code, and what its scales see."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import nn

from mmdavss.utils.checkpoints import CheckpointError
from mmdavss.video_nets.base import weighted_losses
from mmdavss.video_nets.hrda import Box, detail_box
from mmdavss.video_nets.loading import load_student
from mmdavss.video_nets.windows import Windows

ARRAYS = np.load(Path(__file__).parents[1] / 'data/golden/hrda_fusion.npz')
DATA = {name: torch.tensor(ARRAYS[name]) for name in ARRAYS.files}
BOXES = sorted(n.removesuffix('_img_crop_divisible') for n in DATA if 'crop_divisible' in n)
SLIDES = sorted(n.removesuffix('_img_crop') for n in DATA if n.endswith('_img_crop'))


class NoBackbone(BaseModule):
    def forward(self, images):
        return (images,)


class PatchHead(BaseDecodeHead):
    """One strided convolution, as decoder and attention of the arrays."""

    def forward(self, inputs):
        return self.cls_seg(inputs[0])


@pytest.fixture(scope='module', autouse=True)
def registered():
    kinds = dict(NoBackbone=NoBackbone, PatchHead=PatchHead)
    for name, kind in kinds.items():
        MODELS.register_module(name=name, module=kind)
    yield
    for name in kinds:
        MODELS.module_dict.pop(name)


def hrda_config(attention='attention', **options):

    def head(name):
        weight = DATA[f'{name}_weight']
        return dict(
            type='PatchHead',
            in_channels=3,
            channels=3,
            num_classes=len(weight),
            out_channels=len(weight),
            align_corners=False,
            dropout_ratio=0,
            loss_decode=dict(type='BatchCrossEntropyLoss', avg_non_ignore=False),
        )

    return (
        dict(
            type='HRDA',
            backbone=dict(type='NoBackbone'),
            decode_head=head('head'),
            attention_head=head(attention),
            detail_size=DATA['hr_crop_size'].tolist(),
            output_stride=int(DATA['output_stride']),
            detail_weight=float(DATA['hr_loss_weight']),
        )
        | options
    )


def hrda(attention='attention', **options):
    """The network of the arrays, in float64."""
    net = MODELS.build(hrda_config(attention, **options))
    fill(net, attention)
    return net.double()


def fill(net, attention='attention'):
    """Gives a network the weights of the arrays."""
    stride = int(DATA['output_stride'])
    for part, name in ((net.decode_head, 'head'), (net.attention_head, attention)):
        weight = DATA[f'{name}_weight']
        part.conv_seg = nn.Conv2d(3, len(weight), stride, stride)
        part.conv_seg.load_state_dict(dict(weight=weight, bias=DATA[f'{name}_bias']))
        part.double()


def numpy_draw(seed):
    generator = np.random.RandomState(int(seed))
    return lambda count: int(generator.randint(0, count))


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs.double(), rtol=0, atol=1e-5)


@pytest.fixture
def box(monkeypatch):
    draw, divisor = numpy_draw(DATA['numpy_seed']), int(DATA['crop_coord_divisible'])

    def published_box(size, crop_size, grid):
        assert grid == 2 * DATA['output_stride']
        return detail_box(size, crop_size, divisor, draw)

    monkeypatch.setattr('mmdavss.video_nets.hrda.detail_box', published_box)
    (top, bottom, left, right) = DATA['crop_box_y1y2x1x2'].tolist()
    return Box((top, bottom), (left, right))


@pytest.mark.parametrize('name', BOXES)
def test_published_boxes(name):
    height, width, *crop, divisor = DATA[f'{name}_img_crop_divisible'].tolist()
    draw = numpy_draw(DATA[f'{name}_numpy_seed'])
    draws = DATA[f'{name}_draws_y1y2x1x2'].tolist()
    for top, bottom, left, right in draws:
        assert detail_box((height, width), crop, divisor, draw) == ((top, bottom), (left, right))
    if not draws:  # one side has no choice, where the published code fails
        rows, columns = detail_box((height, width), crop, divisor, draw)
        assert (0, height) in (rows, (0, height)) and (rows == (0, height) or columns == (0, width))


def test_the_last_offset_is_out_of_reach():
    largest = DATA['largest_offset_1024_512_div8'].tolist()
    draws = [detail_box((1024, 1024), (512, 512), 8, lambda count: count - 1)]
    assert [[rows[0], columns[0]] for rows, columns in draws] == [largest]


def test_crops_larger_than_images():
    assert detail_box((64, 96), (512, 512), 8) == ((0, 64), (0, 96))
    rows, columns = detail_box((64, 96), (512, 32), 8)
    assert rows == (0, 64) and columns[1] - columns[0] == 32


def test_published_views(box):
    net, images = hrda(), DATA['img'].double()
    close(net.extract_feat(images)[0], DATA['context_image'])
    close(box.crop(images), DATA['detail_image'])


def test_published_fusion(box):
    net, images = hrda(), DATA['img'].double()
    scales = net.scales(net.extract_feat(images), images)
    assert scales.box == box
    close(scales.fused, DATA['fused_logits'])
    close(scales.context, DATA['context_logits_times_1_minus_attention'])
    close(scales.detail, DATA['detail_logits'])


def test_published_fusion_with_one_weight_for_all_classes(box):
    net, images = hrda('class_agnostic_attention'), DATA['img'].double()
    scales = net.scales(net.extract_feat(images), images)
    close(scales.fused, DATA['class_agnostic_fused_logits'])


def test_published_teacher(monkeypatch):
    """Windows in one batch, and joined without a box."""
    net, images = hrda().eval(), DATA['img'].double()
    scales = net.scales(net.extract_feat(images), images)
    assert scales.box is None
    close(scales.detail, DATA['slide_detail_logits'])
    close(scales.fused, DATA['teacher_logits_output_size'])
    close(net.encode_decode(images, []), DATA['teacher_logits'])


def test_published_teacher_with_a_fixed_half():
    """An attention that says nothing weighs both scales by a half."""
    net, images = hrda().eval(), DATA['img'].double()
    for parameter in net.attention_head.conv_seg.parameters():
        nn.init.zeros_(parameter)
    close(net.encode_decode(images, []), DATA['fixed_half_teacher_logits'])


@pytest.mark.parametrize('name', SLIDES)
def test_published_windows(name):
    height, width, crop = DATA[f'{name}_img_crop'].tolist()
    boxes = [
        [rows.start, rows.stop, columns.start, columns.stop]
        for rows, columns in Windows((crop, crop), (crop // 2, crop // 2)).slices(height, width)
    ]
    assert boxes == DATA[f'{name}_boxes_y1y2x1x2'].tolist()


def test_windows_in_one_batch_or_one_by_one():
    net, images = hrda().eval(), DATA['img'].double()
    together = net.scales(net.extract_feat(images), images).detail
    boxes, (h, w) = DATA['slide_boxes_y1y2x1x2'].tolist(), together.shape[-2:]
    total, count = torch.zeros_like(together), torch.zeros(h, w)
    for top, bottom, left, right in boxes:
        own = net.decode_head((images[..., top:bottom, left:right],))
        top, bottom, left, right = (
            side // net.output_stride for side in (top, bottom, left, right)
        )
        total[..., top:bottom, left:right] += own
        count[top:bottom, left:right] += 1
    torch.testing.assert_close(together, total / count)


def loss_of(maps, labels, weights):
    """Cross-entropy, weighed, over all pixels."""
    scores = F.interpolate(maps, labels.shape[-2:], mode='bilinear')
    return (F.cross_entropy(scores, labels, ignore_index=255, reduction='none') * weights).mean()


def test_factors_where_the_detail_is_everything():
    net, images = hrda(), DATA['img'].double()
    net.detail_size = tuple(images.shape[-2:])
    scales = net.scales(net.extract_feat(images), images)
    factors = net.loss_factors(scales, tuple(images.shape[-2:]))
    maps = dict(decode=scales.fused, context=scales.context, detail=scales.detail)
    names = dict(decode='fused', context='context', detail='detail')
    for key in maps:
        loss = factors[key] * loss_of(maps[key], DATA['label'][:, 0], DATA['seg_weight'])
        torch.testing.assert_close(loss, DATA[f'fullcrop_loss_{names[key]}'], rtol=1e-5, atol=0)


def test_factors_of_a_box(box):
    net, images = hrda(), DATA['img'].double()
    scales = net.scales(net.extract_feat(images), images)
    factors = net.loss_factors(scales, tuple(images.shape[-2:]))
    assert factors['context'] == 0
    labels, weights = DATA['label'][:, 0], DATA['seg_weight']
    for key, maps, name in (('decode', scales.fused, 'fused'), ('detail', scales.detail, 'detail')):
        part = (lambda x: x) if key == 'decode' else box.crop
        loss = factors[key] * loss_of(maps, part(labels), part(weights))
        torch.testing.assert_close(loss, DATA[f'loss_{name}_weighted'], rtol=1e-5, atol=0)


@pytest.mark.parametrize('weighted', [True, False])
def test_published_losses_and_gradients(box, weighted):
    """Of a net for single frames: the joined scores and the detail, each over all its pixels."""
    net = MODELS.build(
        dict(type='PerFrame', segmentor=hrda_config(), allow_random_init=True)
    ).double()
    fill(net.segmentor)
    labels = DATA['label'][:, 0]
    weights = DATA['seg_weight'] if weighted else torch.ones_like(DATA['seg_weight'])
    images = DATA['img'].double()[:, None]
    losses = weighted_losses(net, images, None, labels, weights, labels.numel())
    assert set(losses) == {'decode.loss_ce', 'detail.loss_ce'}
    suffix = 'weighted' if weighted else 'unweighted'
    for name, key in (('decode', 'fused'), ('detail', 'detail')):
        torch.testing.assert_close(
            losses[f'{name}.loss_ce'], DATA[f'loss_{key}_{suffix}'], rtol=1e-5, atol=0
        )
    if weighted:
        total = sum(losses.values())
        torch.testing.assert_close(total, DATA['loss_total'], rtol=1e-5, atol=0)
        total.backward()
        for part, name in (('decode_head', 'head'), ('attention_head', 'attention')):
            layer = getattr(net.segmentor, part).conv_seg
            for kind in ('weight', 'bias'):
                expected = DATA[f'grad_{name}_{kind}']
                torch.testing.assert_close(
                    getattr(layer, kind).grad,
                    expected,
                    rtol=1e-4,
                    atol=1e-4 * expected.abs().max().item(),
                )


def test_predicts_in_windows_as_published():
    """Windows of the test, in each of which windows show the detail."""
    net = MODELS.build(
        dict(
            type='PerFrame',
            segmentor=hrda_config(
                test_cfg=dict(
                    mode='slide',
                    crop_size=DATA['test_window'].tolist(),
                    stride=DATA['test_stride'].tolist(),
                )
            ),
            allow_random_init=True,
        )
    ).double()
    fill(net.segmentor)
    with torch.no_grad():
        close(net.eval().predict(DATA['test_img'].double()[:, None]), DATA['test_logits'])


def test_details_of_an_odd_number_of_cells(monkeypatch):
    """As of DeepLab-v2 on BDDVid: half a cell of the context is beyond the attention."""
    net = hrda(detail_size=(20, 20), output_stride=4)
    monkeypatch.setattr(
        'mmdavss.video_nets.hrda.detail_box', lambda *args: detail_box(*args, draw=lambda count: 1)
    )
    images = torch.rand(2, 3, 40, 40, dtype=torch.float64)
    levels = net.extract_feat(images)
    context, attention = net.decode_head(levels), net.attention_head(levels).sigmoid()
    scales = net.scales(levels, images)
    assert scales.box == ((8, 28), (8, 28))
    inside, detail = torch.zeros(5, 5), torch.zeros(2, len(DATA['head_weight']), 10, 10).double()
    inside[1:3, 1:3] = 1
    detail[..., 2:7, 2:7] = net.decode_head((images[..., 8:28, 8:28],))
    damped, seen = (
        F.interpolate(maps, size=(10, 10), mode='bilinear')
        for maps in ((1 - attention * inside) * context, attention * inside)
    )
    torch.testing.assert_close(scales.fused, seen * detail + damped)
    # Half of a window is no whole number of cells: as published, windows begin in the cell before.
    total, count = torch.zeros_like(detail), torch.zeros(10, 10)
    for top, row in ((0, 0), (10, 2), (20, 5)):
        for left, column in ((0, 0), (10, 2), (20, 5)):
            window = images[..., top : top + 20, left : left + 20]
            total[..., row : row + 5, column : column + 5] += net.decode_head((window,))
            count[row : row + 5, column : column + 5] += 1
    torch.testing.assert_close(net.eval().scales(levels, images).detail, total / count)


def test_details_are_summed_in_float32(monkeypatch):
    """Of scores in half precision, which they stay."""
    net = hrda(detail_size=(16, 16), output_stride=4)
    images = torch.rand(1, 3, 40, 40)
    maps = torch.randn(16, 3, 4, 4).bfloat16()
    found = []
    for scores in (maps, maps.float()):
        monkeypatch.setattr(net.decode_head, 'forward', lambda levels, scores=scores: scores)
        found.append(net._details(images))
    assert found[0].dtype == torch.bfloat16
    assert torch.equal(found[0], found[1].bfloat16())


def test_sides_that_do_not_fit():
    net = hrda(output_stride=4)
    with pytest.raises(ValueError, match='multiples of 8, not 100x64'):
        net.extract_feat(torch.zeros(1, 3, 64, 100))
    for size in ((102, 100), (0, 8)):
        with pytest.raises(ValueError, match='detail_size'):
            hrda(detail_size=size, output_stride=4)


def head_config(kind='FCNHead', **options):
    return dict(
        dict(
            type=kind,
            in_channels=4,
            channels=4,
            num_convs=0,
            num_classes=3,
            align_corners=False,
            loss_decode=dict(type='BatchCrossEntropyLoss'),
        ),
        **options,
    )


def several(kind, **options):
    """The config of a head with several results, or losses of its own."""
    return {n: v for n, v in head_config(kind, **options).items() if n != 'num_convs'}


@pytest.mark.parametrize(
    ('options', 'kind', 'words'),
    [
        (dict(detail_weight=-0.1), ValueError, r'detail_weight=-0.1 must be in \[0, 1\]'),
        (dict(detail_weight=1.5), ValueError, 'detail_weight=1.5'),
        (dict(detail_weight=float('nan')), ValueError, 'detail_weight=nan'),
        (dict(detail_size=16), TypeError, r'detail_size=16 must be \(height, width\)'),
        (dict(detail_size=(16,)), TypeError, 'detail_size'),
        (dict(output_stride=0), ValueError, 'output_stride, 0'),
        (dict(attention_head=head_config(num_classes=2)), ValueError, 'attention_head gives 2 ch'),
        (dict(attention_head=head_config(align_corners=True)), ValueError, 'attention_head has T'),
        (dict(decode_head=head_config(align_corners=True)), ValueError, 'decode_head has True'),
        (
            dict(decode_head=head_config(num_classes=2, out_channels=1)),
            ValueError,
            'decode_head gives 1 channels and not 2',
        ),
        (dict(auxiliary_head=head_config()), TypeError, 'trains no auxiliary_head'),
        (dict(decode_head=several('DAHead', pam_channels=2)), TypeError, 'decode_head is a DAHead'),
        (dict(attention_head=several('DAHead', pam_channels=2)), TypeError, 'attention_head is a'),
        (
            dict(decode_head=several('EncHead', in_channels=[4], in_index=[0], num_codes=2)),
            TypeError,
            'decode_head is a EncHead',
        ),
        (dict(decode_head=several('DDRHead')), TypeError, 'decode_head is a DDRHead'),
        (dict(decode_head=[head_config(), head_config()]), TypeError, 'decode_head is a cascade'),
        (dict(decode_head=several('PIDHead')), TypeError, 'decode_head is a PIDHead'),
    ],
)
def test_what_it_does_not_take(options, kind, words):
    with pytest.raises(kind, match=f'^HRDA.*{words}') as told:
        MODELS.build(hrda_config(**options))
    assert '\n' not in str(told.value)


def test_another_stride_than_the_decoders():
    for attention in ('attention', 'class_agnostic_attention'):
        net = hrda(attention, output_stride=2, detail_size=(16, 16))
        with pytest.raises(ValueError, match='output_stride=2 means maps of 16x8 .* gives 8x4'):
            net.scales(net.extract_feat(images := torch.zeros(2, 3, 32, 64).double()), images)


def test_nothing_left_for_the_joined_scores():
    """The damped context has the detail's factor where both are the whole image."""
    net, images = hrda(detail_weight=0.6), DATA['img'].double()
    net.detail_size = size = tuple(images.shape[-2:])
    scales = net.scales(net.extract_feat(images), images)
    with pytest.raises(ValueError, match='detail_weight to 0.5'):
        net.loss_factors(scales, size)
    net.eval().loss_factors(net.scales(net.extract_feat(images), images), size)


def test_sides_that_its_backbone_does_not_take():
    """It sees the context and the details, not the image."""
    net = per_frame(
        dict(
            type='HRDA',
            backbone=dict(
                type='UNet',
                base_channels=4,
                num_stages=3,
                strides=(1, 1, 1),
                enc_num_convs=(2, 2, 2),
                dec_num_convs=(2, 2),
                downsamples=(True, True),
                enc_dilations=(1, 1, 1),
                dec_dilations=(1, 1),
            ),
            decode_head=head_config(in_index=2),
            attention_head=head_config(in_index=2),
            detail_size=(8, 8),
            output_stride=1,
        )
    )
    net.check_size(16, 24)
    # Images of multiples of 4 are fine for a UNet by itself.
    with pytest.raises(ValueError, match=r'context.*multiples of 4 such as 8x8, not 8x6.*16x16'):
        net.check_size(12, 16)
    net.segmentor.detail_size = (8, 6)
    with pytest.raises(ValueError, match=r'detail only.*not 6x8: set detail_size=\(8, 8\)'):
        net.levels(torch.zeros(1, 3, 16, 24))


def per_frame(segmentor):
    return MODELS.build(dict(type='PerFrame', segmentor=segmentor, allow_random_init=True))


@pytest.fixture
def one_scale(tmp_path):
    """A source model without attention, and its checkpoint."""
    config = {k: v for k, v in hrda_config().items() if k in ('backbone', 'decode_head')}
    net = per_frame(dict(config, type='EncoderDecoder'))
    path = tmp_path / 'source.pth'
    torch.save(dict(state_dict={f'student.{n}': v for n, v in net.state_dict().items()}), path)
    return net, str(path)


@pytest.mark.parametrize('kind', ['PerFrame', 'Accel'])
def test_starts_from_a_source_model_of_one_scale(one_scale, kind, monkeypatch):
    """Encoder and decoder are the source model's, the attention stays as it was initialised."""
    source, path = one_scale
    net = MODELS.build(dict(type=kind, segmentor=hrda_config(), allow_random_init=True))
    attention = {n: v.clone() for n, v in net.segmentor.attention_head.state_dict().items()}
    said = []
    monkeypatch.setattr(
        'mmdavss.video_nets.loading.print_log', lambda text, **kwargs: said.append(text)
    )
    load_student(net, path)
    own = net.segmentor.state_dict()
    assert all(torch.equal(own[n], v) for n, v in source.segmentor.state_dict().items())
    assert all(torch.equal(own[f'attention_head.{n}'], v) for n, v in attention.items())
    (text,) = said
    assert 'attention_head' in text and ('fusion' in text) == (kind == 'Accel')


def test_predicts_with_trained_attention_only(one_scale, tmp_path):
    net, (_, path) = per_frame(hrda_config()), one_scale
    with pytest.raises(CheckpointError, match='attention_head.*untrained'):
        load_student(net, path, complete=True)
    # Half of an attention is a mistake, also where adaptation starts.
    state = {
        n: v for n, v in net.state_dict().items() if n != 'segmentor.attention_head.conv_seg.bias'
    }
    torch.save(dict(state_dict={f'student.{n}': v for n, v in state.items()}), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='lacks 1 tensors'):
        load_student(net, str(tmp_path / 'a.pth'))
