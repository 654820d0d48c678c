"""Reddit: whether there are credentials, and whether Reddit takes them. None is ever shown."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.doctor.findings import Finding, ok, problem, warning
from pipeline.harvest.reddit import credentials
from pipeline.harvest.reddit.asking import Asker, RefusedError, UnavailableError
from pipeline.harvest.reddit.clock import Clock
from pipeline.harvest.reddit.credentials import Hiding, Settings
from pipeline.harvest.reddit.sources import Source
from webtext.errors import UserError

LIBRARIES = ("prawcore", "praw", "urllib3.connectionpool")


class Access(NamedTuple):
    """What came of asking. missing: a sentence about what the user must mend; refused: half a sentence about the
    source that was asked; silent: half a sentence about Reddit, which gave nothing."""

    source: str = ""
    missing: str = ""
    refused: str = ""
    silent: str = ""


def look(source: Source, contact: str) -> Access:
    """Ask for one post of a source, once."""
    try:
        settings = credentials.find(contact)
        with _hidden(settings), credentials.connect(settings) as reddit:
            Asker(reddit, Clock(), waits=()).listing(source.path("new"), {"limit": 1})
    except UserError as error:
        return Access(str(source), missing=str(error))
    except RefusedError as error:
        return Access(str(source), refused=str(error))
    except UnavailableError as error:
        return Access(str(source), silent=str(error))
    return Access(str(source))


@contextlib.contextmanager
def _hidden(settings: Settings) -> Iterator[None]:
    """Libraries' messages without secrets."""
    hiding = Hiding(settings.secrets)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    for logger in loggers:
        logger.addFilter(hiding)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hiding)


def check(access: Access) -> Finding:
    """Whether new posts can be had."""
    if access.missing:
        return problem("reddit", access.missing)
    if access.silent:
        return problem("reddit", f"{access.silent}: look at the way to the net, and try again later.")
    if access.refused:
        return warning("reddit", f"{access.source} would be passed over, {access.refused}: correct harvest.reddit.")
    return ok("reddit", f"takes the credentials, and shows {access.source}.")


Look = Callable[[Source, str], Access]
