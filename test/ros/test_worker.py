"""Newest message first: what waits is replaced, what fails does not stop the thread."""

from __future__ import annotations

import gc
import threading
import weakref

from opendr_har_ros.log import SparseLog
from opendr_har_ros.worker import NewestFirstWorker

LONG = 10.0


class Work:
    """Blocks in every message until released."""

    def __init__(self):
        self.done, self.errors = [], []
        self.started, self.release = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, message):
        self.started.release()
        assert self.release.acquire(timeout=LONG)
        if message == "bad":
            raise ValueError("a bad message")
        self.done.append(message)


def test_messages_that_wait_make_room_for_the_newest_and_are_counted():
    work = Work()
    worker = NewestFirstWorker(work, work.errors.append)
    assert worker.put(1) is False
    assert work.started.acquire(timeout=LONG)
    assert [worker.put(number) for number in (2, 3, 4)] == [False, True, True]
    work.release.release()
    assert work.started.acquire(timeout=LONG)
    work.release.release()
    worker.stop()
    assert work.done == [1, 4]


def test_a_failing_message_is_reported_and_the_next_one_is_worked_on():
    work = Work()
    worker = NewestFirstWorker(work, work.errors.append)
    for message in ("bad", "good"):
        worker.put(message)
        assert work.started.acquire(timeout=LONG)
        work.release.release()
    worker.stop()
    assert [str(error) for error in work.errors] == ["a bad message"]
    assert work.done == ["good"]


def test_after_a_flush_nothing_that_came_before_is_worked_on():
    work = Work()
    worker = NewestFirstWorker(work, work.errors.append)
    worker.put("at hand")
    assert work.started.acquire(timeout=LONG)
    worker.put("waiting")
    threading.Timer(0.1, work.release.release).start()
    assert worker.flush() is True
    assert work.done == ["at hand"]
    assert worker.flush() is False
    worker.put("after")
    assert work.started.acquire(timeout=LONG)
    work.release.release()
    worker.stop()
    assert work.done == ["at hand", "after"]


def test_a_finished_message_is_let_go():
    class Message:
        pass

    done = threading.Event()
    worker = NewestFirstWorker(lambda message: done.set(), lambda error: None)
    message = Message()
    seen = weakref.ref(message)
    worker.put(message)
    del message
    assert done.wait(LONG)
    worker.flush()
    gc.collect()
    assert seen() is None
    worker.stop()


def test_stopping_an_idle_worker_ends_its_thread():
    before = threading.active_count()
    worker = NewestFirstWorker(lambda message: None, lambda error: None)
    worker.stop()
    assert threading.active_count() == before


def test_a_sparse_log_says_less_and_less_and_keeps_the_count():
    lines = []
    log = SparseLog(lines.append)
    for _ in range(250):
        log("kind", "broken")
    log("other", "broken too")
    assert lines == ["broken", "broken (10 times by now)", "broken (100 times by now)", "broken too"]
