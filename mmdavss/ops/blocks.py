"""How many rows of a large product are handled together."""

from __future__ import annotations

import torch

#: Bytes of a block's widest tensor where the device is no CPU. In float32 and with 512 channels
#: these are 65,536 rows: every map that a network of this package makes of one image.
DEVICE_BYTES = 2**27


def rows_per_block(device: torch.device, on_cpu: int, row_bytes: int) -> int:
    """Rows that are handled together.

    A CPU is fastest where a block stays in its cache. On another device each operation costs the
    same to start, whatever its size, so that a block is as large as memory allows. The limit is
    fixed and does not depend on what is free: sums are rounded in the same order in every run.

    Args:
        device: Where the rows are.
        on_cpu: Rows there, at least as many are taken elsewhere.
        row_bytes: Bytes of a row of the widest tensor of a block.
    """
    if device.type == 'cpu':
        return on_cpu
    return max(on_cpu, DEVICE_BYTES // max(row_bytes, 1))
