"""benchmarks/full_size.py: what a training step takes, counted on tensors without content."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def full_size():
    spec = importlib.util.spec_from_file_location('full_size', ROOT / 'benchmarks/full_size.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['full_size'] = module
    spec.loader.exec_module(module)
    return module


def test_storages_are_counted_until_they_are_released(full_size):
    """Of 250 numbers each, 1000 bytes."""
    with full_size.Storages() as storages:
        a = torch.empty(250, device='meta')
        b = a + 1
        c = b.view(5, 50)[1:]  # no storage of its own
        assert storages.alive == storages.peak == 2000
        del b
        assert storages.alive == 2000
        del c
        assert storages.alive == 1000
        storages.peak = storages.alive
        a = (a * 2) * 3  # a, its double and what comes out
        assert (storages.alive, storages.peak) == (1000, 3000)
        torch.empty(250)
        assert storages.alive == 1000


def test_what_depends_on_the_content_is_at_its_largest(full_size):
    with full_size.Storages() as storages:
        x = torch.empty(10, 5, device='meta')
        assert x.sum().item() == 1.0 and bool((x > 0).any())
        assert (x > 0).nonzero().shape == (50, 2)
        assert x[x > 0].shape == (50,)
        before = storages.alive
        kept = x[x > 0]
        assert storages.alive == before + kept.nbytes


def test_saved_for_backward(full_size):
    """What autograd itself says that it saves, of real tensors."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 4, 1),
        nn.Sigmoid(),
    )
    x = torch.randn(1, 3, 32, 48)
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = net(x)
    own = {p.untyped_storage()._cdata for p in (*net.parameters(), *net.buffers(), x)}
    expected = sum(t.untyped_storage().nbytes() for key, t in saved.items() if key not in own)
    assert expected > y.nbytes
    net, x = net.to('meta'), x.to('meta')
    with full_size.Storages() as storages:
        for tensor in (*net.parameters(), *net.buffers(), x):
            storages.see(tensor)
        before = storages.alive
        y = net(x)
        assert storages.alive - before == expected


def test_cards(full_size):
    def cards(gb):
        return full_size.Memory(0, 0, 0, 0, 1, int(gb * 1e9)).cards()

    assert cards(9) == [11, 24, 32, 40, 80] and cards(9.1) == [24, 32, 40, 80]
    assert cards(71.8) == [80] and cards(71.9) == []


def test_a_step_of_a_config(full_size):
    """ResNet-50 with DeepLab-v2's classifier of 11 classes, SGD with momentum."""
    memory = full_size.measure(
        Config.fromfile(ROOT / 'configs/source_only/deeplabv2-r50_camvid-sunny2foggy.py')
    )
    # ResNet-50 without its own classifier, four 3 x 3 convolutions.
    weights = 23_508_032 + 4 * (9 * 2048 * 11 + 11)
    # 53 batch-norm layers with 26,560 channels; mean and std of the colours.
    assert memory.weights == 4 * weights + 53 * 8 + 4 * (2 * 26_560 + 2 * 3)
    # Their scales and shifts are fixed.
    assert memory.gradients == memory.optimiser == 4 * (weights - 2 * 26_560)
    assert memory.groups == 1
    assert memory.saved > 45 * 60 * 2048 * 4  # layer 4 at stride 8, and all before it
    assert memory.peak >= memory.weights + memory.optimiser + memory.saved


def test_pyramid_pooling_has_images_to_normalise_by(full_size):
    """PSPNet pools an image to one cell, on which batch norm fails in a batch of one."""
    for folder in ('source_only', 'oracle'):
        cfg = Config.fromfile(ROOT / f'configs/{folder}/pspnet-r50_camvid-sunny2foggy.py')
        assert full_size.measure(cfg).groups == 1


@pytest.mark.parametrize(
    'config', ['sfc/accel_viper2city_stage1', 'sepico/distcl_daformer-mitb5_gta2city']
)
def test_fits_24_gb(full_size, config):
    """As the releases do."""
    memory = full_size.measure(Config.fromfile(ROOT / f'configs/{config}.py'))
    assert 24 in memory.cards()
    assert memory.groups > 1


def test_soft_labels_are_part_of_the_batch(full_size):
    """As the pipeline of LRENT loads them."""
    cfg = Config.fromfile(ROOT / 'configs/crst/lrent_deeplabv2-r101_gta2city.py')
    data = full_size.training_batch(cfg)
    sample = data['data_samples']['target'][0]
    size = data['inputs']['target'].frames.shape[-2:]
    assert sample.gt_soft_seg.data.dtype == torch.uint8
    assert sample.gt_soft_seg.data.shape == (4, *size)
    assert 'gt_soft_seg' not in data['data_samples']['source'][0]


NAMES = ('source_only/deeplabv2-r50_camvid-sunny2foggy', 'tps/accel_viper2city')
CELLS = '1.0 | 1.0 | 2.0 | 3 | **8.0** | 11 GB'


@pytest.fixture
def write(full_size, monkeypatch, tmp_path, capsys):
    """Runs the command with ``--write``; returns the lines of the table without its head."""
    document = tmp_path / 'speed.md'
    monkeypatch.setattr(full_size, 'DOCUMENT', document)
    monkeypatch.setattr(full_size, 'quiet', lambda: None)
    measured: list[str] = []

    def measure(cfg: Config) -> object:
        measured.append(cfg.filename)
        return full_size.Memory(2**30, 2**29, 2**29, 2**31, 3, 2**33)

    monkeypatch.setattr(full_size, 'measure', measure)

    def run(*args: str, old: str = '', count: int | None = None) -> list[str]:
        document.write_text(f'before\n{full_size.BEGIN}\n{old}\n{full_size.END}\nafter\n')
        monkeypatch.setattr(sys, 'argv', ['full_size.py', *args, '--write'])
        measured.clear()
        full_size.main()
        assert count is None or len(measured) == count
        lines = document.read_text().splitlines()
        assert lines[0] == 'before' and lines[-1] == 'after'
        assert lines[2] == lines[-3] == ''
        return lines[5:-3]

    return run


def test_the_table_is_written(full_size, write):
    lines = write(*NAMES, f'configs/{NAMES[0]}.py', old='old')
    assert lines == [f'| `{name}` | {CELLS} |' for name in NAMES]
    assert full_size.rows_of('\n'.join(lines)) == dict.fromkeys(NAMES, CELLS)


def test_the_table_of_the_page_is_read_as_it_is_written(full_size):
    text = full_size.DOCUMENT.read_text()
    page = text.split(full_size.BEGIN)[1].split(full_size.END)[0].strip()
    assert full_size.table(full_size.rows_of(page)) == page.splitlines()


def test_named_configs_are_written_beside_the_others(write):
    """What is gone is left out, what is alike shares a line of its method."""
    others = [
        f'| `tps/dff_viper2city`<br>`tps/gone` | {CELLS} |',
        '| `davsn/accel_viper2city` | 0.1 | 0.1 | 0.1 | 2 | **0.5** | none |',
        f'| `{NAMES[1]}` | 0.1 | 0.1 | 0.1 | 2 | **0.5** | none |',
    ]
    assert write(NAMES[1], old='\n'.join(others), count=1) == [
        others[1],
        f'| `{NAMES[1]}`<br>`tps/dff_viper2city` | {CELLS} |',
    ]


def test_missing_rows_are_written(full_size, monkeypatch, write):
    monkeypatch.setattr(full_size, 'full_size', lambda: [*NAMES])
    old = f'| `{NAMES[0]}` | 0.1 | 0.1 | 0.1 | 2 | **0.5** | none |'
    assert write('--missing', old=old, count=1) == [old, f'| `{NAMES[1]}` | {CELLS} |']
    assert write(old=old, count=2) == [f'| `{name}` | {CELLS} |' for name in NAMES]


def test_configs_with_the_same_sizes_are_counted_once(full_size, monkeypatch):
    """The counts of one whose labels come from another checkpoint are its own."""
    counted: list[str] = []
    monkeypatch.setattr(full_size, 'measure', lambda cfg: counted.append(cfg.filename))
    name = 'vat_vst/vst_deeplabv2-r50_viper2cityvps'
    others = [f'{name}_from-image-adv', NAMES[1]]
    assert [found for found, _ in full_size.measure_all([name, *others])] == [name, *others]
    assert len(counted) == 2
