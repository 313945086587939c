"""The report on an adaptation, in markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from mmdavss.evaluation.health import HealthFigures, class_drift
from mmdavss.evaluation.verdict import judge
from mmdavss.utils.errors import number_of

from .choice import Candidate, explained
from .settings import Settings


def report(
    figures: Mapping[str, HealthFigures],
    classes: Sequence[str],
    settings: Settings,
    videos: Sequence[str],
    pairs: int,
    export: str,
    trained: Sequence[str],
    candidates: Sequence[Candidate],
    chosen: int,
    command: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The text of the report.

    Args:
        figures: Health figures of the model ``before`` and ``after``.
        classes: Names of the K classes.
        settings: Options of the adaptation.
        videos: Names of the videos.
        pairs: Number of pairs of frames that the model was adapted on.
        export: Sentence about the plain mmseg export.
        trained: Names of the training stages: ``adabn``, ``adapt``.
        candidates: The checkpoints that one was chosen of, see :func:`candidates_of`.
        chosen: Iteration of the one that was chosen.
        command: The command line, if there was one.
        size: (width, height) of the frames.
        notes: What is wrong with the videos.
    """
    before, after = figures['before'], figures['after']
    judged = judge(before, after, classes)
    reasons = '\n'.join(f'- {text}' for text in judged.reasons)
    rows = [
        ('mean confidence', before.confidence, after.confidence),
        ('pixels with a confidence of 0.9 or more', before.confident, after.confident),
        ('temporal consistency, along the motion', before.consistency, after.consistency),
        ('temporal consistency, same place', before.unchanged, after.unchanged),
        ('same class in the mirrored frame', before.mirrored, after.mirrored),
    ]
    table = '\n'.join(
        f'| {name} | {100 * old:.1f} | {100 * new:.1f} | {100 * (new - old):+.1f} |'
        for name, old, new in rows
    )
    shares = '\n'.join(
        f'| {name} | {100 * old:.2f} | {100 * new:.2f} | {100 * (new - old):+.2f} |'
        for name, old, new in zip(classes, before.shares, after.shares, strict=True)
    )
    trained_for = number_of(settings.iters, 'iteration')
    if len(candidates) > 1:
        trained_for += f', of which the first {chosen} are kept'
    steps = dict(
        adabn='AdaBN (the batch-norm statistics of the videos)',
        stpl=f'STPL, {trained_for}',
        selftraining=f'self-training, {trained_for}',
    )
    done = [steps['adabn']] if 'adabn' in trained else []
    if 'adapt' in trained:
        done.append(steps[settings.method.replace('-', '')])
    choice = ''
    if len(candidates) > 1:
        choice = f'## Checkpoints\n\n{explained(candidates, chosen)}\n\n'
    typed = f'\n```shell\n{shlex.join(command)}\n```\n' if command else ''
    frames = '' if size is None else f', of {size[0]}x{size[1]}'
    missing = ''.join(f'\n**{note}.**\n' for note in notes)
    warned = (
        '\n'.join(f'- {text}' for text in judged.warnings)
        or '- None: no class collapsed or took over, halved or doubled, and predictions are about '
        'as sure and steady as before, or more so.'
    )
    return f"""# Adapted to {', '.join(videos)}

## Verdict: {judged.verdict}

{reasons}

A guess without labels; how often it is right where the truth is known says
docs/adapt_your_video.md of mmdavss. The warnings below are to be looked at in any case.
{typed}
What was done: {', then '.join(done)}; on {number_of(pairs, 'pair')} of frames{frames}, without
labels, without the data that the model was trained with.
{missing}
![input, before, after](before_after.png)

The video: [before_after.mp4](before_after.mp4).

## Warnings

{warned}

## Health, without labels

In percent, on {number_of(after.frames, 'pair')} of frames that the model was adapted on:

| | before | after | change |
|---|---:|---:|---:|
{table}

None of this says that the predictions are right. Confidence grows in every adaptation, also in a
bad one; a model that sees nothing but road is perfectly consistent. Look at the video, and label a
few frames if it matters.

*Along the motion*: each pixel is compared with the place where it was one frame before (optical
flow DIS), where that is visible.

{choice}## Classes

Share of the pixels in percent. Together {100 * class_drift(before.shares, after.shares):.1f} % of
the pixels have moved from one class to another (at least); pixel by pixel {100 * after.moved:.1f} %
have another class than before:

| class | before | after | change |
|---|---:|---:|---:|
{shares}

## Files

- `adapted.pth`, with `adapted.py`: the adapted model, for every tool of mmdavss, for example
  `python tools/video_demo.py VIDEO adapted.py adapted.pth --out OUT.mp4`.
- {export}
- `frames/`: the frames that were taken from the videos; may be deleted, like `adabn/` and `adapt/`.
"""
