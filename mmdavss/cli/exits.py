"""How a command ends: with one line where that is all that a user needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmdavss.launch.faults import explain
from mmdavss.utils.processes import is_main_process


@contextmanager
def one_line(interrupted: str = 'interrupted') -> Iterator[None]:
    """Around what a tool does: ends it with one line if that is all that is needed.

    Args:
        interrupted: What Ctrl-C says.

    Raises:
        SystemExit: With the line.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(f'\n{interrupted}') from None
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        raise SystemExit(f'\nerror: {message}') from None


@contextmanager
def usage_error(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Around what a tool looks at before it runs: one line is a mistake of the command line.

    Every rank of a distributed run finds the same mistake; one message is enough.

    Args:
        parser: Says the line, after the usage.

    Raises:
        SystemExit: With status 2.
    """
    try:
        yield
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        if is_main_process():
            parser.error(message)
        raise SystemExit(2) from None


def exit_status(work: Callable[[], None], interrupted: str) -> int:
    """Does the work of a tool that gives its exit status; :func:`one_line` for the others.

    Args:
        work: The work.
        interrupted: What Ctrl-C says.

    Returns:
        0, 1 after a line on stderr, or 130 after Ctrl-C.
    """
    try:
        work()
    except KeyboardInterrupt:
        print(f'\n{interrupted}', file=sys.stderr)
        return 130
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        print(f'\nerror: {message}', file=sys.stderr)
        return 1
    return 0
