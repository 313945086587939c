"""Class statistics against golden arrays, exact arithmetic and a loop over classes."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from mmseg.registry import MODELS
from torch import distributed
from torch._subclasses import FakeTensorMode

from mmdavss.modules import ClassStatistics
from mmdavss.modules.class_statistics import tiles_of_classes
from mmdavss.ops import rows_per_block

# Four successive updates of the public SePiCo estimator, in float64.
GOLDEN = Path(__file__).parents[1] / 'data/golden/sepico_proto_estimator.npz'
C, A = 5, 6


def batch(seed, count=300, classes=(0, 1, 3), spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([*classes, 255])[
        torch.randint(len(classes) + 1, (count,), generator=generator)
    ]
    features = torch.randn(count, A, generator=generator, dtype=torch.float64) * spread
    mix = torch.randn(A, A, generator=generator, dtype=torch.float64)
    return features @ mix + labels[:, None] % 7, labels


def naive(batches, covariance):
    """Mean and biased covariance of all rows of each class at once."""
    features = np.concatenate([b[0].numpy() for b in batches])
    labels = np.concatenate([b[1].numpy() for b in batches])
    mean, count = np.zeros((C, A)), np.zeros(C)
    cov = np.zeros((C, A, A) if covariance == 'full' else (C, A))
    for k in range(C):
        rows = features[labels == k]
        if len(rows):
            full = np.cov(rows.T, bias=True)
            mean[k], count[k] = rows.mean(0), len(rows)
            cov[k] = full if covariance == 'full' else np.diag(full)
    return mean, cov, count


def assert_same(statistics, mean, covariance, count, **tolerance):
    np.testing.assert_array_equal(statistics.count, count)
    np.testing.assert_allclose(statistics.mean, mean, **tolerance)
    np.testing.assert_allclose(statistics.covariance, covariance, **tolerance)


def entries(statistics, k):
    """The bank of class k, oldest first."""
    added, size = int(statistics.bank_added[k]), statistics.bank_size
    return statistics.bank[k, [i % size for i in range(max(0, added - size), added)]]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
def test_golden(dtype, covariance):
    data = np.load(GOLDEN)
    statistics = ClassStatistics(
        int(data['num_classes']), int(data['dim']), covariance, bank_size=int(data['memory_length'])
    )
    tolerance = dict(rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-12)
    for t in range(sum(name.startswith('features_') for name in data)):
        statistics.update(
            torch.tensor(data[f'features_{t}'], dtype=dtype), torch.tensor(data[f'labels_{t}'])
        )
        diagonal = statistics.covariance
        if covariance == 'full':
            diagonal = diagonal.diagonal(dim1=1, dim2=2)
        np.testing.assert_allclose(statistics.mean, data[f'Ave_{t}'], **tolerance)
        np.testing.assert_allclose(diagonal, data[f'CoVariance_{t}'], **tolerance)
        np.testing.assert_array_equal(statistics.count, data[f'Amount_{t}'])
        np.testing.assert_array_equal(statistics.seen, data[f'Amount_{t}'] > 0)
        for k, length in enumerate(data[f'bank_len_{t}']):
            bank = data[f'bank_{t}'][k, :length]
            # The published bank starts with a zero vector, which takes a place until it is
            # pushed out; ours does not.
            bank = bank[np.abs(bank).max(1) > 0]
            ours = entries(statistics, k)
            assert len(bank) <= len(ours) <= len(bank) + 1
            np.testing.assert_allclose(ours[len(ours) - len(bank) :], bank, rtol=0, atol=1e-6)


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
def test_equals_statistics_of_all_rows(covariance, device, monkeypatch):
    # What is on the CPU is in blocks of the size that they have on that device: on a CPU several
    # blocks and tiles per class, the last ones smaller.
    monkeypatch.setattr(
        'mmdavss.modules.class_statistics.rows_per_block',
        lambda _, *args: rows_per_block(torch.device(device), *args),
    )
    for name, value in dict(BLOCK=64, TILE=16, TILES=3).items():
        monkeypatch.setattr(f'mmdavss.modules.class_statistics.{name}', value)
    # Class 2 comes late, class 4 never; the third batch has no labelled row.
    batches = [batch(0), batch(1, 70, (0, 2)), batch(2, 30, ()), batch(3, 1, (1,)), batch(4)]
    statistics = MODELS.build(
        dict(type='ClassStatistics', num_classes=C, channels=A, covariance=covariance)
    )
    for features, labels in batches:
        statistics.update(features, labels)
    assert_same(statistics, *naive(batches, covariance), rtol=1e-12, atol=1e-12)
    assert statistics.seen.tolist() == [True, True, True, True, False]


def test_without_covariance_or_bank():
    statistics = ClassStatistics(C, A, covariance=None)
    statistics.update(*batch(0))
    np.testing.assert_allclose(statistics.mean, naive([batch(0)], 'full')[0], atol=1e-12)
    assert statistics.covariance is None and 'covariance' not in statistics.state_dict()
    assert statistics.bank.numel() == 0 and statistics.bank_length.tolist() == [0] * C


@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
@pytest.mark.parametrize('bad', [torch.nan, torch.inf, -torch.inf])
def test_rows_that_are_not_finite_take_no_part(bad, covariance):
    features, labels = batch(0)
    expected = naive([(features[3:], labels[3:])], covariance)
    features[:3, 1] = bad
    statistics = ClassStatistics(C, A, covariance, bank_size=2)
    statistics.update(features, labels)
    assert_same(statistics, *expected, rtol=1e-12, atol=1e-12)
    # A batch of nothing else changes nothing.
    before = {k: v.clone() for k, v in statistics.state_dict().items()}
    statistics.update(torch.full_like(features, bad), labels)
    assert all(torch.equal(v, before[k]) for k, v in statistics.state_dict().items())


def test_one_row_has_no_covariance():
    statistics = ClassStatistics(2, A, 'full')
    statistics.update(torch.ones(1, A), torch.tensor([1]))
    assert statistics.mean.tolist() == [[0.0] * A, [1.0] * A]
    assert statistics.covariance.abs().max() == 0


@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
def test_exact_after_very_many_rows(covariance):
    """One update of a class that has 1e9 rows, against fractions."""
    statistics = ClassStatistics(1, 2, covariance)
    old_mean, old_cov, n = [0.04, -0.5], [[1e-3, 2e-4], [2e-4, 3e-3]], 10**9
    statistics.mean[0] = torch.tensor(old_mean, dtype=torch.float64)
    old = torch.tensor(old_cov, dtype=torch.float64)
    statistics.covariance[0] = old if covariance == 'full' else old.diagonal()
    statistics.count[0] = n
    features = torch.randn(7, 2, dtype=torch.float64)
    statistics.update(features, torch.zeros(7, dtype=torch.int64))

    rows, m = [[Fraction(x) for x in row] for row in features.tolist()], 7
    mu = [Fraction(x) for x in old_mean]
    new = [sum(column) / m for column in zip(*rows, strict=True)]
    for i in range(2):
        mean = (n * mu[i] + m * new[i]) / (n + m)
        assert statistics.mean[0, i].item() == pytest.approx(float(mean), rel=1e-15)
        for j in range(2):
            if covariance == 'diagonal' and i != j:
                continue
            # Equation 10.
            within = sum((r[i] - new[i]) * (r[j] - new[j]) for r in rows) / m
            value = (n * Fraction(old_cov[i][j]) + m * within) / (n + m) + (
                n * m * (mu[i] - new[i]) * (mu[j] - new[j])
            ) / (n + m) ** 2
            ours = (
                statistics.covariance[0, i]
                if covariance == 'diagonal'
                else (statistics.covariance[0, i, j])
            )
            assert ours.item() == pytest.approx(float(value), rel=1e-14)


@pytest.mark.slow
def test_many_small_updates_far_from_zero():
    """Where sums of squares lose 1e-4 of the variance, which is 1e-12 of them."""
    features = 1000 + 1e-3 * torch.randn(6000, 2, dtype=torch.float64)
    statistics = ClassStatistics(1, 2)
    for rows in features.split(2):
        statistics.update(rows, torch.zeros(2, dtype=torch.int64))
    exact = [[Fraction(x) for x in column] for column in features.T.tolist()]
    for i, column in enumerate(exact):
        mean = sum(column) / 6000
        variance = sum((x - mean) ** 2 for x in column) / 6000
        assert statistics.mean[0, i].item() == pytest.approx(float(mean), rel=1e-15)
        assert statistics.covariance[0, i].item() == pytest.approx(float(variance), rel=1e-8)


def test_bank_is_a_ring():
    statistics = ClassStatistics(2, 1, bank_size=3)
    for i in range(5):
        # Class 1 occurs in the first two batches only.
        labels = torch.tensor([0, 0, 1 if i < 2 else 255])
        statistics.update(torch.tensor([[2.0 * i], [2.0 * i + 2], [10.0 * i]]), labels)
    assert statistics.bank_length.tolist() == [3, 2]
    assert entries(statistics, 0).flatten().tolist() == [5, 7, 9]
    assert entries(statistics, 1).flatten().tolist() == [0, 10]


@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
def test_resume(covariance):
    ours, resumed = (ClassStatistics(C, A, covariance, bank_size=2) for _ in range(2))
    for seed in range(3):
        ours.update(*batch(seed))
    resumed.load_state_dict(ours.state_dict())
    for statistics in (ours, resumed):
        statistics.update(*batch(3))
    for (name, a), b in zip(ours.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert ours.mean.dtype == ours.covariance.dtype == ours.count.dtype == torch.float64


def shares(rank):
    """What each of two processes sees: different sizes, and rank 1 no labelled row in the second
    batch and not one finite in the third."""
    for seed in range(4):
        features, labels = batch(seed)
        if seed == 1:
            labels[100:] = 255
        if seed == 2:
            features[100:] = torch.nan
        yield (
            (features, labels)
            if rank is None
            else ((features[:100], labels[:100]), (features[100:], labels[100:]))[rank]
        )


def work(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    states = {}
    for covariance in ('diagonal', 'full'):
        statistics = ClassStatistics(C, A, covariance, bank_size=3)
        for share in shares(rank):
            statistics.update(*share)
        states[covariance] = statistics.state_dict()
    torch.save(states, f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes(tmp_path):
    """Forked, like the workers of a data loader: this module cannot be imported by name."""
    torch.multiprocessing.start_processes(work, (tmp_path,), 2, start_method='fork')
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    for covariance in ('diagonal', 'full'):
        alone = ClassStatistics(C, A, covariance, bank_size=3)
        for share in shares(None):
            alone.update(*share)
        for name, value in alone.state_dict().items():
            first, second = (rank[covariance][name] for rank in ranks)
            assert torch.equal(first, second), name
            torch.testing.assert_close(
                first, value, rtol=1e-6 if name == 'bank' else 1e-12, atol=1e-12, msg=name
            )


@pytest.mark.parametrize(
    'classes', [[2, 0, 2, 3, 2, 0, 2, 2], [3] * 8, [2] * 8, [1], [0, 1, 2, 0, 1, 2]]
)
def test_tiles(classes):
    """Each row that takes part is in one tile of its class, in order; 3 marks the others."""
    rows, kinds = tiles_of_classes(torch.tensor(classes), 3, 3)
    assert rows.shape == (len(classes) // 3 + 3, 3)
    found = {k: [] for k in range(3)}
    for tile, kind in zip(rows.tolist(), kinds.tolist(), strict=True):
        found[kind] += [row for row in tile if row < len(classes)]
    assert found == {k: [i for i, c in enumerate(classes) if c == k] for k in range(3)}


@pytest.mark.parametrize('covariance', ['diagonal', 'full', None])
def test_nothing_waits_for_the_device(covariance):
    """Tensors without values: whatever depends on one raises an error."""
    with FakeTensorMode():
        statistics = ClassStatistics(C, A, covariance, bank_size=2)
        statistics.update(torch.randn(30, A), torch.randint(C, (30,)))


@pytest.mark.parametrize('covariance', ['diagonal', 'full'])
def test_half_precision_features_are_summed_in_float64(covariance):
    features, labels = batch(0)
    ours, theirs = ClassStatistics(C, A, covariance), ClassStatistics(C, A, covariance)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        ours.update(features.bfloat16(), labels)
    theirs.update(features.bfloat16().double(), labels)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def test_unknown_covariance():
    with pytest.raises(ValueError, match="covariance='Full' is not one of"):
        ClassStatistics(C, A, 'Full')
