import pytest
import torch

from mmdavss.ops import rows_per_block


@pytest.mark.parametrize(
    ('device', 'row_bytes', 'rows'),
    [
        ('cpu', 2048, 256),
        ('cpu', 2**30, 256),
        ('cuda:1', 2048, 65536),
        ('cuda', 2**24, 256),
        ('cuda', 2**30, 256),
        ('mps', 2048, 65536),
        ('cuda', 0, 2**27),
    ],
)
def test_rows_per_block(device, row_bytes, rows):
    assert rows_per_block(torch.device(device), 256, row_bytes) == rows
