"""The `webtext` command as an Airflow task.

What the command says becomes the task's log, what it prints its result. A failure becomes the task's exception, with
the command's own sentence:

    exit code 2           a person must mend it: the task fails and is not tried again
    any other, a signal   the task is tried again, and the same command goes on where it ended

Links that failed or were deferred are data: the command ends with 0.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from webtext_airflow import settings
from webtext_airflow.child import USER_ERROR, Child, Ended

OWN = ("AIRFLOW_", "_AIRFLOW_", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables of Airflow's that a command has no use for; among them are its secrets."""


class WebtextOperator(BaseOperator):
    """Call `webtext`.

    arguments: the command line behind `webtext`; lists in it are laid flat, so that results of tasks may stand there.
    processes: how many `torchrun` starts; 1: without it. secrets: variables for the command alone, asked for when it
    starts; they are shown nowhere.
    """

    template_fields: Sequence[str] = ("arguments", "processes")
    ui_color = "#f4efe2"

    def __init__(
        self,
        *,
        arguments: Any,
        processes: Any = 1,
        secrets: Callable[[], Mapping[str, str]] | None = None,
        **operator: Any,
    ) -> None:
        super().__init__(**operator)
        self.arguments = arguments
        self.processes = processes
        self._secrets = secrets
        self._child: Child | None = None

    def execute(self, context: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Run it; returns what it printed."""
        command = [*launcher(int(self.processes)), *laid_flat(self.arguments)]
        self.log.info("%s", " ".join(command))
        ended = run(command, to_log, self._secrets() if self._secrets else {}, self._hold)
        return ended.result

    def _hold(self, child: Child) -> None:
        self._child = child

    def on_kill(self) -> None:
        """The task is stopped, by a person or by its timeout: so is the command, which saves first."""
        if self._child is not None:
            self._child.stop()


def run(
    command: Sequence[str],
    say: Callable[[int, str], None],
    secrets: Mapping[str, str] | None = None,
    hold: Callable[[Child], None] | None = None,
) -> Ended:
    """Run a command to its end. hold: is given the child as soon as it is there.

    Raises AirflowFailException for what a person must mend, AirflowException for what may go better the next time.
    """
    if shutil.which(command[0]) is None:
        raise AirflowFailException(
            f"there is no {command[0]} that can be run; call make setup there, or set WEBTEXT_COMMAND for the workers."
        )
    child = Child(
        [*command, "--log-format", "json"],
        settings.found_in().directory,
        {name: value for name, value in os.environ.items() if not name.startswith(OWN)} | dict(secrets or {}),
    )
    if hold is not None:
        hold(child)
    try:
        ended = child.wait(say)
    except BaseException:
        child.stop()
        raise
    if ended.code == 0:
        return ended
    if ended.code == USER_ERROR:
        raise AirflowFailException(ended.reason)
    how = "was stopped" if child.stopped else f"ended with exit code {ended.code}"
    raise AirflowException(f"{Path(command[0]).name} {how}: {ended.reason}")


def to_log(level: int, line: str) -> None:
    """Say something in the log of the task that runs."""
    logging.getLogger("airflow.task").log(level, "%s", line)


def launcher(processes: int = 1) -> list[str]:
    """What stands before the name of a command of webtext's."""
    webtext = settings.found_in().command
    if processes == 1:
        return [webtext]
    return [str(Path(webtext).with_name("torchrun")), "--standalone", f"--nproc-per-node={processes}", webtext]


def laid_flat(arguments: Any) -> list[str]:
    """Arguments in lists of any depth -> one list."""
    if isinstance(arguments, str):
        return [arguments]
    if isinstance(arguments, Iterable):
        return [each for argument in arguments for each in laid_flat(argument)]
    return [str(arguments)]
