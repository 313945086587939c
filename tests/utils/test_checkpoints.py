"""Loading a checkpoint runs no code, and damage is found."""

from __future__ import annotations

import os
import pickle
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from urllib.error import HTTPError, URLError
from uuid import UUID

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmseg.registry import MODELS
from torch.torch_version import TorchVersion

from mmdavss.convert.checkpoints import convert_checkpoint
from mmdavss.convert.plain_mmseg import read_method_config
from mmdavss.flow.base import load_flow_weights
from mmdavss.launch.model import load_model
from mmdavss.utils.checkpoints import (
    SWITCH,
    TRUST,
    CheckpointError,
    damage,
    guarded,
    read_checkpoint,
    read_weights,
)


class Trap:
    """Makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


class Hidden:
    """Reaches `exec` through `getattr`, which mmengine allows in checkpoints."""

    def __init__(self, path: Path) -> None:
        self.code = f'import os; os.mkdir({str(path)!r})'

    def __reduce__(self) -> tuple:
        return getattr, (getattr, '__self__')


@pytest.fixture
def sprung(tmp_path):
    return tmp_path / 'sprung'


@pytest.fixture
def crafted(tmp_path, sprung, segmentor):
    """A checkpoint that would pass for one of a model, and hides a call in its meta."""
    weights = MODELS.build(segmentor).state_dict()
    path = tmp_path / 'crafted.pth'
    torch.save(dict(state_dict=weights, meta=dict(note=Trap(sprung))), path)
    return str(path)


class Child(BaseModule):
    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.weight = torch.nn.Parameter(torch.zeros(1))


def into_source_checkpoint(path, config, model):
    net = MODELS.build(dict(model, source_checkpoint=path))
    net.init_weights()


WAYS = dict(
    read_weights=lambda path, config, model: read_weights(path, 'hint'),
    read_checkpoint=lambda path, config, model: read_checkpoint(path),
    mmengine=lambda path, config, model: load_checkpoint(Child(), path),
    init_cfg=lambda path, config, model: Child(
        init_cfg=dict(type='Pretrained', checkpoint=path)
    ).init_weights(),
    prefix=lambda path, config, model: Child(
        init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone')
    ).init_weights(),
    source_checkpoint=into_source_checkpoint,
    flow=lambda path, config, model: load_flow_weights(Child(), path),
    load_model=lambda path, config, model: load_model(config, path),
    plain_config=lambda path, config, model: read_method_config(plain(config), path),
    converter=lambda path, config, model: convert_checkpoint(
        'stpl', config, path, Path(path).with_name('out.pth')
    ),
)


def plain(config: str) -> Path:
    cfg = Config.fromfile(config)
    cfg.model = cfg.model.student.segmentor
    out = Path(config).with_name('plain.py')
    cfg.dump(out)
    return out


@pytest.mark.sampled
@pytest.mark.parametrize('way', WAYS)
def test_a_flipped_bit_is_found(way, saved_model, per_frame):
    """Of one weight, where nothing but the checksum can tell."""
    cfg, path = saved_model(per_frame)
    weights = next(iter(torch.load(path)['state_dict'].values()))
    content = bytearray(Path(path).read_bytes())
    content[content.index(weights.numpy().tobytes()) + 3] ^= 64
    Path(path).write_bytes(content)
    with pytest.raises(CheckpointError, match='iter_1.pth is .* damaged .*data/'):
        WAYS[way](path, cfg.filename, cfg.model)


@pytest.mark.parametrize('way', WAYS)
def test_nothing_runs(way, crafted, sprung, saved_model, per_frame):
    cfg, _ = saved_model(per_frame)
    with pytest.raises(CheckpointError) as raised:
        WAYS[way](crafted, cfg.filename, cfg.model)
    assert not sprung.exists()
    message = str(raised.value)
    assert all(word in message for word in ('crafted.pth', 'mkdir', TRUST)), message


def test_getattr_reaches_nothing(tmp_path):
    """mmengine's own list lets a file reach everything with it; here it is what logs need."""
    path = tmp_path / 'hidden.pth'
    torch.save(dict(state_dict={}, meta=Hidden(tmp_path)), path)
    with pytest.raises(CheckpointError, match='getattr'):
        read_checkpoint(path)


def test_trusted_files_are_loaded(crafted, sprung, monkeypatch):
    monkeypatch.setenv(TRUST, '1')
    read_checkpoint(crafted)
    assert sprung.is_dir()


def test_downloads_are_read_the_same_way(crafted, sprung, monkeypatch, tmp_path):
    """A downloaded file lies in the cache, where PyTorch finds it again; nothing is fetched."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    cache = tmp_path / 'hub/checkpoints'
    cache.mkdir(parents=True)
    Path(crafted).rename(cache / 'evil.pth')
    before = dict(os.environ)
    with pytest.raises(CheckpointError, match='https://example.invalid/evil.pth'):
        CheckpointLoader.load_checkpoint('https://example.invalid/evil.pth', map_location='cpu')
    assert not sprung.exists()
    assert dict(os.environ) == before
    torch.save(dict(weight=torch.ones(1)), cache / 'good.pth')
    good = CheckpointLoader.load_checkpoint('https://example.invalid/good.pth', map_location='cpu')
    assert good['weight'] == 1


def test_what_mmengine_saves_is_loaded(tmp_path, capfd):
    """Logs, and numbers and arrays of numpy in the meta; without a warning."""
    buffer = HistoryBuffer([1.0, 3.0], [1, 1])
    path = tmp_path / 'own.pth'
    torch.save(
        dict(
            state_dict={},
            message_hub=dict(log_scalars={'train/loss': buffer}),
            meta=dict(palette=np.eye(3, dtype=np.uint8), score=np.float64(2)),
        ),
        path,
    )
    loaded = read_checkpoint(path)
    assert loaded['message_hub']['log_scalars']['train/loss'].statistics('mean') == 2
    assert loaded['meta']['palette'].trace() == 3 and loaded['meta']['score'] == 2
    assert 'weights_only' not in ''.join(capfd.readouterr())


def test_files_of_numpy_1_are_loaded(tmp_path):
    """Their arrays name `numpy.core`, which is `numpy._core` today."""
    content = pickle.dumps(dict(state_dict={}, meta=np.arange(3)), protocol=2)
    old = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    assert old != content
    path = tmp_path / 'old.pth'
    torch.save(dict(state_dict={}, meta=np.arange(3)), path)
    rewrite(path, old)
    assert read_checkpoint(path)['meta'].tolist() == [0, 1, 2]


def rewrite(path: Path, content: bytes) -> None:
    """Puts another pickle into a checkpoint, which is a zip archive."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in entries.items():
            archive.writestr(name, content if name.endswith('data.pkl') else data)


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'damaged'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'not a PyTorch checkpoint'),
        (b'<html>404</html>', 'not a PyTorch checkpoint'),
        (b'PK\x03\x04' + bytes(200), 'damaged'),
    ],
)
def test_files_that_are_none(content, words, tmp_path):
    path = tmp_path / 'file.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f'file.pth is.*{words}.*download it again'):
        read_weights(str(path), 'hint')


def test_a_truncated_one_is_named(tmp_path):
    path = tmp_path / 'cut.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(5000))), path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CheckpointError, match='cut.pth is .* damaged'):
        read_weights(str(path), 'hint')


@pytest.mark.parametrize('key', ['state_dict', 'model', 'model_state_dict'])
def test_keys_of_the_weights(key, tmp_path):
    path = str(tmp_path / 'other.pth')
    torch.save({key: {'module.weight': torch.ones(2, 1), 'bias': torch.ones(2)}, 'epoch': 3}, path)
    assert [*read_weights(path, 'hint')] == ['weight', 'bias']
    torch.save({key: {'weight': torch.ones(2, 1), 'bias': torch.ones(2)}, 'epoch': 3}, path)
    layer = torch.nn.Linear(1, 2)
    load_checkpoint(layer, path, strict=True)  # of mmengine: load_from, init_cfg
    assert torch.equal(layer.weight.detach(), torch.ones(2, 1))
    # A module that is called model is none.
    torch.save({'model': torch.ones(2), 'bias': torch.ones(2)}, path)
    assert [*read_weights(path, 'hint')] == ['model', 'bias']


@pytest.mark.parametrize('content', [[torch.ones(2)], torch.ones(2), dict(epoch=3), dict()])
def test_files_without_weights(content, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointError, match='other.pth holds'):
        read_weights(str(path), 'hint')


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match='what to do'):
        read_weights(str(tmp_path / 'gone.pth'), 'what to do')


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=dict(weight=torch.arange(1000.0))), path)
    return path


def test_whole(whole):
    assert damage(whole) is None


def test_flipped_bit(whole):
    content = bytearray(whole.read_bytes())
    # In the values of the tensor, where nothing but a checksum can tell.
    place = content.index(torch.arange(1000.0).numpy().tobytes()[400:500])
    content[place] ^= 1
    whole.write_bytes(content)
    assert 'data/0' in damage(whole)


@pytest.mark.parametrize('share', [0, 0.3, 0.999])
def test_cut_off(whole, share):
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * share)])
    assert f'{int(len(content) * share)} bytes' in damage(whole)


def test_zeros_in_the_place_of_content(whole):
    """What some file systems leave of a file when a machine goes down."""
    whole.write_bytes(bytes(whole.stat().st_size))
    assert damage(whole) is not None


def content_of(path: Path) -> str:
    return str(read_checkpoint(path))


@pytest.mark.slow
def test_any_flipped_bit(tmp_path):
    """Either the file is called damaged, or what is loaded is the same."""
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=dict(weight=torch.arange(16.0)), meta=dict(iter=1)), path)
    content, right = path.read_bytes(), content_of(path)
    # All of the archive's directory, which is at the end, and a sample of the rest.
    start = content.index(b'PK\x01\x02')
    places = [*range(0, 8 * start, 97), *range(8 * start, 8 * len(content), 13)]
    found = 0
    for place in places:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        if damage(path) is None:
            assert content_of(path) == right, place
        else:
            found += 1
    assert found > len(places) / 3


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_many_flipped_bits(share, tmp_path):
    """What is left of the directory makes Python's zipfile raise one of a dozen errors."""
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=dict(weight=torch.arange(64.0))), path)
    content = path.read_bytes()
    draws = np.random.default_rng(int(10 * share))
    for _ in range(100):
        flipped = np.frombuffer(content, np.uint8).copy()
        part = flipped[int(len(flipped) * share) :]
        part[draws.integers(0, len(part), 5)] ^= np.uint8(1) << draws.integers(0, 8, 5, np.uint8)
        path.write_bytes(flipped.tobytes())
        assert isinstance(damage(path), str | None)


def test_files_without_checksums(tmp_path):
    """PyTorch can be told to leave them out, and had none before its version 1.6."""
    fast, old = tmp_path / 'fast.pth', tmp_path / 'old.pth'
    torch.serialization.set_crc32_options(False)
    torch.save(dict(weight=torch.ones(3)), fast)
    torch.serialization.set_crc32_options(True)
    torch.save(dict(weight=torch.ones(3)), old, _use_new_zipfile_serialization=False)
    for path in (fast, old):
        assert read_weights(str(path), 'hint')['weight'].tolist() == [1, 1, 1]
    assert damage(fast) is None


HARMLESS = [
    np.array(['road', 'sky']),
    np.array([b'road']),
    np.str_('road'),
    np.array(['a', None], object),
    np.array([[1, 2j]]),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.float16(2),
    np.int8(1),
    np.array(['2026-11-28'], 'M8[D]'),
    np.timedelta64(3, 's'),
    np.array(5),
    np.zeros((0, 2)),
    np.array([(1, 2.0)], [('a', 'i4'), ('b', 'f8')]),
    np.dtype('U5'),
    np.dtype('>f4'),
    np.float32,
    datetime(2026, 11, 28, tzinfo=timezone.utc),
    date(2026, 1, 1),
    timedelta(1),
    Decimal('1.5'),
    Fraction(1, 3),
    Path('a/b'),
    PureWindowsPath('a'),
    Namespace(lr=0.1, out=Path('x')),
    SimpleNamespace(a=np.ones(1)),
    ConfigDict(a=dict(b=[np.ones(2)])),
    {1, 2},
    frozenset([1]),
    Counter('aab'),
    OrderedDict(a=1),
    defaultdict(list, a=[1]),
    range(3),
    slice(1, 2),
    1j,
    b'',
    b'a',
    ...,
    torch.Size([2]),
    torch.float16,
    torch.device('cpu'),
    int,
    UUID(int=3),
    TorchVersion('2.6.0'),
]


@pytest.mark.sampled
@pytest.mark.parametrize('value', HARMLESS, ids=lambda value: str(type(value).__name__))
def test_harmless_content_is_loaded(value, tmp_path):
    path = tmp_path / 'own.pth'
    torch.save(dict(state_dict={}, meta=dict(one=value, more=[(value, value)])), path)
    meta = read_checkpoint(path)['meta']
    ((first, second),) = meta['more']
    assert first is second
    for got in (meta['one'], first):
        # PyTorch makes no defaultdict.
        assert type(got) is (dict if isinstance(value, defaultdict) else type(value))
        assert str(got) == str(value if type(value) is not defaultdict else dict(value))
        if isinstance(value, np.ndarray):
            assert got.dtype == value.dtype and got.flags.writeable


def test_a_config_and_a_queue_are_loaded(tmp_path):
    path = tmp_path / 'own.pth'
    torch.save(dict(state_dict={}, meta=[Config(dict(a=[1])), deque([1, 2], 5)]), path)
    config, queue = read_checkpoint(path)['meta']
    assert type(config) is Config and config.a == [1]
    assert queue == [1, 2]  # PyTorch fills lists only


class Made:
    """A call with a state, as a pickle can ask for it."""

    def __init__(self, function: Callable, *args: object, state: object = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> tuple:
        return self.reduced


def crafted_array(kind: str, state: tuple, content: object, count: int = 1) -> Made:
    dtype = Made(np.dtype, kind, False, True, state=state)
    reconstruct = np.empty(0).__reduce__()[0]
    return Made(reconstruct, np.ndarray, (0,), b'b', state=(1, (count,), dtype, False, content))


OBJECT = Made(np.dtype, 'O8', False, True)


@pytest.mark.parametrize(
    'value',
    [
        Made(np.ndarray, (2,), 'O', bytearray(16)),
        crafted_array('O8', (3, '|', None, None, None, -1, -1, 0), b'A' * 8),
        crafted_array('O8', (3, '|', None, None, None, -1, -1, 63), [1], count=9),
        crafted_array('V8', (3, '|', None, ('a',), dict(a=(OBJECT, 0)), 8, 8, 0), b'A' * 8),
        crafted_array('V8', (3, '|', None, ('a',), dict(a=(OBJECT, 0)), 8, 8, 63), [(1,)]),
        crafted_array('i8', (3, '<', (np.dtype('O'), (1,)), None, None, 8, 8, 0), b'A' * 8),
        Made(np.float64().__reduce__()[0], OBJECT, b'A' * 8),
        Made(Fraction, '1e999999999'),
        Made(Config, {}, None, '/dev/zero'),
        Made(eval, '1'),
    ],
)
def test_what_would_reach_memory_or_files(value, tmp_path):
    """numpy takes bytes of a file for pointers if the file says so."""
    path = tmp_path / 'crafted.pth'
    torch.save(dict(state_dict={}, meta=value), path)
    with pytest.raises(CheckpointError, match='crafted.pth'):
        read_checkpoint(path)


def test_every_scheme_is_safe(crafted, sprung, monkeypatch):
    """Also those that others register, whatever they ask PyTorch for."""
    held = torch.load
    loaders = dict(
        asking=lambda name, map_location=None: torch.load(crafted, weights_only=False),
        holding=lambda name, map_location=None: held(crafted, weights_only=False),
        pickling=lambda name, map_location=None: torch.load(crafted, pickle_module=pickle),
    )
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    for name, loader in loaders.items():
        loader.__name__ = f'load_from_{name}'
        CheckpointLoader.register_scheme(f'{name}://', loader)
        with pytest.raises((CheckpointError, pickle.UnpicklingError), match='mkdir'):
            CheckpointLoader.load_checkpoint(f'{name}://a.pth')
    monkeypatch.setattr(
        'mmengine.runner.checkpoint.get_file_backend',
        lambda *args, **kwargs: SimpleNamespace(get=lambda name: Path(crafted).read_bytes()),
    )
    with pytest.raises(CheckpointError, match='s3://bucket/a.pth was not loaded.*mkdir'):
        CheckpointLoader.load_checkpoint('s3://bucket/a.pth')
    assert not sprung.exists()
    assert torch.load is held


def test_it_can_be_switched_off(crafted, sprung, monkeypatch):
    """For projects that import this package: their loads, not those of this package."""
    monkeypatch.setenv(SWITCH, '0')
    with pytest.raises(CheckpointError):
        read_checkpoint(crafted)
    assert not sprung.exists()
    CheckpointLoader.load_checkpoint(crafted)
    assert sprung.is_dir()


def test_what_others_allow_stays_allowed(tmp_path):
    path = tmp_path / 'own.pth'
    torch.save(dict(state_dict={}, meta=Made(Trap, 'a')), path)
    with torch.serialization.safe_globals([Trap, np.ndarray]):
        before = set(torch.serialization.get_safe_globals())
        assert read_checkpoint(path)['meta'].path == 'a'
        assert before == set(torch.serialization.get_safe_globals())


def test_checksums_are_verified_once(monkeypatch, tmp_path):
    """However many loaders are around each other: it reads the whole file."""
    verified = []
    monkeypatch.setattr(
        'mmdavss.utils.checkpoints.damage', lambda file: verified.append(file) or damage(file)
    )
    path = str(tmp_path / 'a.pth')
    torch.save(dict(state_dict=dict(w=torch.ones(2))), path)
    assert read_checkpoint(path)['state_dict']['w'].sum() == 2
    assert verified == [path]
    # Of another file within, too.
    with guarded('other.pth'):
        CheckpointLoader.load_checkpoint(path)
    assert verified[1:]


@pytest.mark.parametrize(
    'error',
    [
        URLError('Name or service not known'),
        HTTPError('', 404, 'Not Found', None, None),
        ConnectionResetError(104, 'reset'),
    ],
)
def test_a_failed_download_is_no_damage(error, monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))

    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr('torch.hub.download_url_to_file', fails)
    with pytest.raises(CheckpointError) as raised:
        CheckpointLoader.load_checkpoint('https://example.invalid/a.pth')
    message = str(raised.value)
    assert 'https://example.invalid/a.pth could not be downloaded' in message
    assert 'damaged' not in message and str(tmp_path / 'hub/checkpoints') in message


def test_a_damaged_download_is_named(monkeypatch, tmp_path):
    """With the file that has to be deleted, or it would be taken again."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    cached = tmp_path / 'hub/checkpoints/a.pth'
    cached.parent.mkdir(parents=True)
    torch.save(dict(weight=torch.ones(500)), cached)
    cached.write_bytes(cached.read_bytes()[:-30])
    with pytest.raises(CheckpointError, match=f'invalid/a.pth .*{cached}.* damaged.*delete'):
        CheckpointLoader.load_checkpoint('https://example.invalid/a.pth')


def test_models_that_no_zoo_has(monkeypatch):
    monkeypatch.setattr('mmengine.runner.checkpoint.get_torchvision_models', dict)
    with pytest.raises(CheckpointError, match='torchvision://resnet51: there is no model'):
        CheckpointLoader.load_checkpoint('torchvision://resnet51')


def test_a_scheme_whose_package_is_missing():
    with pytest.raises(CheckpointError, match='pavi://a.pth cannot be loaded here.*install pavi'):
        CheckpointLoader.load_checkpoint('pavi://a.pth')


def test_objects_of_what_is_not_installed(tmp_path, monkeypatch):
    """Of files that may hold everything."""
    monkeypatch.setenv(TRUST, '1')
    path = tmp_path / 'objects.pth'
    torch.save(dict(state_dict={}, meta=Trap('a')), path)
    rewrite(path, b'\x80\x02cnot_here.models\nNet\n.')
    with pytest.raises(CheckpointError, match='objects.pth holds objects of not_here.*install'):
        read_checkpoint(path)
    rewrite(path, b'\x80\x02cmmseg\nNet\n.')
    with pytest.raises(CheckpointError, match='objects.pth holds objects that cannot be made'):
        read_checkpoint(path)


@pytest.mark.sampled
@pytest.mark.parametrize(
    'prefix', ['module.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.', 'module.module.']
)
def test_names_of_wrapped_networks(prefix, saved_model, per_frame, tmp_path):
    """Of DataParallel and torch.compile, in all ways to load."""
    cfg, path = saved_model(per_frame)
    right = torch.load(path)['state_dict']
    torch.save(dict(state_dict={prefix + name: value for name, value in right.items()}), path)
    assert read_weights(path, 'hint').keys() == right.keys()
    for load in (load_model, lambda config, path: loaded(Config.fromfile(config).model, path)):
        for name, value in load(cfg.filename, path).state_dict().items():
            assert torch.equal(value, right[name])


def loaded(config: dict, path: str) -> torch.nn.Module:
    model = MODELS.build(config)
    load_checkpoint(model, path, strict=True)
    return model


def test_other_prefixes_of_all_names(saved_model, per_frame):
    cfg, path = saved_model(per_frame)
    right = {
        name.removeprefix('student.segmentor.'): value
        for name, value in torch.load(path)['state_dict'].items()
    }
    torch.save({f'model.net.{name}': value for name, value in right.items()}, path)
    got = load_model(cfg, path).student.segmentor.state_dict()
    assert all(torch.equal(value, right[name]) for name, value in got.items())
    torch.save({f'model.net.{name}': value for name, value in list(right.items())[1:]}, path)
    with pytest.raises(ValueError, match='lacks 1 tensors.*it has such as .model.net.'):
        load_model(cfg, path)


def test_nothing_is_fetched_that_a_source_checkpoint_replaces(saved_model, per_frame, monkeypatch):
    """ImageNet weights of the backbone: a machine without network does without."""
    cfg, path = saved_model(per_frame)
    away = 'https://example.invalid/imagenet.pth'
    cfg.model.student.segmentor.backbone.init_cfg = dict(type='Pretrained', checkpoint=away)
    monkeypatch.setattr('mmengine.runner.checkpoint.load_url', lambda *args, **kwargs: 1 / 0)
    for kind in ('SelfTraining', 'SourceOnly'):
        net = MODELS.build(dict(cfg.model, type=kind, source_checkpoint=path))
        net.init_weights()
        state = net.student.state_dict()
        assert all(
            torch.equal(value, state[name.removeprefix('student.')])
            for name, value in torch.load(path)['state_dict'].items()
        )
    with pytest.raises(ZeroDivisionError):
        MODELS.build(cfg.model).init_weights()


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        ('work_dirs/adabn/accel_viper2city/iter_50.pth', 'configs/adabn/accel_viper2city.py'),
        (
            'work_dirs/sfc/accel_viper2city_stage1/iter_7.pth',
            'configs/sfc/accel_viper2city_stage1.py',
        ),
        ('mine/iter_50.pth', 'configs/source_only'),
    ],
)
def test_a_missing_checkpoint_names_what_makes_it(path, words, per_frame, saved_model):
    cfg, _ = saved_model(per_frame)
    with pytest.raises(FileNotFoundError, match=f'{path}.*does not exist.*{words}'):
        into_source_checkpoint(path, None, cfg.model)
