"""The data sample of a clip."""

from __future__ import annotations

from mmseg.structures import SegDataSample
from torch import Tensor


class ClipSample(SegDataSample):
    """:class:`mmseg.SegDataSample` whose maps a data loader with ``pin_memory`` pins.

    Copies to a GPU from other memory wait for the steps before them.
    """

    def pin_memory(self) -> ClipSample:
        """Moves all maps to pinned memory, in place, and returns itself."""
        for fields in self.values():
            for name, value in fields.items():
                if isinstance(value, Tensor):
                    fields.set_data({name: value.pin_memory()})
        return self
