"""Tests that every training method must pass, for methods of this package and of other projects.

The classes are for pytest and are not imported with the package. :class:`MethodTests` holds the
tests, a :class:`MethodCase` describes one method to them: docs/add_a_method.md.
"""

from contextlib import suppress

from .methods import (
    NUM_CLASSES,
    PREPROCESSOR,
    SEGMENTOR,
    MethodCase,
    build_method,
    build_optimisers,
    make_batch,
    small_net,
    train,
)

# The methods and numbers alone need no pytest, which benchmarks/gpu_check.py does without.
with suppress(ModuleNotFoundError):
    import pytest

    pytest.register_assert_rewrite('mmdavss.testing.method_tests')

__all__ = [
    'NUM_CLASSES',
    'PREPROCESSOR',
    'SEGMENTOR',
    'MethodCase',
    'build_method',
    'build_optimisers',
    'make_batch',
    'small_net',
    'train',
]
