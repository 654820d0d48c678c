"""A child's work that the stage's tests can foresee: the record itself says what becomes of it."""

import dataclasses
import os
import re
import sys
import time
import uuid
from pathlib import Path

from pipeline.extract.task import Page, Text, counted
from pipeline.ledger import Ending, Reason, dropped


@dataclasses.dataclass(frozen=True)
class StandIn:
    """Obey the record: `verb argument`. Leaves a file for each page in `traces`, when there is such a folder.

    seconds: how long each page takes.
    """

    traces: str = ""
    seconds: float = 0

    def __call__(self, page: Page) -> Text | Ending:
        """Do as the record says."""
        if self.traces:
            (Path(self.traces) / uuid.uuid4().hex).write_text(page.url)
        time.sleep(self.seconds)
        verb, _, argument = page.record.decode().partition(" ")
        match verb:
            case "text":
                return counted(argument.strip(), "", "en", 0.5)
            case "titled":
                return counted(argument.strip(), "A title", "en", 0.5)
            case "short":
                return dropped(Reason.TOO_SHORT, "3 words")
            case "hang":
                re.match(r"(a+)+$", "a" * 64 + "b")
            case "crash":
                os._exit(3)
            case "raise":
                raise ValueError(f"at <object at {hex(id(page))}>")
            case "nap":
                time.sleep(float(argument))
        return counted(f"{verb} is over", "", "en", 1.0)


def modules_of_a_child(page: Page) -> list[str]:
    """What a child has imported."""
    return sorted(sys.modules)
