"""When Reddit is asked: once for every release, and not again while a run that was interrupted goes on.

Only what lies on disk decides a corpus. Were Reddit asked anew by every start of the command, a run that was stopped
would find other dumps than it had begun with, and begin again.
"""

import dataclasses
import datetime
import hashlib
import logging

from pipeline.harvest.reddit.clock import Clock
from pipeline.harvest.reddit.harvest import Wishes, harvest
from webtext import storage

ASKED = "_reddit.json"
"""In the run's folder while Reddit has been asked and the release is not there yet."""

log = logging.getLogger("webtext")


def begin(wishes: Wishes, folder: str, run: str, before: datetime.date, contact: str = "", name: str = "") -> None:
    """Harvest, unless this run has done so since its last release.

    folder: where the dumps go. run: the run's folder. before: the cut-off, to tell when it makes new posts useless.
    name: the round's; under a new one Reddit is asked though there was no release.
    Raises UserError as `harvest` does.
    """
    asked = [dataclasses.asdict(wishes), folder, *([name] if name else [])]
    wanted = hashlib.sha256(storage.json_bytes(asked)).hexdigest()
    mark = storage.join(run, ASKED)
    if storage.exists(mark) and storage.read_json(mark) == wanted:
        log.info("%-11swas asked when this run began, which now goes on", "reddit")
        return
    clock = Clock()
    if datetime.datetime.fromtimestamp(clock.now(), datetime.UTC).date() >= before:
        log.warning(
            "harvest.before is %s: no post that was made since then counts; give a later day to use new ones.", before
        )
    harvest(wishes, folder, contact, clock)
    storage.write_json(run, ASKED, wanted)


def end(run: str) -> None:
    """The release is there: the next run asks again."""
    storage.remove(storage.join(run, ASKED))
