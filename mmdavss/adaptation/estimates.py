"""How long an adaptation takes: guessed from one frame, then measured in training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from .recipes import checkpoint_iterations
from .settings import Settings

#: Rough cost of a pair of frames in one training iteration, in predictions of a frame.
COSTS = {'adabn': 3.0, 'stpl': 12.0, 'self-training': 8.0}


def guessed_seconds(
    settings: Settings, frame: float, lengths: Sequence[int], adabn_iters: int
) -> dict[str, float]:
    """Estimated seconds of each step.

    Args:
        settings: Options of the adaptation.
        frame: Seconds to predict one frame.
        lengths: Number of frames of each video.
        adabn_iters: Iterations of AdaBN that this network gets.
    """
    pairs = sum(min(settings.pairs, length - 1) for length in lengths)
    once = frame * min(settings.batch_size, pairs)
    preview = min(settings.preview, lengths[0])
    candidates = 1 if settings.method == 'adabn' else len(checkpoint_iterations(settings.iters))
    # Of each pair a model predicts both frames, and the later one mirrored.
    health = min(settings.checked, pairs) * 3 * (1 + candidates) * frame
    steps = dict(health=health, preview=preview * 2 * frame)
    if adabn_iters:
        steps['adabn'] = adabn_iters * once * COSTS['adabn']
    if settings.method != 'adabn':
        steps['adapt'] = settings.iters * once * COSTS[settings.method]
    return steps


class TimeLeft:
    """Remaining seconds of each unfinished step.

    Args:
        steps: Estimated seconds of each step.
    """

    def __init__(self, steps: Mapping[str, float]) -> None:
        self.steps = dict(steps)
        self.guesses = dict(steps)

    def total(self) -> float:
        """Remaining seconds of all steps."""
        return sum(self.steps.values())

    def done(self, step: str) -> None:
        """Marks a step as finished."""
        self.steps.pop(step, None)

    def measured(self, step: str, whole: float, left: float) -> None:
        """Replaces the estimate of a step by a measurement.

        Args:
            step: Its name.
            whole: Seconds of the whole step.
            left: Seconds of its remainder.
        """
        self.steps[step] = left
        if step == 'adabn' and 'adapt' in self.steps:
            # The same network: the other estimate was wrong by the same factor.
            self.steps['adapt'] = self.guesses['adapt'] * whole / max(self.guesses[step], 1e-9)


class TrainingProgressHook(Hook):
    """Shows iterations on a progress bar, with the time left until everything is finished.

    Args:
        bar: The progress bar.
        step: Name of this training in `left`.
        left: Remaining time of all steps; updated with the measured time per iteration.
    """

    #: The first iterations are slower: workers start, memory is allocated.
    WARM, MEASURED = 1, 4

    def __init__(self, bar: tqdm, step: str, left: TimeLeft) -> None:
        self.bar = bar
        self.step = step
        self.left = left
        self.first = 0
        self.began = 0.0

    def before_train(self, runner: Runner) -> None:
        self.bar.update(runner.iter)  # iterations before a resumed run
        self.first = runner.iter

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        self.bar.update()
        now, count = time.monotonic(), runner.iter + 1 - self.first
        if count == self.WARM:
            self.began = now
        if count < self.MEASURED:
            return
        each = (now - self.began) / (count - self.WARM)
        self.left.measured(
            self.step, each * runner.max_iters, each * (runner.max_iters - runner.iter - 1)
        )
        self.bar.set_postfix_str(f'{duration(self.left.total())} to the report', refresh=False)
        if count == self.MEASURED:
            tqdm.write(
                f'{self.bar.desc.rstrip(": ")}: {each:.2g} s for an iteration; '
                f'{duration(self.left.total())} to the report.'
            )

    def after_train(self, runner: Runner) -> None:
        self.left.done(self.step)


def duration(seconds: float) -> str:
    """A time in words, with the precision of an estimate: "about 5 min"."""
    if seconds < 10:
        return 'a few seconds'
    if seconds < 90:
        return f'about {10 * round(seconds / 10)} s'
    if seconds < 90 * 60:
        return f'about {round(seconds / 60)} min'
    return f'about {seconds / 3600:.1f} h'
