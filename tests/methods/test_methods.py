"""Weights that methods start from, AdaBN and STPL."""

import copy

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.runner import load_checkpoint, save_checkpoint

from mmdavss.losses import stpl_loss
from mmdavss.modules import frozen_forward, has_dropout, most_confident
from mmdavss.ops import backward_warp, chain_flow, resize_flow
from mmdavss.testing import build_method, build_optimisers, train
from mmdavss.testing.methods import training_batch
from mmdavss.video_nets.loading import load_student
from tests.methods.table import CASES


@pytest.fixture
def method():
    return lambda name, **options: build_method(CASES[name], init_weights=True, **options)


def state(model):
    return {n: v.clone() for n, v in model.state_dict().items()}


class TestWeights:
    def test_source_checkpoint_of_a_method(self, method, tmp_path):
        source = method('source_only')
        for p in source.parameters():
            torch.nn.init.normal_(p)
        path = str(tmp_path / 'source.pth')
        save_checkpoint(dict(state_dict=source.state_dict()), path)
        model = method('stpl', source_checkpoint=path)
        for name, value in source.student.named_parameters():
            if 'bn' not in name and 'downsample.1' not in name:  # the fixture sets those
                assert torch.equal(value, model.student.get_parameter(name))

    @pytest.mark.parametrize('counted', [True, False])
    def test_plain_mmseg_checkpoint(self, counted, build, segmentor, accel, tmp_path):
        """Also one without the counters of batch norm, of an old version of PyTorch."""
        plain = {
            name: value
            for name, value in build(segmentor).state_dict().items()
            if counted or not name.endswith('num_batches_tracked')
        }
        path = str(tmp_path / 'plain.pth')
        save_checkpoint(dict(state_dict=plain), path)
        net = build(accel)
        load_student(net, path)
        for branch in net.segmentors:
            for name, value in plain.items():
                assert torch.equal(value, branch.state_dict()[name])

    def test_errors(self, method, accel, tmp_path):
        with pytest.raises(FileNotFoundError, match='nowhere.pth.*source_only'):
            method('stpl', source_checkpoint='nowhere.pth')
        path = str(tmp_path / 'source.pth')
        model = method('source_only')
        save_checkpoint(dict(state_dict=model.state_dict()), path)
        accel['segmentor']['decode_head']['num_classes'] = 7
        accel['segmentor']['auxiliary_head']['num_classes'] = 7
        with pytest.raises(ValueError, match='it has 4 classes and the config 7'):
            method('stpl', student=accel, source_checkpoint=path)
        with pytest.raises(ValueError, match='4 classes and the config 7'):
            load_checkpoint(method('source_only', student=accel), path)
        accel['allow_random_init'] = False
        with pytest.raises(ValueError, match='random weights.*source_checkpoint'):
            method('stpl', student=accel)
        save_checkpoint(dict(state_dict={'student.other': torch.zeros(1)}), path)
        with pytest.raises(ValueError, match='another network'):
            method('stpl', source_checkpoint=path)

    def test_flow_provider_stays_outside(self, method, batch):
        model = method('stpl', flow=dict(type='ZeroFlow'))
        data = batch('target')
        del data['inputs']['target']['flow']
        model.train_step(data, build_optimisers(model))
        assert not any('flow' in n for n in model.state_dict())

    def test_missing_branch(self, method, batch):
        with pytest.raises(KeyError, match='no target clips'):
            model = method('dacs')
            model.train_step(batch('source'), build_optimisers(model))


class TestAdaBN:
    def test_statistics_are_the_average_over_batches(self, method, batch):
        model = method('adabn')
        batches = [batch('target', seed=s) for s in (0, 10, 20)]
        seen = []
        conv = model.student.segmentor.backbone.conv1
        handle = conv.register_forward_hook(lambda m, i, o: seen.append(o))
        for data in batches:
            model.train_step(copy.deepcopy(data), build_optimisers(model))
        handle.remove()
        bn = model.student.segmentor.backbone.bn1
        mean = torch.stack([o.mean((0, 2, 3)) for o in seen]).mean(0)
        var = torch.stack([o.var((0, 2, 3)) for o in seen]).mean(0)
        torch.testing.assert_close(bn.running_mean, mean, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(bn.running_var, var, rtol=1e-4, atol=1e-6)

    def test_layers_that_sync_bn_has_replaced(self, method, batch):
        torch.manual_seed(0)
        plain, model = method('adabn'), method('adabn')
        model = convert_sync_batchnorm(model).train()
        for adapted in (plain, model):
            adapted.train_step(batch('target'), build_optimisers(adapted))
        assert not torch.equal(plain.student.segmentor.backbone.bn1.running_mean, torch.zeros(8))
        torch.testing.assert_close(state(model), state(plain), rtol=0, atol=0)

    def test_needs_batch_norm(self, accel, method):
        accel['segmentor']['backbone']['norm_cfg'] = dict(type='GN', num_groups=2)
        with pytest.raises(ValueError, match='no batch-norm'):
            method('adabn', student=accel)

    @pytest.mark.parametrize('option', ['norm_eval', 'train_norm_only'])
    def test_options_without_effect(self, method, option):
        with pytest.raises(ValueError, match=f'AdaBN: {option}=True has no effect'):
            method('adabn', **{option: True})


class TestSTPL:
    def literal(self, model, data):
        """Equations 1 to 4 of one clip, step by step, from the paper."""
        clip = model.data_preprocessor(copy.deepcopy(data), True)['inputs']['target']
        net, total = model.student, 0.0
        for n in range(len(clip.frames)):
            frames, augmented = clip.frames[n : n + 1], clip.augmented[n : n + 1]
            with torch.no_grad():
                p = frozen_forward(net, frames, clip.flow[n : n + 1])[0].flatten(1).softmax(0)
            confidence, labels = p.max(0)
            keep = confidence.argsort(descending=True)[: int(0.7 * len(labels))]

            def fused(x, n=n):
                before, now = net.features(x[:, -2]), net.features(x[:, -1])
                flow = resize_flow(clip.flow[n, -1:], now.shape[-2:])
                return model.fusion(torch.stack([backward_warp(before, flow), now], 1))

            z, z_aug = (model.projection(fused(x))[0].flatten(1).T for x in (frames, augmented))
            q, k, y = z[keep], z_aug[keep], labels[keep]
            scores = q @ k.T / 0.07
            losses = []
            for i in range(len(q)):
                negative = scores[i][y != y[i]]
                if len(negative):
                    positive = scores[i][y == y[i]]
                    losses.append(-(positive - negative.exp().sum().log()).mean())
            total = total + sum(losses) / max(len(losses), 1)
        return total / len(clip.frames)

    @pytest.mark.parametrize('length', [2, 3])
    def test_equals_the_equations(self, method, batch, length):
        """In a longer clip too the previous frame is the one before the current one."""
        model = method('stpl')
        data = batch('target', length=length)
        losses = model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')
        torch.testing.assert_close(
            losses['loss_stpl'], self.literal(model, data), rtol=1e-4, atol=1e-4
        )

    def test_longer_clips_without_fusion(self, method, batch):
        """The first of three frames only takes part in the prediction, as an Accel's key frame."""
        model = method('temporal')
        clip = model.data_preprocessor(batch('target', length=3), True)['inputs']['target']
        net = model.student
        losses = model(dict(target=clip), dict(target=[]), mode='loss')
        expected = []
        for n in range(2):
            scores = (
                frozen_forward(net, clip.frames[n : n + 1], clip.flow[n : n + 1]),
                net.classify(net.features(clip.frames[n : n + 1, 1])),
            )
            (now, labels), (before, labels_before) = (
                (positions[0], classes[0])
                for positions, classes in (most_confident(s, 0.7) for s in scores)
            )
            q, k = (
                model.projection(net.features(clip.frames[n : n + 1, t]))[0].flatten(1).T[where]
                for t, where in ((2, now), (1, before))
            )
            expected.append(stpl_loss(q, k, labels, labels_before, 4))
        torch.testing.assert_close(losses['loss_temporal'], sum(expected) / 2, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('name', ['stpl', 'stpl_anchor', 'spatial'])
    def test_longer_clips_train(self, method, batch, name):
        model = method(name)
        logs = model.train_step(batch('target', length=4), build_optimisers(model))
        assert all(torch.isfinite(v).all() for v in logs.values())

    def test_fusion_of_three_frames(self, method, batch):
        """Each is carried to the current one along the flow that leads there."""
        model = method('stpl', fusion=dict(type='ConcatFusion', num_frames=3))
        seen = []
        model.fusion.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        clip = model.data_preprocessor(batch('target', length=4), True)['inputs']['target']
        model(dict(target=clip), dict(target=[]), mode='loss')
        z = [model.student.features(clip.frames[:, t]) for t in range(4)]
        size = z[0].shape[-2:]
        expected = [
            backward_warp(z[1], resize_flow(chain_flow(clip.flow[:, 1:]), size)),
            backward_warp(z[2], resize_flow(clip.flow[:, 2], size)),
            z[3],
        ]
        torch.testing.assert_close(seen[0], torch.stack(expected, 1), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('name', ['stpl', 'temporal'])
    def test_short_clips(self, method, batch, name):
        model = method(name, flow=dict(type='ZeroFlow'))
        with pytest.raises(ValueError, match='1 frame and need 2 .*clip_length=2'):
            model.train_step(batch('target', length=1), build_optimisers(model))

    @pytest.mark.parametrize('name', ['stpl', 'stpl_norm', 'temporal', 'spatial'])
    def test_labels_are_never_those_of_dropout(self, method, batch, name):
        """Neither of the current nor of the previous frame; in training values are dropped."""
        model = method(name)
        backbone = model.student.segmentor.backbone
        backbone.layer4 = torch.nn.Sequential(backbone.layer4, torch.nn.Dropout(0.5))
        model.train()
        seen = []
        model._contrast = lambda q, k, labels, others: (
            seen.append((labels.labels, others.labels)),
            q.sum() + k.sum(),
        )[1]
        clip = model.data_preprocessor(batch('target'), True)['inputs']['target']
        net = copy.deepcopy(model.student)
        modes = [m.training for m in model.modules()]
        model(dict(target=clip), dict(target=[]), mode='loss')
        assert modes == [m.training for m in model.modules()]
        if name == 'stpl_norm':  # statistics of the original clip have moved before it is labelled
            net.load_state_dict(model.student.state_dict())
        net.eval()
        with torch.no_grad():
            now = net(clip.frames, clip.flow)
            before = net.classify(net.features(clip.frames[:, 0]))
        ((labels, others),) = seen
        assert torch.equal(labels, most_confident(now, 0.7)[1])
        assert torch.equal(others, most_confident(before, 0.7)[1] if name == 'temporal' else labels)

    @pytest.mark.parametrize('options, told', [({}, True), (dict(anchor_weight=1.0), False)])
    def test_reference_branch(self, method, accel, monkeypatch, options, told):
        """The contrast does not train the second network of an Accel, the anchor does."""
        accel.update(reference_segmentor=copy.deepcopy(accel['segmentor']), key_grad=True)
        for student in (accel, dict(accel, reference_segmentor=None)):
            said = []
            monkeypatch.setattr(
                'mmdavss.methods.stpl.print_log',
                lambda text, said=said, **kwargs: said.append(text),
            )
            model = method('stpl', student=student, **options)
            separate = student['reference_segmentor'] is not None
            assert ['reference_segmentor' in text for text in said] == [True] * (told and separate)
            trained = {name for name, p in model.student.named_parameters() if p.requires_grad}
            assert any(name.startswith('reference_segmentor.backbone') for name in trained) == (
                separate and not told
            )

    def test_anchor(self, method, batch):
        """Cross-entropy of the augmented clip with labels of the model that it started from."""
        # Fixed statistics, which do not depend on what else is in a pass.
        model = method('stpl_anchor', norm_eval=True)
        model.anchor.load_state_dict(model.student.state_dict())
        data = model.data_preprocessor(batch('target'), True)
        clip = data['inputs']['target']
        with torch.no_grad():
            for parameter in model.student.parameters():
                parameter.mul_(1.1)
        start = frozen_forward(model.anchor, clip.frames, clip.flow).flatten(2).softmax(1)
        copied = copy.deepcopy(model)
        losses = model(**data, mode='loss')
        scores = copied.student(clip.augmented, clip.flow).flatten(2).log_softmax(1)
        positions, _ = most_confident(start.unflatten(2, (4, 6)), 0.7, per_class=True)
        expected = torch.stack(
            [-scores[n, start[n, :, p].argmax(), p] for n in range(2) for p in positions[n]]
        ).mean()
        torch.testing.assert_close(losses['loss_anchor'], 0.5 * expected, rtol=1e-4, atol=1e-5)
        assert model.student.segmentor.decode_head.conv_seg.branches[0].weight.requires_grad
        assert not any(p.requires_grad for p in model.anchor.parameters())
        assert not any(m.training for m in model.anchor.modules())

    def test_anchor_is_the_source_checkpoint(self, method, tmp_path):
        source = method('source_only')
        save_checkpoint(dict(state_dict=source.state_dict()), str(tmp_path / 'source.pth'))
        model = method('stpl_anchor', source_checkpoint=str(tmp_path / 'source.pth'))
        for (name, a), b in zip(
            source.student.state_dict().items(), model.anchor.state_dict().values(), strict=True
        ):
            if 'bn' not in name:  # the fixture sets their weights afterwards
                assert torch.equal(a, b), name

    @pytest.mark.parametrize('name', ['stpl_norm', 'stpl_anchor', 'spatial'])
    def test_running_statistics_are_those_of_the_original_clip(self, method, batch, name):
        model = method(name, norm_eval=False)
        clip = model.data_preprocessor(batch('target'), True)
        frames = clip['inputs']['target'].frames
        frames = frames[:, -1:] if name == 'spatial' else frames
        reference = copy.deepcopy(model)
        reference.student.features(frames.flatten(0, 1))
        model(**clip, mode='loss')
        for (key, ours), theirs in zip(
            model.student.named_buffers(), reference.student.buffers(), strict=True
        ):
            if not key.endswith('num_batches_tracked'):
                torch.testing.assert_close(ours, theirs, msg=key)

    def test_variants_contrast_what_the_paper_says(self, method, batch):
        """Section 3.3 and table 3: who is query and who is key, which labels they bear."""
        data = batch('target')
        naive = method('naive')
        clip = naive.data_preprocessor(copy.deepcopy(data), True)
        both = naive(**clip, mode='loss')
        single = {}
        for name in ('spatial', 'temporal', 'duplicate'):
            single |= method(name)(**clip, mode='loss')
        torch.testing.assert_close(both['loss_spatial'], single['loss_spatial'])
        torch.testing.assert_close(both['loss_temporal'], single['loss_temporal'])
        # Duplicate: each class against itself in the very same features.
        model = method('duplicate')
        frames, flow = clip['inputs']['target'].frames, clip['inputs']['target'].flow
        scores = frozen_forward(model.student, frames, flow).flatten(2)
        z = model.projection(model.student.features(frames[:, -1])).flatten(2)
        expected = []
        for n in range(2):
            confidence, labels = scores[n].softmax(0).max(0)
            keep = confidence.argsort(descending=True)[: int(0.7 * len(labels))]
            q = z[n, :, keep].T
            expected.append(stpl_loss(q, q, labels[keep], labels[keep], 4))
        torch.testing.assert_close(
            single['loss_duplicate'], sum(expected) / 2, rtol=1e-4, atol=1e-4
        )

    def test_reductions(self, method, batch):
        """An unchanged view and no motion: spatial-only is the duplicate contrast."""
        data = batch('target')
        target = data['inputs']['target']
        target['augmented'] = [f.clone() for f in target['frames']]
        pre = method('spatial').data_preprocessor(data, True)
        spatial = method('spatial')(**pre, mode='loss')['loss_spatial']
        duplicate = method('duplicate')(**pre, mode='loss')['loss_duplicate']
        torch.testing.assert_close(spatial, duplicate)

    def test_options(self, method, batch):
        with pytest.raises(ValueError, match="contrast='both'"):
            method('stpl', contrast='both')
        with pytest.raises(ValueError, match='do not go together'):
            method('stpl', contrast='spatial')
        with pytest.raises(KeyError, match='CrossFrameAugment'):
            model = method('stpl')
            model.train_step(batch('target', augmented=False), build_optimisers(model))
        trained = {n.split('.')[0] for n, p in method('stpl').named_parameters() if p.requires_grad}
        assert trained == {'student', 'fusion', 'projection'}
        trained = {n for n, p in method('stpl_norm').student.named_parameters() if p.requires_grad}
        assert trained and all('bn' in n or 'downsample.1' in n for n in trained)


def test_frozen_forward_restores_modes(method, batch):
    model = method('source_only')
    clip = model.data_preprocessor(batch('source'), True)['inputs']['source']
    model.student.segmentor.decode_head.eval()
    modes = [m.training for m in model.modules()]
    before = state(model)
    assert not frozen_forward(model.student, clip.frames, clip.flow).requires_grad
    assert modes == [m.training for m in model.modules()]
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())


def test_has_dropout(method, build):
    """Drop path of a transformer counts; the ResNets of the papers have nothing of the kind."""
    mit = dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_layers=[1] * 4,
        num_heads=[1] * 4,
        init_cfg=None,
    )
    assert has_dropout(build(dict(mit, drop_path_rate=0.1)))
    assert has_dropout(torch.nn.MultiheadAttention(8, 1, dropout=0.1))
    assert not has_dropout(torch.nn.MultiheadAttention(8, 1))
    assert not has_dropout(method('stpl').student)


def test_adabn_leaves_layers_that_see_nothing(per_frame, batch, build):
    per_frame['segmentor']['auxiliary_head'] = dict(
        type='FCNHead',
        in_channels=32,
        in_index=2,
        channels=4,
        num_convs=1,
        num_classes=4,
        norm_cfg=dict(type='BN'),
    )
    model = build(
        dict(
            type='AdaBN',
            student=per_frame,
            data_preprocessor=dict(type='DomainDataPreprocessor', mean=[99.0] * 3, std=[50.0] * 3),
        )
    )
    for norm in model.norms:
        norm.running_mean.fill_(7.0)
    model.init_weights()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    model.train().train_step(batch('target'), wrapper)
    segmentor = model.student.segmentor
    assert (segmentor.auxiliary_head.convs[0].bn.running_mean == 7.0).all()
    # Nothing of what was there is left in the others: the first batch is the whole average.
    assert (segmentor.backbone.bn1.running_mean.abs() < 1).all()


# ---------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ('name', 'options', 'words'),
    [
        ('stpl', dict(confident_ratio=70), 'confident_ratio=70 must be above 0 and at most 1'),
        ('stpl', dict(confident_ratio=0.0), 'confident_ratio=0.0 must be'),
        ('stpl', dict(anchor_weight=-1.0), 'anchor_weight=-1.0 must be 0 or more'),
        ('stpl', dict(loss=dict(type='STPLLoss', temperature=0.0)), 'temperature=0.0 must be'),
        ('stpl', dict(fusion=dict(type='STAM', kernel_size=4)), 'kernel_size=4 must be odd'),
        ('stpl', dict(fusion=dict(type='STAM', kernel_size=-1)), 'kernel_size=-1 must be odd and'),
        ('stpl', dict(fusion=dict(type='STAM', num_frames=1)), 'num_frames=1 must be 2 or more'),
        ('vst', dict(occlusion=dict(foo=5.0)), 'may have alpha and threshold only'),
        ('tps', dict(rescale=0.8), 'rescale=0.8 must be a range'),
        ('tps', dict(rescale=(0.8,)), r'rescale=\(0.8,\) must be a range'),
        ('self_training', dict(confident_ratio=1.5), 'confident_ratio=1.5 must be'),
        ('tps', dict(pseudo_weight=-1.0), 'pseudo_weight=-1.0 must be 0 or more'),
        ('minent', dict(entropy_weight=-1.0), 'entropy_weight=-1.0 must be 0 or more'),
        ('sfc', dict(flow_weight=-1.0), 'flow_weight=-1.0 must be 0 or more'),
        ('sfc', dict(softmax_scale=0.0), 'softmax_scale=0.0 must be above 0'),
        ('davsn', dict(auxiliary_weight=-1.0), 'auxiliary_weight=-1.0 must be 0 or more'),
        ('i2vda', dict(consistency_weight=-1.0), 'consistency_weight=-1.0 must be 0 or more'),
        ('vat', dict(gan_loss=dict(type='DomainGANLoss', loss_weight=-1.0)), 'loss_weight=-1.0'),
        (
            'iast',
            dict(regulariser=dict(type='PseudoLabelRegulariser', entropy_weight=-3.0)),
            'entropy_weight=-3.0 must be 0 or more',
        ),
        ('sepico_dist', dict(label_ratio=75), 'label_ratio=75 must be in'),
        ('sepico_dist', dict(contrast_stages=(9,)), r'contrast_stages=\(9,\) must be'),
        ('sepico_dist', dict(contrast_stages=()), r'contrast_stages=\(\) must be'),
        ('sepico_dist', dict(contrastive_loss=dict(type='BankCLLoss')), 'needs a bank'),
        (
            'sepico_dist',
            dict(statistics=dict(type='ClassStatistics', covariance=None)),
            'needs covariances',
        ),
        ('sepico_dist', dict(target_crop=dict(crop_size=32)), 'crop_size=32 must be'),
        ('sepico_dist', dict(target_crop=dict(crop_size=(16, 16), candidates=0)), 'candidates=0'),
        ('dacs', dict(day_reference=dict(static=[0], threshold=40)), 'threshold=40 must be in'),
    ],
    ids=str,
)
def test_values_that_would_train_something_else(name, options, words):
    """Or would end in a traceback within a step, of SePiCo after thousands of them."""
    with pytest.raises(ValueError, match=words):
        build_method(CASES[name], **options)


def test_norms_alone_of_a_student_that_has_none(per_frame):
    per_frame['segmentor']['backbone']['norm_cfg'] = dict(type='GN', num_groups=2)
    with pytest.raises(ValueError, match='no batch-norm layers, and train_norm_only=True'):
        build_method(CASES['self_training'], student=per_frame, train_norm_only=True)


def test_single_source_frames_for_discriminators_of_two():
    case = CASES['davsn']
    data = training_batch(case)
    inputs = data['inputs']['source']
    inputs['frames'] = [frames[-1:] for frames in inputs['frames']]
    del inputs['flow'], inputs['forward_flow'], inputs['augmented']
    with pytest.raises(ValueError, match='the source clips have one: set clip_length=2'):
        train(case, build_method(case), [data])
