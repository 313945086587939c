"""Block size for large products that are computed block by block."""

from __future__ import annotations

import torch

#: Bytes of a block's widest tensor on devices other than CPUs. In float32 with 512 channels this is
#: 65,536 rows: enough for any feature map of one image in this package.
DEVICE_BYTES = 2**27


def rows_per_block(device: torch.device, on_cpu: int, row_bytes: int) -> int:
    """Number of rows per block.

    A CPU is fastest if a block stays in its cache. On other devices, launching an operation costs
    the same whatever its size, so a block is as large as memory allows. The limit is fixed and
    does not depend on free memory: sums are rounded in the same order in every run.

    Args:
        device: Device of the rows.
        on_cpu: Rows per block on a CPU, and the minimum elsewhere.
        row_bytes: Bytes per row of the widest tensor of a block.
    """
    if device.type == 'cpu':
        return on_cpu
    return max(on_cpu, DEVICE_BYTES // max(row_bytes, 1))
