"""What is no news: threads of Beam that lose their connection to a job server when it is stopped."""

import contextlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def broken_connections_unheard() -> Iterator[None]:
    """Have no traceback printed when a thread ends for a broken connection while the block runs.

    Beam leaves such threads behind after every pipeline, and Python prints what ends a thread. A pipeline's own failure
    is raised where it is waited for.
    """
    before = threading.excepthook

    def hear(news: threading.ExceptHookArgs) -> None:
        if not news.exc_type.__module__.startswith("grpc"):
            before(news)

    threading.excepthook = hear
    try:
        yield
    finally:
        threading.excepthook = before
