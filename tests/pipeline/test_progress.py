"""Whoever listens hears every advance once; nobody has to."""

import threading

from pipeline import progress


def test_nobody_listens() -> None:
    progress.advance("documents", 3)


def test_listeners_hear_while_they_listen() -> None:
    heard: list[tuple[str, int]] = []
    also: list[tuple[str, int]] = []
    with progress.listening(lambda stage, done: heard.append((stage, done))):
        progress.advance("documents")
        with progress.listening(lambda stage, done: also.append((stage, done))):
            progress.advance("pages", 5)
        progress.advance("pages", 0)
    progress.advance("documents")
    assert heard == [("documents", 1), ("pages", 5)]
    assert also == [("pages", 5)]


def test_threads_do_not_lose_counts() -> None:
    total = 0

    def add(stage: str, done: int) -> None:
        nonlocal total
        total += done

    with progress.listening(add):
        threads = [threading.Thread(target=advance_often) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert total == 20_000


def advance_often() -> None:
    for _ in range(5000):
        progress.advance("documents")
