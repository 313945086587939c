"""Reads checkpoint files safely, and checks whether they fit a network.

A checkpoint is a pickle, which can run code when it is loaded, inside an archive with checksums,
which PyTorch does not verify. Importing this module makes every load through mmengine (files and
URLs of all schemes, ``load_from``, ``init_cfg``, ``--resume``) verify them and accept weights and
harmless values only; mmengine alone falls back to loading everything, with a warning.
``MMDAVSS_SAFE_LOADING=0`` in the environment leaves mmengine unchanged.
"""

from __future__ import annotations

import errno
import os
import os.path as osp
import re
import threading
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial, wraps
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from struct import error as StructError
from typing import Any, BinaryIO, cast
from urllib.error import URLError

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn
from torch.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
)

from mmdavss.utils.errors import UserError

from .checkpoint_content import allowed_with, without_stand_ins

#: Variable of PyTorch: if it is 1, checkpoints may run code.
TRUST = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
#: Its opposite, which also overrides callers that ask for everything.
DISTRUST = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
#: If it is 0, mmengine's loaders are not changed.
SWITCH = 'MMDAVSS_SAFE_LOADING'
#: Keys of the weights in other projects' checkpoints, most common first.
WEIGHTS = ('model', 'model_state_dict')
#: First bytes of PyTorch's archives. Older files have no checksums.
ARCHIVE = b'PK\x03\x04'
#: The attribute of a folder in an archive.
FOLDER = 0x10
#: Prefixes that torch.compile and DataParallel add to the names of weights.
COMPILED, PARALLEL = re.compile(r'(?:^|(?<=\.))_orig_mod\.'), re.compile(r'^(?:module\.)+')

#: Held while `torch.load` is replaced.
_LOADING = threading.RLock()
#: What it is replaced for, from the outside in.
_GUARDED: list[str] = []


class CheckpointError(UserError, ValueError):
    """A file that is not a checkpoint, is damaged, would run code, or cannot be downloaded."""


def trusted() -> bool:
    """Whether the user allowed checkpoints to run code."""
    return os.environ.get(TRUST, '').lower() in ('1', 'y', 'yes', 'true')


@contextmanager
def guarded(filename: str) -> Iterator[None]:
    """Context manager: ``torch.load`` verifies checksums and builds nothing that could run code.

    This holds for every caller, whatever arguments it passes. Loaders that read pickles without
    PyTorch are not affected.

    Args:
        filename: The file or URL that is loaded, for messages.

    Raises:
        CheckpointError: If the file is not a checkpoint, is damaged, cannot be downloaded, or could
            run code and ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` is not set.
    """
    with _LOADING:
        if _GUARDED[-1:] == [filename]:
            # Around mmengine's loader, which is guarded itself: checksums are verified once.
            yield
            return
        load, before = torch.load, os.environ.get(DISTRUST)
        # mmengine removes its own entries from the list afterwards, even if others had added them.
        allowed = get_safe_globals()
        torch.load = wraps(load)(partial(_load, load, filename))
        _GUARDED.append(filename)
        if not trusted():
            # Binds callers that hold their own reference to `torch.load`.
            os.environ[DISTRUST] = '1'
        try:
            with _had(filename):
                yield
        finally:
            _GUARDED.pop()
            torch.load = load
            clear_safe_globals()
            add_safe_globals(allowed)
            if before is None:
                os.environ.pop(DISTRUST, None)
            else:
                os.environ[DISTRUST] = before


def _load(
    load: Callable, filename: str, file: str | os.PathLike | BinaryIO, *args: Any, **kwargs: Any
) -> Any:
    """Replacement of ``torch.load`` (the original is `load`), see :func:`guarded`."""
    where = filename
    if isinstance(file, str | os.PathLike) and Path(file) != checkpoint_file(filename):
        where = f'{filename} (here {file})'
    whole = _is_archive(file)
    wrong = damage(file) if whole else None
    if wrong is not None:
        raise _broken(where, wrong)
    if trusted():
        with _explained(where, whole):
            return load(file, *args, **{**kwargs, 'weights_only': False})
    before = get_safe_globals()
    clear_safe_globals()
    add_safe_globals(allowed_with(before))
    kwargs.pop('pickle_module', None)
    try:
        with _explained(where, whole):
            return without_stand_ins(load(file, *args, **{**kwargs, 'weights_only': True}))
    finally:
        clear_safe_globals()
        add_safe_globals(before)


def _is_archive(file: str | os.PathLike | BinaryIO) -> bool:
    if isinstance(file, str | os.PathLike):
        with open(file, 'rb') as opened:
            return opened.read(len(ARCHIVE)) == ARCHIVE
    place = file.tell()
    start = file.read(len(ARCHIVE))
    file.seek(place)
    return start == ARCHIVE


@contextmanager
def _had(filename: str) -> Iterator[None]:
    """Turns failures to get the file into one message."""
    try:
        yield
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        raise CheckpointError(
            f'{filename} could not be downloaded ({error}). Without a network get the file '
            f'elsewhere and put it into {torch.hub.get_dir()}/checkpoints, or give its path '
            'instead of the URL.'
        ) from error
    except ImportError as error:
        raise CheckpointError(
            f'{filename} cannot be loaded here: {error}{_install(error)}'
        ) from error
    except KeyError as error:
        if error.args != (filename.rpartition('://')[2],):
            raise
        raise CheckpointError(
            f'{filename}: there is no model of that name; correct it, or name a file.'
        ) from error


def _install(error: ImportError) -> str:
    return f': install it (pip install {error.name.split(".")[0]})' if error.name else ''


def _broken(filename: str, why: str) -> CheckpointError:
    return CheckpointError(
        f'{filename} is not a PyTorch checkpoint, or is damaged{why and f" ({why})"}: copy or '
        'download it again (delete what was downloaded before), or take an earlier one.'
    )


@contextmanager
def _explained(filename: str, whole: bool) -> Iterator[None]:
    """Turns errors of :func:`torch.load` into one message.

    Args:
        filename: The file.
        whole: Whether it is an archive whose checksums are right.
    """
    try:
        yield
    except UserError:
        raise
    except ModuleNotFoundError as error:  # from a file that may hold anything
        raise CheckpointError(
            f'{filename} holds objects of {error.name}, which is not installed here'
            f'{_install(error)}, or use a file that holds only weights.'
        ) from error
    except Exception as error:
        text = str(error)
        if whole and trusted() and isinstance(error, AttributeError | TypeError):
            raise CheckpointError(
                f'{filename} holds objects that cannot be made here ({text[:100]}): from another '
                'version of their package? Use a file that holds only weights.'
            ) from error
        refused = re.search(
            r"GLOBAL (\S+(?:\(.*?\))?)|unrecognized (?:function|class) (.+)|but got <class '(.+?)'",
            text,
        )
        odd = whole and isinstance(error, UnpicklingError | AttributeError | TypeError)
        if odd or (refused and isinstance(error, UnpicklingError)):
            why = re.search(r'WeightsUnpickler error:\s*(.+)', text)
            what = (
                next(filter(None, refused.groups()))
                if refused
                else f'more than weights and plain values ({(why[1] if why else text)[:100]})'
            )
            raise CheckpointError(
                f'{filename} was not loaded: it holds {what}, and loading that can run code hidden '
                f'in the file. If you know who made it and trust them, set {TRUST}=1 in the '
                'environment of the same call.'
            ) from None
        machine = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
        if machine or isinstance(error, MemoryError) or 'CUDA' in text or 'allocate' in text:
            raise
        raise _broken(filename, text.splitlines()[0][:100] if text else '') from error


def _safe(load: Callable) -> Callable:

    @wraps(load)
    def load_checkpoint(cls: type, filename: str, *args: Any, **kwargs: Any) -> Any:
        if os.environ.get(SWITCH) == '0':
            return load(cls, filename, *args, **kwargs)
        with guarded(str(filename)):
            return _as_of_mmengine(load(cls, filename, *args, **kwargs))

    return load_checkpoint


def _as_of_mmengine(loaded: Any) -> Any:
    """Puts the weights of a checkpoint under ``state_dict``, the key that mmengine expects."""
    if not isinstance(loaded, Mapping) or 'state_dict' in loaded:
        return loaded
    for key in WEIGHTS:
        weights = loaded.get(key)
        if isinstance(weights, Mapping) and any(isinstance(v, Tensor) for v in weights.values()):
            return {**{k: v for k, v in loaded.items() if k != key}, 'state_dict': weights}
    return loaded


# All loads of mmengine go through here, including those of schemes that are registered later.
_MMENGINES: Any = vars(CheckpointLoader)['load_checkpoint']
setattr(CheckpointLoader, 'load_checkpoint', classmethod(_safe(_MMENGINES.__func__)))  # noqa: B010


def checkpoint_file(path: str | Path) -> Path:
    """The file that the path of a checkpoint names; ``~`` is the home folder, as for mmengine."""
    return Path(osp.expanduser(path))


def is_missing(path: str | Path) -> bool:
    """Whether a checkpoint is a file that does not exist; a URL is taken to be there."""
    return '://' not in str(path) and not checkpoint_file(path).is_file()


def read_checkpoint(path: str | Path) -> dict:
    """Reads everything in a checkpoint, on the CPU.

    Args:
        path: File or URL.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a checkpoint, is damaged, or could run code.
    """
    with guarded(str(path)):
        loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')
    if not isinstance(loaded, Mapping):
        raise CheckpointError(
            f'{path} holds a {type(loaded).__name__} and not a checkpoint, which is a dict of '
            'weights: name another file.'
        )
    return cast(dict, loaded)


def read_weights(path: str, hint: str) -> dict[str, Tensor]:
    """Reads the weights in a checkpoint of mmengine, or in a file that holds only weights.

    Args:
        path: File or URL.
        hint: Message if the file does not exist: what it is for, and what to do.

    Returns:
        Weights by their names, as :func:`bare_names` gives them.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a checkpoint, is damaged, could run code, or has no weights.
    """
    if is_missing(path):
        raise FileNotFoundError(hint)
    checkpoint = read_checkpoint(path)
    weights = checkpoint.get('state_dict', checkpoint)
    weights = weights if isinstance(weights, Mapping) else {}
    if not any(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(
            f'{path} holds no weights, only {_some(checkpoint)}: name a file '
            'that training or a converter has written.'
        )
    return bare_names(weights)


def bare_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Removes the prefixes of DataParallel and torch.compile from the names of weights.

    Args:
        weights: Weights whose names may contain ``module.`` and ``_orig_mod.``, also repeatedly.
    """
    made = {PARALLEL.sub('', COMPILED.sub('', name)): value for name, value in weights.items()}
    # If names collide, these were not prefixes of wrappers.
    return made if len(made) == len(weights) else dict(weights)


def _some(keys: Mapping) -> str:
    return ', '.join(repr(key) for key in list(keys)[:4]) or 'nothing'


def lacking(own: Iterable[str], given: Container[str]) -> list[str]:
    """Names of tensors that a checkpoint has to have and lacks.

    Batch norm's counters of batches need not be there: they do not predict, and checkpoints of old
    versions of PyTorch and of other frameworks have none.

    Args:
        own: Names of the network's tensors.
        given: Those of the checkpoint.
    """
    return [name for name in own if name not in given and not name.endswith('num_batches_tracked')]


def misfits(module: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Names of a module's tensors that `weights` lacks or has in another shape."""
    own = module.state_dict()
    missing = set(lacking(own, weights))
    return [
        name
        for name, value in own.items()
        if name in missing or (name in weights and weights[name].shape != value.shape)
    ]


def keep_out_of_checkpoints(module: nn.Module) -> None:
    """Leaves a part of a model out of its checkpoints, for weights that come from a file anyway.

    Loading a checkpoint leaves them as they are.
    """
    module.register_state_dict_post_hook(_leave_out)
    module.register_load_state_dict_pre_hook(_fill_in)


def _leave_out(module: nn.Module, state_dict: dict, prefix: str, metadata: dict) -> None:
    for name in [name for name in state_dict if name.startswith(prefix)]:
        del state_dict[name]


def _fill_in(module: nn.Module, state_dict: dict, prefix: str, *args: Any) -> None:
    # What is not in the checkpoint stays as it is, and is not reported as missing.
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        state_dict.setdefault(prefix + name, value)


def noted_checkpoint(work_dir: str | Path) -> str | None:
    """Path of a run's last checkpoint as noted by the run, or None."""
    note = Path(work_dir, 'last_checkpoint')
    return note.read_text(encoding='utf-8').strip() if note.is_file() else None


def damage(file: str | os.PathLike | BinaryIO) -> str | None:
    """Checks a checkpoint file without loading it: reads it all and verifies its checksums.

    Args:
        file: Path of a file that torch.save has written, or the open file.

    Returns:
        A description of the damage, or None.

    Raises:
        OSError: If it cannot be read.
    """
    stream = None if isinstance(file, str | os.PathLike) else file
    place = 0 if stream is None else stream.tell()
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            # PyTorch can be configured to omit the checksums.
            part = archive.testzip() if any(part.CRC for part in parts) else None
        # PyTorch's reader treats these differently: contradicting sizes, folders.
        part = part or next(
            (
                part.filename
                for part in parts
                if part.external_attr & FOLDER
                or not part.compress_type
                and part.compress_size != part.file_size
            ),
            None,
        )
        if part is not None:
            return f'{part} in it is not what was written'
        if stream is not None:
            stream.seek(place)
        with suppress(UnpicklingError):  # of an intact pickle
            get_unsafe_globals_in_checkpoint(file)
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise
        wrong = str(error)
    except (
        zipfile.BadZipFile,
        zlib.error,
        StructError,
        EOFError,
        MemoryError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        wrong = str(error)
    else:
        return None
    finally:
        if stream is not None:
            stream.seek(place)
    return f'{_size(file)} bytes that are not a whole checkpoint ({wrong[:100]})'


def _size(file: str | os.PathLike | BinaryIO) -> int:
    if isinstance(file, str | os.PathLike):
        return Path(file).stat().st_size
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    return size
