import threading

import pytest

from quotas.engine.combiner import Combiner


class Recorder:
    """Batches as they were run; the first one waits until it is told to go on."""

    def __init__(self):
        self.batches = []
        self.started = threading.Event()
        self.go_on = threading.Event()

    def run(self, asks):
        self.batches.append(list(asks))
        self.started.set()
        assert self.go_on.wait(10)
        return [ValueError(ask) if ask == "bad" else ask.upper() for ask in asks]


def submit_all(combiner, asks):
    """Submit from a thread each; returns answers by ask once all have ended."""
    answers = {}

    def submit(ask):
        try:
            answers[ask] = combiner.submit(ask)
        except ValueError as error:
            answers[ask] = error

    threads = [threading.Thread(target=submit, args=(ask,)) for ask in asks]
    for thread in threads:
        thread.start()
    return threads, answers


def wait_for(condition):
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("did not come to be")


def run_with_one_leading(asks, *, max_batch=256):
    """`first` leads alone while `asks` come to wait behind it."""
    recorder = Recorder()
    combiner = Combiner(recorder.run, max_batch=max_batch)
    first, first_answers = submit_all(combiner, ["first"])
    assert recorder.started.wait(10)
    rest, answers = submit_all(combiner, asks)
    wait_for(lambda: len(combiner._waiting) == len(asks))
    recorder.go_on.set()
    for thread in first + rest:
        thread.join(10)
        assert not thread.is_alive()
    return recorder.batches, answers | first_answers


def test_a_lone_caller_is_its_own_batch():
    recorder = Recorder()
    recorder.go_on.set()
    assert Combiner(recorder.run).submit("a") == "A"
    assert recorder.batches == [["a"]]


def test_callers_who_wait_together_are_one_batch():
    batches, answers = run_with_one_leading(["a", "b", "c", "d"])
    assert [sorted(batch) for batch in batches] == [["first"], ["a", "b", "c", "d"]]
    assert answers == {"first": "FIRST", "a": "A", "b": "B", "c": "C", "d": "D"}


def test_a_batch_has_a_largest_size():
    batches, answers = run_with_one_leading([f"ask {i}" for i in range(10)], max_batch=4)
    assert [len(batch) for batch in batches] == [1, 4, 4, 2]
    assert len(answers) == 11


def test_one_failure_is_its_callers_alone():
    _, answers = run_with_one_leading(["a", "bad", "c"])
    assert answers["a"] == "A"
    assert answers["c"] == "C"
    assert isinstance(answers["bad"], ValueError)


def test_a_batch_that_fails_fails_for_all_in_it_and_for_nobody_after():
    fail = True

    def run(asks):
        if fail:
            raise ValueError("whole batch")
        return asks

    combiner = Combiner(run)
    with pytest.raises(ValueError, match="whole batch"):
        combiner.submit("a")
    fail = False
    assert combiner.submit("b") == "b"


def test_nobody_is_left_waiting_by_an_interrupted_leader():
    """A leader whose thread is interrupted still hands over."""

    def run(asks):
        if asks == ["first"]:
            raise KeyboardInterrupt
        return asks

    combiner = Combiner(run)
    with pytest.raises(KeyboardInterrupt):
        combiner.submit("first")
    assert combiner.submit("second") == "second"


def test_nobody_is_left_waiting_however_callers_come_and_go():
    """Callers that ask again at once, and callers that ask once: each gets its answer, and the lead is free after."""
    combiner = Combiner(lambda asks: [ask + 1 for ask in asks], max_batch=5)
    wrong = []

    def ask(times):
        wrong.extend(n for n in range(times) if combiner.submit(n) != n + 1)

    threads = [threading.Thread(target=ask, args=(200 if n % 2 else 1,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert wrong == []
    assert combiner.submit(1) == 2
