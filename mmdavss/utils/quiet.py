"""Shortens unhelpful output of other packages and keeps the rest."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from mmdavss.utils.memory_format import use_channels_last

#: mmseg prints this line for each module of an optional service.
ONEDL = 'Could not import OneDL'
#: Replacements, shown once, for console lines that begin like this; the log file has all lines.
SHORT = {
    re.compile('Hooks will be executed in the following order'): 'The order of the hooks is in',
    re.compile(
        r'\S+ is (skipped since its requires_grad|duplicate\. It is skipped)'
    ): 'Parameters that are not trained are listed in',
}


def import_mmseg() -> None:
    """Imports mmseg's data sets and models without two messages about missing packages.

    One is about OneDL, the other about compiled operators, which ``mmcv-lite`` lacks; a network
    that needs these says so when it is built.
    """
    warnings.filterwarnings(
        'ignore', 'Fail to import ``MultiScaleDeformableAttention``', UserWarning
    )
    said = StringIO()
    try:
        with redirect_stdout(said):
            import_module('mmseg.datasets')
    finally:
        for line in said.getvalue().splitlines():
            if line != ONEDL:
                print(line)


@contextmanager
def without_loss_warnings() -> Iterator[None]:
    """Context manager: hides mmseg's warnings about an unused loss while a network is built."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Default ``avg_non_ignore`` is False', UserWarning)
        yield


class QuietRunner(Runner):
    """mmengine's Runner with a shorter console log, channels last, and determinism that can run.

    The order of the hooks and the list of frozen parameters appear in full only in the log file.
    With ``channels_last = True`` in the config, :func:`use_channels_last` changes the model. With
    ``randomness.deterministic=True`` operators that have no deterministic form, among them the
    histogram of a validation on a GPU, warn; mmengine ends the run.
    """

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wraps the model as in :class:`Runner`."""
        if self.cfg.get('channels_last'):
            use_channels_last(model)
        return super().wrap_model(model_wrapper_cfg, model)

    def set_randomness(
        self, seed: int | None, diff_rank_seed: bool = False, deterministic: bool = False
    ) -> None:
        """Sets seed and determinism as in :class:`Runner`."""
        super().set_randomness(seed, diff_rank_seed, deterministic)
        if deterministic:
            # cuBLAS reads it when it starts, later than this.
            os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
            torch.use_deterministic_algorithms(True, warn_only=True)

    def build_logger(
        self, log_level: int | str = 'INFO', log_file: str | None = None, **kwargs: object
    ) -> MMLogger:
        """Builds the logger as in :class:`Runner`."""
        return shorten_console(super().build_logger(log_level, log_file, **kwargs))


def shorten_console(logger: MMLogger) -> MMLogger:
    """Shortens the console lines of a logger that match :data:`SHORT`.

    Args:
        logger: The logger, changed in place; unchanged if it has no log file.

    Returns:
        `logger`.
    """
    files = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    for handler in logger.handlers if files else ():
        if handler not in files:
            inner = handler.formatter or logging.Formatter()
            short = _Short(inner, Path(files[0].baseFilename))
            handler.setFormatter(short)
            handler.addFilter(short.seldom)
    return logger


class _Short(logging.Formatter):
    """Formatter that replaces lines that match :data:`SHORT`.

    Args:
        inner: Formats all other lines.
        file: The log file with all lines.
    """

    def __init__(self, inner: logging.Formatter, file: Path) -> None:
        super().__init__()
        self.inner = inner
        self.file = file
        self.told: set[str] = set()

    @staticmethod
    def _replacement(record: logging.LogRecord) -> str | None:
        text = record.getMessage()
        return next((said for start, said in SHORT.items() if start.match(text)), None)

    def seldom(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown: each replacement only once."""
        said = self._replacement(record)
        shown = said not in self.told
        if said is not None:
            self.told.add(said)
        return shown

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record, see :class:`logging.Formatter`."""
        said = self._replacement(record)
        if said is not None:
            # The file handler gets the same record.
            record = logging.makeLogRecord(
                dict(
                    record.__dict__,
                    msg=f'{said} {self.file}',
                    args=None,
                    levelname='INFO',
                    levelno=logging.INFO,
                )
            )
        return self.inner.format(record)
