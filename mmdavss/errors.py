"""Errors that need no traceback: their message says what is wrong and what to do."""
from __future__ import annotations


class UserError(Exception):
    """A mistake in the call, the config or the data, or a fault of the machine.

    Tools print the message and end; a traceback would add nothing.
    """


class InputError(UserError, ValueError):
    """A file or folder that cannot be used as it is; the message names it and says what to do."""


class MissingInputError(InputError, FileNotFoundError):
    """A file that is not there."""
