"""SePiCo equations 13, 14, 15 and 19 against golden arrays and literal float64 forms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch._subclasses import FakeTensorMode

from mmdavss.losses import (
    bank_contrast,
    dist_contrast,
    mean_feature_regulariser,
    proto_contrast,
    semantic_contrast,
)
from mmdavss.modules import ClassStatistics, class_statistics, downscale_labels
from mmdavss.ops import rows_per_block
from mmdavss.testing.flops import Operations
from tests.published import whole_cells

# Losses and gradients of the public SePiCo code, in float64.
GOLDEN = Path(__file__).parents[1] / 'data/golden'
DTYPES = [torch.float32, torch.float64]
C, A, B = 4, 6, 5


def golden(name, dtype):
    """Arrays, features that require a gradient, and down-scaled labels."""
    data = np.load(GOLDEN / f'sepico_{name}.npz')
    data = {key: torch.tensor(data[key]) for key in data.files}
    features = data['feat'].to(dtype).requires_grad_()
    labels = downscale_labels(
        whole_cells(data['mask'][:, 0], features.shape[-2:]),
        features.shape[-2:],
        int(data['num_classes']),
        float(data['scale_min_ratio']),
    )
    assert torch.equal(labels[labels != 255], data['prep_labels_avgpool'])
    for key in ('mean', 'covariance_diag', 'bank_padded'):
        if key in data:
            data[key] = data[key].to(dtype)
    return data, features, labels


def rows_of(features):
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def golden_contrast(name, data):
    """The contrast with the arrays' statistics; all classes take part, absent ones as well."""
    if name == 'protocl':
        return lambda *args, **kwargs: proto_contrast(*args, data['mean'], **kwargs)
    if name == 'distcl':
        return lambda *args, **kwargs: dist_contrast(
            *args, data['mean'], data['covariance_diag'], **kwargs
        )
    # The zero start vectors are entries of these banks.
    return lambda *args, **kwargs: bank_contrast(
        *args, data['bank_padded'], data['bank_len'], **kwargs
    )


def assert_golden(loss, features, value, grad):
    """1e-6 in float64; in float32 what the README of the arrays says."""
    tolerance = 1e-6 if features.dtype == torch.float64 else 1e-5
    assert loss.dtype == features.dtype
    assert loss.item() == pytest.approx(value.item(), rel=tolerance)
    (ours,) = torch.autograd.grad(loss, features)
    assert (ours - grad).abs().max() <= tolerance * grad.abs().max()


NAMES = ['protocl', 'bankcl', 'distcl']


@pytest.fixture(params=['cpu', 'cuda'])
def device_blocks(request, monkeypatch):
    """Blocks of the size that they have on that device; what is in them stays on the CPU."""
    for module in (semantic_contrast, class_statistics):
        monkeypatch.setattr(
            module,
            'rows_per_block',
            lambda _, *args: rows_per_block(torch.device(request.param), *args),
        )


@pytest.mark.usefixtures('device_blocks')
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('name', NAMES)
class TestGolden:
    @pytest.mark.parametrize('temperature', [100, 0.07])
    def test_mean(self, name, dtype, temperature):
        data, features, labels = golden(name, dtype)
        contrast = golden_contrast(name, data)
        for reg in (0, 1):
            rows = rows_of(features)
            loss = contrast(rows, labels.flatten(), temperature=temperature)
            loss = loss + reg * mean_feature_regulariser(
                rows, labels.flatten(), data['mean'], temperature
            )
            tag = f'T{temperature}_reg{reg}'
            assert_golden(loss, features, data[f'loss_{tag}'], data[f'grad_{tag}'])

    def test_sum_and_none(self, name, dtype):
        data, features, labels = golden(name, dtype)
        contrast, labels = golden_contrast(name, data), labels.flatten()
        loss = contrast(rows_of(features), labels, temperature=0.07, reduction='sum')
        assert_golden(loss, features, data['loss_sum_T0.07'], data['grad_sum_T0.07'])
        each = contrast(rows_of(features), labels, temperature=0.07, reduction='none').detach()
        assert not each[labels == 255].any()
        each = each[labels != 255]
        if name == 'bankcl':
            # Those are ordered by class.
            each = each[labels[labels != 255].argsort(stable=True)]
        # Single rows can lie near zero: measured against the size of the values.
        expected, rtol = data['loss_none_T0.07'], 1e-6 if dtype == torch.float64 else 1e-5
        largest = max(expected.abs().tolist(), default=0)
        np.testing.assert_allclose(each, expected, rtol=rtol, atol=0.1 * rtol * largest)

    def test_nearest_labels(self, name, dtype):
        data, features, _ = golden(name, dtype)
        labels = F.interpolate(data['mask'].float(), features.shape[-2:]).long().flatten()
        assert torch.equal(labels[labels != 255], data['prep_labels_nearest'])
        loss = golden_contrast(name, data)(rows_of(features), labels, temperature=0.07)
        assert_golden(loss, features, data['loss_nearest_T0.07'], data['grad_nearest_T0.07'])

    def test_class_weights(self, name, dtype):
        """They weigh the cross entropy of each row; banks have none."""
        data, features, labels = golden(name, dtype)
        if name == 'bankcl':
            assert 'class_weight' not in data
            return
        labels = labels.flatten()
        each = golden_contrast(name, data)(
            rows_of(features), labels, temperature=0.07, reduction='none'
        )
        weight = torch.cat([data['class_weight'], torch.zeros(1)]).to(dtype)
        weight = weight[labels.clamp(max=len(data['mean']))]
        total = (weight * each).sum()
        if name == 'distcl':
            # Not the covariance term of the numerator of equation 19.
            diagonal = data['covariance_diag'][labels.clamp(max=len(data['mean']) - 1)]
            term = (rows_of(features).square() * diagonal).sum(1) / (2 * 0.07**2)
            total = total + ((1 - weight) * term)[labels != 255].sum()
        assert_golden(
            total / (labels != 255).sum(),
            features,
            data['loss_classweight_T0.07'],
            data['grad_classweight_T0.07'],
        )

    def test_nothing_labelled(self, name, dtype):
        data, features, labels = golden(name, dtype)
        nothing = torch.full_like(labels, 255).flatten()
        loss = golden_contrast(name, data)(rows_of(features), nothing)
        assert loss.item() == data['loss_all_ignored'].item() == 0
        assert torch.autograd.grad(loss, features)[0].abs().max() == 0

    def test_module(self, name, dtype):
        data, features, labels = golden(name, dtype)
        statistics = ClassStatistics(
            len(data['mean']),
            features.shape[1],
            bank_size=data['bank_padded'].shape[1] if name == 'bankcl' else 0,
        )
        statistics.count.fill_(1)
        statistics.mean.copy_(data['mean'])
        if name == 'distcl':
            statistics.covariance.copy_(data['covariance_diag'])
        if name == 'bankcl':
            statistics.bank = data['bank_padded']
            statistics.bank_added = data['bank_len']
        module = MODELS.build(
            dict(type=name[:-2].capitalize() + 'CLLoss', loss_weight=0.5, reg_weight=2.0)
        )
        losses = module(features, labels, statistics)
        total = losses['loss_contrast'] + losses['loss_reg']
        tag = 'module_T100_w0.5_regrel2'
        assert_golden(total, features, data[f'loss_{tag}'], data[f'grad_{tag}'])
        # The other sign, and what to watch.
        opposite = MODELS.build(dict(type=name[:-2].capitalize() + 'CLLoss', reg_sign=-1))
        assert opposite(features, labels, statistics)['loss_reg'].item() == pytest.approx(
            -losses['loss_reg'].item()
        )
        valid = labels.flatten() != 255
        cosine = F.cosine_similarity(
            rows_of(features)[valid], data['mean'][labels.flatten()[valid]], dim=1
        )
        assert losses['alignment'].item() == pytest.approx(cosine.mean().item(), rel=1e-5)
        assert not losses['alignment'].requires_grad


@pytest.mark.parametrize('dtype', DTYPES)
def test_golden_scaled_covariance(dtype):
    data, features, labels = golden('distcl', dtype)
    loss = dist_contrast(
        rows_of(features),
        labels.flatten(),
        data['mean'],
        data['covariance_diag'] * 0.25,
        temperature=0.07,
    )
    assert_golden(loss, features, data['loss_ratio0.25_T0.07'], data['grad_ratio0.25_T0.07'])


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('temperature', [100, 0.07])
def test_golden_regulariser(dtype, temperature):
    data = np.load(GOLDEN / 'sepico_reg.npz')
    rows = torch.tensor(data['feat_rows'], dtype=dtype, requires_grad=True)
    loss = mean_feature_regulariser(
        rows,
        torch.zeros(len(rows), dtype=torch.int64),
        torch.tensor(data['mean'], dtype=dtype),
        temperature,
    )
    assert_golden(
        loss, rows, data[f'loss_T{temperature}'], torch.tensor(data[f'grad_T{temperature}'])
    )


@pytest.mark.parametrize('dtype', DTYPES)
def test_golden_levels(dtype):
    """Two feature maps with statistics of their own."""
    data = np.load(GOLDEN / 'sepico_distcl_multilevel.npz')
    features, total = [], 0
    for level, weight in enumerate(data['loss_weights']):
        features.append(torch.tensor(data[f'feat_{level}'], dtype=dtype, requires_grad=True))
        statistics = ClassStatistics(int(data['num_classes']), features[-1].shape[1])
        statistics.count.fill_(1)
        statistics.mean.copy_(torch.tensor(data[f'mean_{level}']))
        statistics.covariance.copy_(torch.tensor(data[f'covariance_diag_{level}']))
        size = features[-1].shape[-2:]
        labels = downscale_labels(
            whole_cells(torch.tensor(data['mask'][:, 0]), size), size, statistics.num_classes
        )
        losses = MODELS.build(dict(type='DistCLLoss', loss_weight=float(weight)))(
            features[-1], labels, statistics
        )
        total = total + losses['loss_contrast'] + losses['loss_reg']
    assert total.item() == pytest.approx(data['loss'].item(), rel=1e-6)
    for level, grad in enumerate(torch.autograd.grad(total, features)):
        expected = torch.tensor(data[f'grad_{level}'])
        tolerance = 1e-6 if dtype == torch.float64 else 1e-5
        assert (grad - expected).abs().max() <= tolerance * expected.abs().max()


def problem(seed=0, count=23, length=(5, 2, 3, 1)):
    """Rows, labels, means, full covariances, banks and their lengths; class 3 has no row."""
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    rows = F.normalize(randn(count, A), dim=1).requires_grad_()
    labels = torch.randint(3, (count,), generator=generator)
    labels[::6] = 255
    factor = randn(C, A, A)
    return rows, labels, randn(C, A), factor @ factor.mT / A, randn(C, B, A), torch.tensor(length)


def literal_bank(q, y, bank, length, temperature, negatives):
    """Equation 15 of one row."""
    others = 0
    for k in range(len(bank)):
        if k == y or length[k] == 0:
            continue
        similarities = [q @ bank[k, i] / temperature for i in range(length[k])]
        if negatives == 'exp_of_mean':
            others = others + torch.exp(sum(similarities) / len(similarities))
        else:
            others = others + sum(map(torch.exp, similarities)) / len(similarities)
    terms = []
    for i in range(length[y]):
        own = torch.exp(q @ bank[y, i] / temperature)
        terms.append(-torch.log(own / (own + others)))
    return sum(terms) / len(terms)


def literal_dist(q, y, mean, covariance, temperature, classes):
    """Equation 19 of one row, as printed last: with the covariance term in the numerator."""

    def exponent(k):
        return q @ mean[k] / temperature + q @ covariance[k] @ q / (2 * temperature**2)

    total = sum(torch.exp(exponent(k)) for k in classes)
    return -torch.log(torch.exp(exponent(y)) / total) + q @ covariance[y] @ q / (2 * temperature**2)


def assert_equals_literal(loss, rows, terms):
    expected = sum(terms) / len(terms)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    (ours,) = torch.autograd.grad(loss, rows)
    (theirs,) = torch.autograd.grad(expected, rows)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10 * theirs.abs().max().item())


@pytest.fixture
def small_blocks(device_blocks, monkeypatch):
    """On a CPU several blocks and tiles, the last ones smaller."""
    for name, value in dict(BLOCK=5, SMALL_BLOCK=4, TILE=3, TILES=2).items():
        monkeypatch.setattr(semantic_contrast, name, value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'statistics', 'most'),
    [
        (dict(type='ProtoCLLoss'), dict(), 180),
        (dict(type='DistCLLoss'), dict(), 270),
        (dict(type='BankCLLoss'), dict(bank_size=200), 360),
    ],
)
@pytest.mark.parametrize('device_blocks', ['cuda'], indirect=True)
def test_whole_images_on_cuda(options, statistics, most, device_blocks):
    """SePiCo's crop through MiT-B5: two images of 160 x 160 features, 19 classes.

    In blocks of 256 rows contrast and statistics dispatched 9,640 operations with DistCL, while
    the device had nothing to do. Their number does not depend on the channels, of which a test
    takes 64 in place of 512.
    """
    learned = ClassStatistics(19, 64, **statistics)
    features = torch.zeros(2, 64, 160, 160, requires_grad=True)
    labels = torch.randint(19, (2, 160, 160))
    with Operations() as operations:
        learned.update(features.detach().transpose(0, 1).flatten(1).T, labels.flatten())
        losses = MODELS.build(options)(features, labels, learned)
        (losses['loss_contrast'] + losses['loss_reg']).backward()
    assert operations.count < most


@pytest.mark.sampled
@pytest.mark.parametrize('temperature', [1.0, 100.0, 0.2])
@pytest.mark.parametrize('negatives', semantic_contrast.NEGATIVES)
# Banks that are full, not yet full, and empty (class 1: its rows take no part).
@pytest.mark.parametrize('length', [(5, 5, 5, 5), (5, 2, 3, 1), (4, 0, 1, 0)])
def test_bank_equals_literal_form(temperature, negatives, length, small_blocks):
    rows, labels, _, _, bank, lengths = problem(length=length)
    bank[torch.arange(B) >= lengths[:, None]] = 1e3
    loss = bank_contrast(rows, labels, bank, lengths, temperature, negatives)
    assert_equals_literal(
        loss,
        rows,
        [
            literal_bank(q, y, bank, length, temperature, negatives)
            for q, y in zip(rows, labels.tolist(), strict=True)
            if y != 255 and length[y]
        ],
    )


@pytest.mark.sampled
@pytest.mark.parametrize('temperature', [1.0, 100.0, 0.2])
@pytest.mark.parametrize('form', ['full', 'diagonal'])
@pytest.mark.parametrize('seen', [None, [True, True, True, False], [True, False, True, True]])
def test_dist_equals_literal_form(temperature, form, seen, small_blocks):
    rows, labels, mean, covariance, _, _ = problem()
    if form == 'diagonal':
        covariance = torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
    classes = [k for k in range(C) if seen is None or seen[k]]
    given = covariance if form == 'full' else covariance.diagonal(dim1=1, dim2=2)
    loss = dist_contrast(
        rows, labels, mean, given, temperature, None if seen is None else torch.tensor(seen)
    )
    assert_equals_literal(
        loss,
        rows,
        [
            literal_dist(q, y, mean, covariance, temperature, classes)
            for q, y in zip(rows, labels.tolist(), strict=True)
            if y in classes
        ],
    )


@pytest.mark.parametrize('seen', [None, [True, True, False, True]])
def test_proto_and_regulariser_equal_literal_forms(seen):
    rows, labels, mean, covariance, _, _ = problem()
    classes = [k for k in range(C) if seen is None or seen[k]]
    mask = None if seen is None else torch.tensor(seen)
    kept = [(q, y) for q, y in zip(rows, labels.tolist(), strict=True) if y in classes]
    assert_equals_literal(
        proto_contrast(rows, labels, mean, 0.5, mask),
        rows,
        [literal_dist(q, y, mean, covariance * 0, 0.5, classes) for q, y in kept],
    )
    average = sum(q for q, _ in kept) / len(kept)
    total = sum(torch.exp(average @ mean[k] / 0.5) for k in classes)
    reg = sum(torch.log(torch.exp(average @ mean[k] / 0.5) / total) for k in classes)
    assert_equals_literal(
        mean_feature_regulariser(rows, labels, mean, 0.5, mask),
        rows,
        [reg / (len(classes) * math.log(len(classes)))],
    )


def contrasts():
    """Every form, as a function of rows and labels."""
    _, _, mean, covariance, bank, length = problem()
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    return [
        lambda r, y, **k: proto_contrast(r, y, mean, **k),
        lambda r, y, **k: dist_contrast(r, y, mean, diagonal, **k),
        lambda r, y, **k: dist_contrast(r, y, mean, covariance, **k),
        lambda r, y, **k: bank_contrast(r, y, bank, length, **k),
        lambda r, y, **k: bank_contrast(r, y, bank, length, negatives='mean_of_exp', **k),
    ]


FORMS = pytest.mark.parametrize('form', range(5))


@pytest.mark.sampled
@FORMS
def test_gradcheck(form, small_blocks):
    rows, labels, *_ = problem(count=8)
    assert torch.autograd.gradcheck(
        lambda r: contrasts()[form](r, labels, temperature=0.5, reduction='none'), rows
    )


@pytest.mark.sampled
@FORMS
@pytest.mark.parametrize('bad', [torch.nan, torch.inf])
def test_rows_that_are_not_finite_are_seen(form, bad, small_blocks):
    """Left out they would leave a loss that is finite, and a network that is broken."""
    rows, labels, mean, *_ = problem()
    labels[1:3] = 1
    for broken_rows in ([1], range(len(rows))):
        broken = rows.detach().clone()
        broken[broken_rows, 0] = bad
        assert not contrasts()[form](broken, labels).isfinite()
        assert not mean_feature_regulariser(broken, labels, mean, 0.5).isfinite()
    # What takes no part may be anything.
    good = torch.ones(len(rows), dtype=torch.bool)
    good[1:3] = False
    broken = rows.detach().clone()
    broken[1], broken[2, 0] = bad, bad
    broken.requires_grad_()
    ignored = labels.masked_fill(~good, 255)
    contrast = contrasts()[form]
    loss, expected = contrast(broken, ignored), contrast(rows[good], labels[good])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    (ours,) = torch.autograd.grad(loss, broken)
    (theirs,) = torch.autograd.grad(expected, rows)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-15)
    reg = mean_feature_regulariser(broken, ignored, mean, 0.5)
    assert reg.item() == pytest.approx(
        mean_feature_regulariser(rows[good], labels[good], mean, 0.5).item(), rel=1e-12
    )
    assert torch.autograd.grad(reg, broken)[0].isfinite().all()


@FORMS
def test_autocast_and_no_grad_change_nothing(form):
    rows, labels, *_ = problem()
    contrast, half = contrasts()[form], rows.detach().bfloat16()
    expected = contrast(half.float(), labels)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = contrast(half, labels)
    assert loss.dtype == torch.float32 and loss.item() == expected.item()
    assert contrast(rows, labels).item() == contrast(rows.detach(), labels).item()


@FORMS
def test_strided_rows(form, small_blocks):
    """Rows as a view of channel-first maps, as a network gives them."""
    rows, labels, *_ = problem()
    view = rows.detach().T.contiguous().requires_grad_()
    contrast = contrasts()[form]
    loss, expected = (contrast(r, labels, temperature=0.5) for r in (view.T, rows))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(loss, view)[0].T, torch.autograd.grad(expected, rows)[0]
    )


TYPES = ['ProtoCLLoss', 'BankCLLoss', 'DistCLLoss']


def maps(labels, channels=A):
    features = torch.randn(len(labels), channels, *labels.shape[1:])
    return F.normalize(features, dim=1).requires_grad_()


@pytest.mark.parametrize('kind', TYPES)
def test_before_anything_was_seen(kind):
    """A start without statistics costs nothing and breaks nothing."""
    labels = torch.randint(C, (2, 3, 4))
    features = maps(labels)
    losses = MODELS.build(dict(type=kind))(features, labels, ClassStatistics(C, A, bank_size=B))
    assert all(value.item() == 0 for value in losses.values())
    (grad,) = torch.autograd.grad(losses['loss_contrast'] + losses['loss_reg'], features)
    assert grad.abs().max() == 0


@pytest.mark.parametrize('kind', TYPES)
@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
def test_single_class(kind, covariance):
    """One class has nothing to differ from: only the covariance term can remain."""
    labels = torch.full((1, 4, 4), 2)
    statistics = ClassStatistics(C, A, covariance, bank_size=B)
    statistics.update(torch.randn(50, A), torch.full((50,), 2))
    features = maps(labels)
    losses = MODELS.build(dict(type=kind, temperature=1.0))(features, labels, statistics)
    expected = 0.0
    if kind == 'DistCLLoss':
        sigma = statistics.covariance[2].float()
        sigma = sigma if covariance == 'full' else sigma.diag()
        q = rows_of(features.detach())
        expected = ((q @ sigma) * q).sum(1).mean().item() / 2
    assert losses['loss_contrast'].item() == pytest.approx(expected, abs=1e-6)
    assert losses['loss_reg'].item() == 0
    (grad,) = torch.autograd.grad(losses['loss_contrast'] + losses['loss_reg'], features)
    assert grad.isfinite().all()


@pytest.mark.parametrize('kind', TYPES)
def test_classes_that_never_occurred(kind):
    """They take no part, as if they did not exist, and neither do pixels labelled so."""
    statistics = ClassStatistics(C, A, bank_size=B)
    fewer = ClassStatistics(C - 1, A, bank_size=B)
    for _ in range(2):
        rows, labels = torch.randn(50, A), torch.randint(C - 1, (50,))
        statistics.update(rows, labels)
        fewer.update(rows, labels)
    labels = torch.randint(C, (1, 6, 6))
    features = maps(labels)
    module = MODELS.build(dict(type=kind, temperature=0.5))
    ours = module(features, labels, statistics)
    theirs = module(features, labels.masked_fill(labels == C - 1, 255), fewer)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=name)
    grads = [
        torch.autograd.grad(out['loss_contrast'] + out['loss_reg'], features)[0]
        for out in (ours, theirs)
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.sampled
@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
@pytest.mark.parametrize(
    'options',
    [
        dict(type='ProtoCLLoss'),
        dict(type='DistCLLoss'),
        dict(type='BankCLLoss'),
        dict(type='BankCLLoss', negatives='mean_of_exp'),
    ],
)
def test_nothing_waits_for_the_device(options, covariance):
    """Tensors without values: whatever depends on one raises an error."""
    with FakeTensorMode():
        labels = torch.randint(C, (2, 6, 6))
        features = maps(labels)
        losses = MODELS.build(options)(
            features, labels, ClassStatistics(C, A, covariance, bank_size=B)
        )
        (losses['loss_contrast'] + losses['loss_reg']).backward()
        assert features.grad.shape == features.shape


@pytest.mark.parametrize('kind', TYPES)
def test_pixels_that_are_not_finite(kind):
    """Labelled ones are seen in all that the module gives; of others nothing is."""
    statistics = ClassStatistics(C, A, bank_size=B)
    statistics.update(torch.randn(50, A), torch.randint(C, (50,)))
    labels = torch.randint(C, (2, 6, 6))
    features = maps(labels)
    broken = features.detach().clone()
    broken[0, :, 2, 3], broken[1, 1, 0, 0] = torch.nan, torch.inf
    broken.requires_grad_()
    module = MODELS.build(dict(type=kind, temperature=0.5))
    assert not any(value.isfinite() for value in module(broken, labels, statistics).values())
    kept = labels.clone()
    kept[0, 2, 3] = kept[1, 0, 0] = 255
    ours, theirs = module(broken, kept, statistics), module(features, kept, statistics)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=name)
    grads = [
        torch.autograd.grad(out['loss_contrast'] + out['loss_reg'], x)[0]
        for out, x in ((ours, broken), (theirs, features))
    ]
    torch.testing.assert_close(*grads)


def test_by_hand():
    """q = (1, 0), means (1, 0) and (0, 1), temperature 1: log(1 + e^-1) and so on."""
    rows, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    mean = torch.eye(2)
    assert proto_contrast(rows, labels, mean, 1.0).item() == pytest.approx(math.log1p(math.exp(-1)))
    # Own bank (1, 0) and (0, 1); the other's entries have similarities 0 and 2.
    bank = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [2.0, 0.0]]])
    for negatives, others in (('exp_of_mean', math.e), ('mean_of_exp', (1 + math.e**2) / 2)):
        loss = bank_contrast(rows, labels, bank, torch.tensor([2, 2]), 1.0, negatives)
        assert loss.item() == pytest.approx((math.log1p(others / math.e) + math.log1p(others)) / 2)
    covariance = torch.tensor([[0.4, 9.0], [0.2, 9.0]])
    assert dist_contrast(rows, labels, mean, covariance, 1.0).item() == pytest.approx(
        math.log(math.exp(1.2) + math.exp(0.1)) - 1
    )
    assert mean_feature_regulariser(rows, labels, torch.zeros(2, 2)).item() == pytest.approx(-1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(type='BankCLLoss', negatives='mean'), "negatives='mean' is not one of"),
        (dict(type='ProtoCLLoss', temperature=0), 'ProtoCLLoss: temperature=0 is not'),
        (dict(type='DistCLLoss', reg_sign=2), 'DistCLLoss: reg_sign=2 is neither'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(options)


def test_bad_arguments():
    labels = torch.zeros(1, 2, 2, dtype=torch.int64)
    statistics = ClassStatistics(C, A, covariance=None)
    with pytest.raises(ValueError, match='set bank_size of ClassStatistics'):
        MODELS.build(dict(type='BankCLLoss'))(maps(labels), labels, statistics)
    with pytest.raises(ValueError, match="set covariance='diagonal' of ClassStatistics"):
        MODELS.build(dict(type='DistCLLoss'))(maps(labels), labels, statistics)
    rows, labels, mean, _, bank, length = problem()
    with pytest.raises(ValueError, match="reduction='max' is not one of"):
        proto_contrast(rows, labels, mean, reduction='max')
    with pytest.raises(ValueError, match="negatives='max' is not one of"):
        bank_contrast(rows, labels, bank, length, negatives='max')
