"""## New posts and their pages, every day

`harvest` asks Reddit, through PRAW, for what is new and for scores that have settled; `fetch` takes the pages of what
qualifies while they are still there, and asks again for those that failed or were deferred on earlier days. Both work
in one run that goes on from day to day, and begin a new round with each day: tried again, a day goes on where it ended.

Nothing is released here. What is gathered are dumps, `RUN/reddit/RS_*.zst`, and archives, `RUN/pages/live-*.warc.gz`:
`webtext_corpus_monthly` takes them as its `dumps` and its `fetch.archives`.

The config needs `harvest.reddit`, `harvest.before`, `fetch.live` and `fetch.contact`. Who asks Reddit is told by the
connection `reddit_default` alone: login (the app's id), password (its secret), and `user_agent` in the extra.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import chain, dag, task
from webtext_airflow import defaults, reddit, settings
from webtext_airflow.calling import WebtextOperator
from webtext_airflow.defaults import WEB_POOL

FOUND = settings.found_in()


@dag(
    schedule="0 4 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=22),
    default_args=defaults.default_args(FOUND, WEB_POOL),
    doc_md=__doc__,
    tags=["webtext", "reddit"],
    params={
        "config": defaults.path(FOUND.reddit_config, "What to ask Reddit for, and who asks the web"),
        "overrides": defaults.overrides("harvest.min_karma=5"),
        "run": defaults.path(FOUND.reddit, "The run that goes on from day to day"),
    },
)
def webtext_reddit_daily() -> None:
    """Reddit -> posts and pages on disk."""

    @task
    def plan(params: dict[str, Any], run_id: str) -> list[str]:
        """#### What the other tasks are called with

        The round is the DAG run, so what is tried again is not asked again.
        """
        name = json.dumps(run_id)
        own = [f"output={params['run']}", f"harvest.reddit.round={name}", f"fetch.round={name}"]
        return defaults.options(params["config"], *params["overrides"], *own)

    planned = plan()
    chain(
        WebtextOperator(
            task_id="harvest",
            arguments=["corpus", planned, "--until", "links"],
            secrets=reddit.credentials,
            execution_timeout=timedelta(hours=6),
            doc_md="#### Ask Reddit\n\n`webtext corpus --until links`",
        ),
        WebtextOperator(
            task_id="fetch",
            arguments=["corpus", planned, "--until", "pages"],
            execution_timeout=timedelta(hours=16),
            doc_md="#### Fetch pages, and try again what failed\n\n`webtext corpus --until pages`",
        ),
    )


webtext_reddit_daily()
