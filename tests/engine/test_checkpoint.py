"""Loading a checkpoint runs no code, and damage is found."""
from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmseg.registry import MODELS

from mmdavss.apis.converters import convert_checkpoint
from mmdavss.apis.inference import load_model
from mmdavss.apis.plain_mmseg import read_method_config
from mmdavss.engine import CheckpointError, damage, read_checkpoint, read_weights
from mmdavss.engine.checkpoint import TRUST
from mmdavss.flow.base import load_flow_weights


class Trap:
    """Makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path, )


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
        init_cfg=dict(type='Pretrained', checkpoint=path)).init_weights(),
    prefix=lambda path, config, model: Child(
        init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone')).init_weights(),
    source_checkpoint=into_source_checkpoint,
    flow=lambda path, config, model: load_flow_weights(Child(), path),
    load_model=lambda path, config, model: load_model(config, path),
    plain_config=lambda path, config, model: read_method_config(plain(config), path),
    converter=lambda path, config, model: convert_checkpoint(
        'stpl', config, path, Path(path).with_name('out.pth')))


def plain(config: str) -> Path:
    cfg = Config.fromfile(config)
    cfg.model = cfg.model.student.segmentor
    out = Path(config).with_name('plain.py')
    cfg.dump(out)
    return out


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
    buffer = HistoryBuffer([1., 3.], [1, 1])
    path = tmp_path / 'own.pth'
    torch.save(dict(
        state_dict={}, message_hub=dict(log_scalars={'train/loss': buffer}),
        meta=dict(palette=np.eye(3, dtype=np.uint8), score=np.float64(2))), path)
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


@pytest.mark.parametrize(('content', 'words'), [
    (b'', 'damaged'),
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'no checkpoint'),
    (b'<html>404</html>', 'no checkpoint'),
    (b'PK\x03\x04' + bytes(200), 'damaged'),
])
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
    torch.save(dict(state_dict=dict(weight=torch.arange(1000.))), path)
    return path


def test_whole(whole):
    assert damage(whole) is None


def test_flipped_bit(whole):
    content = bytearray(whole.read_bytes())
    # In the values of the tensor, where nothing but a checksum can tell.
    place = content.index(torch.arange(1000.).numpy().tobytes()[400:500])
    content[place] ^= 1
    whole.write_bytes(content)
    assert 'data/0' in damage(whole)


@pytest.mark.parametrize('share', [0, 0.3, 0.999])
def test_cut_off(whole, share):
    content = whole.read_bytes()
    whole.write_bytes(content[:int(len(content) * share)])
    assert f'{int(len(content) * share)} bytes' in damage(whole)


def test_zeros_in_the_place_of_content(whole):
    """What some file systems leave of a file when a machine goes down."""
    whole.write_bytes(bytes(whole.stat().st_size))
    assert damage(whole) is not None
