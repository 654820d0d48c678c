"""## One month of Reddit, one release

`2013-05` is the partition, and the run `RELEASES/2013-05`. Each task is a stage of `webtext corpus` in that run: it can
be cleared or tried again by itself, and goes on where it ended. What is finished and unchanged is left as it is.

Before the stages: `plan` says what the commands are called with, `wait_for_dump` looks for `RS_2013-05` every six
hours, and `check_dump` reads it whole once. After them `announce` tells of the release, which begins
`webtext_training`.

A release holds nothing that an earlier one holds: `dedup` compares it with those of all months from `first_month` on,
and `wait_for_earlier_months` waits until they are finished. So a backfill may take several months at a time, and a
month that failed holds up the later ones until it is mended. Everything before `dedup` does not wait.

By hand, without a partition, the param `month` names the month.
"""

import json
import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import CronPartitionTimetable, Param, chain, dag, task
from airflow.sdk.exceptions import AirflowFailException
from webtext_airflow import calling, defaults, releases, settings
from webtext_airflow.assets import CORPUS
from webtext_airflow.calling import WebtextOperator
from webtext_airflow.defaults import CORPUS_POOL, RUNNERS, WEB_POOL
from webtext_airflow.releases import MONTH, NotReadyError

FOUND = settings.found_in()


@dag(
    schedule=CronPartitionTimetable("0 0 1 * *", timezone="UTC", run_offset=-1, key_format="%Y-%m"),
    start_date=releases.begin(FOUND.first_month),
    end_date=releases.begin(releases.following(FOUND.last_month)) if FOUND.last_month else None,
    catchup=False,
    max_active_runs=16,  # one alone that waits for an earlier month would keep that from being mended
    dagrun_timeout=timedelta(days=90),
    default_args=defaults.default_args(FOUND, CORPUS_POOL),
    doc_md=__doc__,
    tags=["webtext", "corpus"],
    params={
        "month": Param(None, type=["string", "null"], pattern=MONTH, description="2013-05; the partition otherwise"),
        "config": defaults.path(FOUND.corpus_config, "The config of the release"),
        "overrides": defaults.overrides('fetch.archives=["archives/{month}/*.warc.gz"]; {month} is filled in'),
        "releases": defaults.path(FOUND.releases, "Where the months' runs lie"),
        "dumps": defaults.path(FOUND.dumps, "The folder of the monthly dumps"),
        "first_month": Param(FOUND.first_month, type="string", pattern=MONTH, description="Where the releases begin"),
        "against": Param([], type="array", items={"type": "string"}, description="Other releases, as dedup.against"),
        "runner": Param(
            None, enum=[None, *RUNNERS], description="webtext corpus --runner; as the config says otherwise"
        ),
    },
)
def webtext_corpus_monthly() -> None:
    """A month's posts -> a release."""

    @task(multiple_outputs=True)
    def plan(params: dict[str, Any], partition_key: str | None = None) -> dict[str, Any]:
        """#### What the other tasks are called with

        The month, its run, and the earlier releases: all months from `first_month` on.
        """
        month = params["month"] or partition_key
        if not month:
            raise AirflowFailException("this run has no partition; give the param month, for example 2013-05.")
        try:
            earlier = releases.earlier(params["releases"], params["first_month"], month)
        except NotReadyError as error:
            raise AirflowFailException(str(error)) from None
        run = releases.run_of(params["releases"], month)
        dumps = f"{params['dumps'].rstrip('/')}/RS_*{month}*"
        own = [
            f"output={run}",
            f"harvest.dumps={json.dumps([dumps])}",
            f"harvest.before={releases.following(month)}-01",
        ]
        runner = ["--runner", params["runner"]] if params["runner"] else []
        changed = [override.replace("{month}", month) for override in params["overrides"]]
        return {
            "month": month,
            "all_dumps": f"{params['dumps'].rstrip('/')}/RS_*",
            "dumps": dumps,
            "corpus": [*defaults.options(params["config"], *changed, *own), *runner],
            "earlier": earlier,
            "against": ["--set", f"dedup.against={json.dumps([*params['against'], *earlier])}"],
            "release": releases.release_of(run),
        }

    @task.sensor(
        mode="reschedule", poke_interval=timedelta(hours=6), timeout=timedelta(days=80).total_seconds(), pool=WEB_POOL
    )
    def wait_for_dump(month: str, dumps: str) -> bool:
        """#### Whether the month's dump is there: `webtext dumps --missing`"""
        command = [*calling.launcher(), "dumps", dumps, "--from", month, "--to", month, "--missing"]
        return not calling.run(command, calling.to_log).result

    @task.sensor(
        mode="reschedule",
        poke_interval=timedelta(seconds=FOUND.look_seconds),
        timeout=timedelta(days=80).total_seconds(),
        pool=WEB_POOL,
    )
    def wait_for_earlier_months(earlier: list[str]) -> bool:
        """#### Whether the releases of all earlier months are finished

        The log names the first that is not. Mend that month's run; this one then goes on by itself.
        """
        missing = releases.unfinished(earlier)
        if missing:
            told = f"{len(missing)} of {len(earlier)} are not finished; the first is {missing[0]}"
            calling.to_log(logging.INFO, told)
        return not missing

    planned = plan()
    waited = wait_for_dump(planned["month"], planned["all_dumps"])
    check_dump = WebtextOperator(
        task_id="check_dump",
        arguments=["dumps", planned["dumps"], "--from", planned["month"], "--to", planned["month"], "--strict"],
        execution_timeout=timedelta(hours=6),
        doc_md="#### Whether the dump is whole: `webtext dumps --strict`\n\nReads all of it once. A dump that is cut "
        "off, empty or of another month fails here, and is not tried again: get it anew, then clear this task.",
    )

    def stage(task_id: str, until: str, hours: int, what: str, *more: Any) -> WebtextOperator:
        return WebtextOperator(
            task_id=task_id,
            arguments=["corpus", planned["corpus"], *more, "--until", until],
            execution_timeout=timedelta(hours=hours),
            doc_md=f"#### {what}\n\n`webtext corpus --until {until}`. Tried again, it goes on where it ended.",
        )

    against = planned["against"]
    before = [
        stage("harvest", "links", 12, "Posts -> links that passed the karma rule"),
        stage("fetch", "pages", 14 * 24, "Links -> pages, from archives and, where the config says so, the web"),
        stage("extract", "documents", 72, "Pages -> texts in the wanted language"),
    ]
    after = [
        stage("dedup", "duplicates", 48, "Texts -> which are copies, of each other or of earlier releases", against),
        stage("publish", "corpus", 24, "Everything -> the release: shards, card, report, ledger", against),
    ]
    months = wait_for_earlier_months(planned["earlier"])

    @task(outlets=[CORPUS])
    def announce(release: str, month: str, *, outlet_events: Any) -> dict[str, Any]:
        """#### Tell those who wait for a release

        The event has the month as its partition, and the release's folder, counts and manifest's sha256 as its extra.
        """
        found = releases.read(release)._asdict()
        outlet_events[CORPUS].extra = found
        outlet_events[CORPUS].add_partitions(month)
        return found

    chain(waited, check_dump, *before, months, *after, announce(planned["release"], planned["month"]))


webtext_corpus_monthly()
