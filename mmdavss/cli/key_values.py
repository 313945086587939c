"""``--cfg-options`` and similar options: KEY=VALUE ..."""

from __future__ import annotations

import argparse
from typing import Any

from mmengine.config import DictAction


class KeyValues(DictAction):
    """Variant of mmengine's action: a malformed value is a usage error, not a traceback.

    Raises:
        argparse.ArgumentError: If a value is not KEY=VALUE, or brackets are not closed.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: Any = None,
    ) -> None:
        for value in values:
            if not value.partition('=')[0].strip('.') or '=' not in value:
                raise argparse.ArgumentError(
                    self, f'{value!r} is not KEY=VALUE, for example model.a=1'
                )
            try:
                super().__call__(parser, namespace, [value], option_string)
            except (AssertionError, ValueError) as error:
                raise argparse.ArgumentError(self, f'{value!r}: {error}') from None
