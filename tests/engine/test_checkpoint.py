import pytest
import torch

from mmdavss.engine import damage


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=dict(weight=torch.arange(1000.))), path)
    return path


def test_whole(path):
    assert damage(path) is None


def test_flipped_bit(path):
    content = bytearray(path.read_bytes())
    # In the values of the tensor, where nothing but a checksum can tell.
    place = content.index(torch.arange(1000.).numpy().tobytes()[400:500])
    content[place] ^= 1
    path.write_bytes(content)
    assert 'data/0' in damage(path)


@pytest.mark.parametrize('share', [0, 0.3, 0.999])
def test_cut_off(path, share):
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    assert f'{int(len(content) * share)} bytes' in damage(path)


def test_zeros_in_the_place_of_content(path):
    """What some file systems leave of a file when a machine goes down."""
    path.write_bytes(bytes(path.stat().st_size))
    assert damage(path) is not None
