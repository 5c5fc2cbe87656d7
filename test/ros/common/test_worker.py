"""The worker processes the newest message of each source; errors do not end its thread."""

from __future__ import annotations

import gc
import threading
import time
import weakref

from opendr_har_ros.common.worker import NewestFirstWorker

LONG = 10.0


class Work:
    """Blocks on every message until released."""

    def __init__(self):
        self.done, self.errors = [], []
        self.started, self.release = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, batch):
        (message,) = batch.values()
        self.started.release()
        assert self.release.acquire(timeout=LONG)
        if message == "bad":
            raise ValueError("a bad message")
        self.done.append(message)


def fail(batch, error):
    raise AssertionError(f"{batch}: {error}")


def test_the_newest_message_replaces_the_waiting_one():
    work = Work()
    worker = NewestFirstWorker(work, lambda batch, error: work.errors.append((dict(batch), str(error))))
    assert worker.put(1) is False
    assert work.started.acquire(timeout=LONG)
    assert [worker.put(number) for number in (2, 3, 4)] == [False, True, True]
    work.release.release()
    assert work.started.acquire(timeout=LONG)
    work.release.release()
    worker.stop()
    assert work.done == [1, 4]


def test_a_few_messages_can_wait_for_a_slow_one():
    work = Work()
    worker = NewestFirstWorker(work, fail, slots=3)
    worker.put(1)
    assert work.started.acquire(timeout=LONG)
    assert [worker.put(number) for number in (2, 3, 4, 5)] == [False, False, False, True]
    work.release.release(4)
    assert [work.started.acquire(timeout=LONG) for _ in range(3)] == [True] * 3
    worker.stop()
    assert work.done == [1, 3, 4, 5]


def test_a_late_message_does_not_replace_the_waiting_one():
    work = Work()
    worker = NewestFirstWorker(work, fail, is_late=lambda message, waiting: waiting - 5 < message < waiting)
    worker.put(1)
    assert work.started.acquire(timeout=LONG)
    assert [worker.put(number) for number in (20, 17, 21, 18)] == [False, True, True, True]
    work.release.release(2)
    assert work.started.acquire(timeout=LONG)
    worker.put(3)  # too old to be late
    assert work.started.acquire(timeout=LONG)
    work.release.release()
    worker.stop()
    assert work.done == [1, 21, 3]


def test_a_failing_message_is_reported_and_the_next_one_is_processed():
    work = Work()
    worker = NewestFirstWorker(work, lambda batch, error: work.errors.append((dict(batch), str(error))))
    for message in ("bad", "good"):
        worker.put(message)
        assert work.started.acquire(timeout=LONG)
        work.release.release()
    worker.stop()
    assert work.errors == [({"": "bad"}, "a bad message")]
    assert work.done == ["good"]


def test_a_paused_worker_processes_nothing_although_messages_arrive():
    work = Work()
    worker = NewestFirstWorker(work, lambda batch, error: work.errors.append((dict(batch), str(error))))
    worker.put("current")
    assert work.started.acquire(timeout=LONG)
    worker.put("waiting")
    threading.Timer(0.1, work.release.release).start()
    with worker.paused():
        assert work.done == ["current"]
        assert worker.flush() == [""]
        assert worker.flush() == []
        worker.put("after")
        assert not work.started.acquire(timeout=0.1)
    assert work.started.acquire(timeout=LONG)
    work.release.release()
    worker.stop()
    assert work.done == ["current", "after"]


def test_active_sources_share_a_batch_and_the_wait_for_a_silent_one_is_limited():
    batches, seen = [], threading.Semaphore(0)

    def work(batch):
        batches.append(dict(batch))
        seen.release()

    worker = NewestFirstWorker(work, fail, wait_sec=0.2)
    for source in ("front", "rear"):  # both are active from here on
        worker.put(0, source)
    while not any("rear" in batch for batch in batches):
        assert seen.acquire(timeout=LONG)
    del batches[:]
    worker.put(1, "front")
    worker.put(1, "rear")
    assert seen.acquire(timeout=LONG)
    assert batches == [{"front": 1, "rear": 1}]
    begun = time.monotonic()
    worker.put(2, "front")  # the rear source has stopped
    assert seen.acquire(timeout=LONG)
    assert batches[1:] == [{"front": 2}]
    assert time.monotonic() - begun > 0.15
    worker.stop()


def test_waiting_for_a_slow_source_drops_no_message_of_a_fast_one():
    done, batches = threading.Semaphore(0), []

    def work(batch):
        batches.append(dict(batch))
        done.release()

    worker = NewestFirstWorker(work, fail, wait_sec=LONG)
    worker.put(0, "slow")  # is active from here on
    assert done.acquire(timeout=LONG)
    replaced = []
    for number in range(1, 6):
        replaced.append(worker.put(number, "quick"))
        time.sleep(0.03)
    while len(batches) < 5:
        assert done.acquire(timeout=LONG)
    worker.stop()
    assert not any(replaced)
    assert batches == [{"slow": 0}, *({"quick": number} for number in range(1, 5))]


def test_an_error_callback_that_fails_does_not_end_the_thread(capsys):
    work = Work()

    def broken(batch, error):
        raise OSError("no log")

    worker = NewestFirstWorker(work, broken)
    for message in ("bad", "good"):
        worker.put(message)
        assert work.started.acquire(timeout=LONG)
        work.release.release()
    worker.stop()
    assert work.done == ["good"]
    assert "no log" in capsys.readouterr().err


def test_only_the_newest_of_each_source_waits():
    batches, started, release = [], threading.Event(), threading.Event()

    def work(batch):
        batches.append(dict(batch))
        started.set()
        assert release.wait(LONG)

    worker = NewestFirstWorker(work, fail)
    worker.put(0, "front")
    assert started.wait(LONG)
    replaced = [worker.put(number, source) for number, source in ((1, "front"), (1, "rear"), (2, "front"))]
    assert replaced == [False, False, True]
    release.set()
    while len(batches) < 2:
        time.sleep(0.01)
    worker.stop()
    assert batches[1] == {"front": 2, "rear": 1}


def test_a_processed_message_is_released():
    class Message:
        pass

    done = threading.Event()
    worker = NewestFirstWorker(lambda batch: done.set(), fail)
    message = Message()
    seen = weakref.ref(message)
    worker.put(message)
    del message
    assert done.wait(LONG)
    with worker.paused():
        gc.collect()
    assert seen() is None
    worker.stop()


def test_stopping_an_idle_worker_ends_its_thread():
    before = threading.active_count()
    worker = NewestFirstWorker(lambda batch: None, fail)
    worker.stop()
    assert threading.active_count() == before


def test_work_that_is_due_is_done_without_a_message():
    due, done = [], threading.Event()

    def work(batch):
        assert not batch
        due.clear()
        done.set()

    worker = NewestFirstWorker(work, fail, due_sec=lambda: due[0] - time.monotonic() if due else None)
    for wait_sec in (0.0, 0.1):
        due.append(time.monotonic() + wait_sec)
        worker.wake()
        assert done.wait(LONG)
        done.clear()
    worker.stop()
