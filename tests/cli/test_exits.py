"""How commands end that are interrupted: one line, 128 + the number; at once if repeated."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from mmdavss.cli.exits import exit_status, one_line, usage_error
from mmdavss.launch.faults import explain
from mmdavss.utils.errors import UserError

FORK = multiprocessing.get_context('fork')
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers():
    """A command that was interrupted ends its process; this one goes on."""
    numbers = (*SIGNALS, signal.SIGUSR1, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers[:3]:  # a shell may have it ignored in the background
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def ends(tmp_path: Path) -> Callable[..., tuple[int, str, float]]:
    """Runs a function in a process: its exit code, what it says on stderr, and its seconds."""

    def child(work: Callable[[], None], file: Path) -> None:
        with file.open('wb') as out:
            os.dup2(out.fileno(), 2)
        sys.stderr = os.fdopen(2, 'w', buffering=1, closefd=False)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()

    def run(work: Callable[[], None]) -> tuple[int, str, float]:
        began = time.monotonic()
        process = FORK.Process(target=child, args=(work, tmp_path / 'stderr'))
        process.start()
        process.join(30)
        text = (tmp_path / 'stderr').read_text()
        return process.exitcode, text, time.monotonic() - began

    return run


@pytest.mark.parametrize('number', SIGNALS)
def test_one_line(number, ends):
    def work() -> None:
        with one_line('goes on'):
            signal.raise_signal(number)

    assert ends(work)[:2] == (128 + number, '\ngoes on\n')


@pytest.mark.parametrize('number', SIGNALS)
def test_exit_status(number, capfd):
    assert exit_status(lambda: signal.raise_signal(number), 'goes on') == 128 + number
    assert capfd.readouterr().err == '\ngoes on\n'


def test_what_fails_because_of_it(ends):
    def work() -> None:
        with one_line('goes on'):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                raise RuntimeError('a process of a pool is gone')

    assert ends(work)[:2] == (143, '\ngoes on\n')


@pytest.mark.parametrize('where', ['block', 'end'])
def test_twice(where, ends, tmp_path):
    """Also while it cleans up, and when it has said its line."""

    def work() -> None:
        with contextlib.ExitStack() as stack:
            if where == 'end':
                stack.callback(signal.raise_signal, signal.SIGINT)
            with one_line('goes on'):
                try:
                    signal.raise_signal(signal.SIGINT)
                finally:
                    if where == 'block':
                        signal.raise_signal(signal.SIGINT)
                    (tmp_path / 'cleaned up').touch()

    assert ends(work)[:2] == (130, '\ngoes on\n')
    assert (tmp_path / 'cleaned up').exists() == (where == 'end')


def test_twice_ends_the_children_first(ends, tmp_path):
    started = FORK.Event()

    def sleep() -> None:
        started.set()
        time.sleep(60)

    def work() -> None:
        with one_line('goes on'):
            child = FORK.Process(target=sleep)
            child.start()
            # Python drops what a signal handler raises while a process is being forked.
            started.wait()
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)
                child.join()
                (tmp_path / 'cleaned up').touch()

    code, text, seconds = ends(work)
    assert (code, text) == (130, '\ngoes on\n') and seconds < 20
    assert (tmp_path / 'cleaned up').exists()


def test_another_signal_does_not_hurry(ends, tmp_path):
    """A terminal says SIGINT to all, and then the parent SIGTERM to its child."""

    def work() -> None:
        with one_line('goes on'):
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGTERM)
                (tmp_path / 'cleaned up').touch()

    assert ends(work)[:2] == (130, '\ngoes on\n')
    assert (tmp_path / 'cleaned up').exists()


def test_handlers_are_given_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with one_line():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    with pytest.raises(SystemExit, match='wrong'), one_line():
        raise UserError('wrong')
    assert [signal.getsignal(number) for number in SIGNALS] == before
    # Of a launcher, or a hook: left alone.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with one_line():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_a_process_that_is_gone_is_no_mistake_of_the_program():
    assert '--workers' in explain(BrokenProcessPool('terminated abruptly'))


@pytest.mark.parametrize(
    ('rank', 'local', 'says'),
    [
        ('0', '0', 'usage: tool [-h]\ntool: error: no such disk\n'),
        ('1', '1', ''),
        ('4', '0', 'error on node-b: no such disk\n'),
    ],
)
def test_each_machine_says_what_it_lacks(rank, local, says, monkeypatch, capsys):
    monkeypatch.setenv('RANK', rank)
    monkeypatch.setenv('LOCAL_RANK', local)
    monkeypatch.setattr('platform.node', lambda: 'node-b')
    with pytest.raises(SystemExit) as end, usage_error(argparse.ArgumentParser('tool')):
        raise UserError('no such disk')
    assert end.value.code == 2
    assert capsys.readouterr().err == says
