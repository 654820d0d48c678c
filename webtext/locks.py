"""One command at a time in a run directory."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from webtext.errors import UserError
from webtext.filesystems import is_local, locate

LOCK = ".lock"


@contextlib.contextmanager
def only_one(folder: str) -> Iterator[None]:
    """Hold a run directory; the system lets go of it when the process ends, however it ends.

    Raises UserError where another process holds it. On a remote file system there is nothing to hold.
    """
    if not is_local(folder):
        yield
        return
    _, location = locate(folder)
    try:
        Path(location).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(Path(location) / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another place with output.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another webtext works in {folder}; wait for its end or choose another output.") from None
        yield
    finally:
        os.close(descriptor)
