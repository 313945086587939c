"""Clips from one step to the next, and through a checkpoint."""

from __future__ import annotations

import torch

from mmdavss.modules import ClipLayer, ClipMemory


def layer(count: int = 2, seed: int = 0, mask: bool = True) -> ClipLayer:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 2, 4, 5)
    return ClipLayer(
        torch.rand(count, 2, 3, 4, 5, generator=generator),
        torch.randint(256, shape, generator=generator),
        torch.rand(count, 1, 2, 4, 5, generator=generator),
        torch.rand(shape, generator=generator) < 0.5 if mask else None,
    )


def same(kept: ClipLayer, given: ClipLayer) -> bool:
    return all(
        (a is None and b is None) or (a.dtype == b.dtype and torch.equal(a, b))
        for a, b in zip(kept, given, strict=True)
    )


def test_gives_back_what_it_got():
    memory = ClipMemory('source', 'target')
    frames = dict.fromkeys(memory.names, layer().frames)
    assert memory.recall(frames) is None and memory.state_dict() == {}
    for seed in range(2):
        given = layer(seed=seed, mask=False), layer(seed=seed + 5)
        memory.remember(*given)
        kept = memory.recall(frames)
        assert same(kept['source'], given[0]) and same(kept['target'], given[1])
    # Bytes, and copies: nothing holds the batch.
    assert memory.source_labels.dtype == memory.target_mask.dtype == torch.uint8
    assert memory.source_frames.data_ptr() != given[0].frames.data_ptr()


def test_clips_of_another_size_or_number_are_none():
    memory = ClipMemory('source')
    memory.remember(layer())
    for shape in ((1, 2, 3, 4, 5), (3, 2, 3, 4, 5), (2, 2, 3, 8, 5)):
        assert memory.recall(dict(source=torch.zeros(shape))) is None


def test_a_checkpoint_has_it():
    """Into a memory that has nothing, one of another size, and back to nothing."""
    full, given = ClipMemory('source'), layer()
    full.remember(given)
    for before in (None, layer(3)):
        memory = ClipMemory('source')
        if before is not None:
            memory.remember(before)
        memory.load_state_dict(full.state_dict())
        assert same(memory.recall(dict(source=given.frames))['source'], given)
    memory.load_state_dict(ClipMemory('source').state_dict())
    assert memory.recall(dict(source=given.frames)) is None
