"""What is in a checkpoint file, and whether it fits."""
from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from mmengine.runner.checkpoint import _load_checkpoint
from torch import Tensor, nn


def read_weights(path: str, hint: str) -> dict[str, Tensor]:
    """The weights in a checkpoint of mmengine, or in a file of nothing but weights.

    Args:
        path: File or URL.
        hint: Message if the file does not exist: whose it is, and what to do.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(hint)
    checkpoint = _load_checkpoint(path, map_location='cpu', logger='silent')
    return checkpoint.get('state_dict', checkpoint)


def misfits(module: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Names of a module's tensors that weights lack, or have in another shape."""
    return [name for name, value in module.state_dict().items()
            if name not in weights or weights[name].shape != value.shape]


def damage(path: str | Path) -> str | None:
    """What is wrong with the file of a checkpoint, found without loading it.

    It is read to its end and compared with the checksums in it.

    Args:
        path: A file that torch.save has written.

    Returns:
        What is wrong, or None.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        return f'{Path(path).stat().st_size} bytes that are not a whole checkpoint ({error})'
    return None if part is None else f'{part} in it is not what was written'
