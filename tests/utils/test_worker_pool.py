"""A pool of processes whose main process is interrupted or killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from mmdavss.utils.worker_pool import WorkerPool

FORK = multiprocessing.get_context('fork')  # quick: 'spawn' imports torch


def test_tasks():
    with WorkerPool(2, FORK, os.chdir, ('/',)) as pool:
        assert pool.submit(os.getcwd).result() == '/'
        assert list(pool.map(abs, [-1, 2, -3], 2)) == [1, 2, 3]


@pytest.mark.parametrize(('chosen', 'used'), [(None, '1'), ('3', '3')])
def test_threads_of_each(chosen, used, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    if chosen is not None:
        monkeypatch.setenv('OMP_NUM_THREADS', chosen)
    with WorkerPool(2, FORK) as pool:
        assert pool.submit(os.getenv, 'OMP_NUM_THREADS').result() == used
    assert os.getenv('OMP_NUM_THREADS') == chosen


def test_what_has_not_begun_is_left_out():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), WorkerPool(1, FORK) as pool:
        for _ in range(40):
            pool.submit(time.sleep, 0.5)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 10


def test_a_terminal_does_not_interrupt_it():
    with WorkerPool(1, FORK) as pool:
        process = pool.submit(os.getpid).result()
        os.kill(process, signal.SIGINT)
        assert pool.submit(os.getpid).result() == process
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def hold(numbers: multiprocessing.Queue) -> None:
    with WorkerPool(1, FORK) as pool:
        numbers.put(pool.submit(os.getpid).result())
        time.sleep(60)


def test_it_ends_with_a_main_process_that_is_killed():
    numbers = FORK.Queue()
    main = FORK.Process(target=hold, args=(numbers,))
    main.start()
    worker = numbers.get(timeout=30)
    main.kill()
    main.join()
    for _ in range(100):
        try:
            with open(f'/proc/{worker}/stat') as file:
                ended = file.read().rpartition(')')[2].split()[0] == 'Z'
        except FileNotFoundError:
            ended = True
        if ended:
            return
        time.sleep(0.1)
    pytest.fail('the worker goes on')
