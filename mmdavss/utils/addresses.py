"""Addresses of streams and servers."""

from __future__ import annotations

import re


def without_password(text: str) -> str:
    """The text with user names and passwords of addresses replaced by ``***``."""
    return re.sub(r'(?<=://)[^/\s]*@', '***@', text)
