"""## A release becomes a model

Begins with each release that `webtext_corpus_monthly` announces, one run for each month. The vocabulary and the tokens
lie beside the release, in its run; the training run is `MODELS/2013-05`, the folder for Hugging Face
`MODELS/2013-05-export`.

`train` may be stopped at any time, by a person, by its timeout or with the machine: it saves and ends, and the next try
goes on from there. Of a machine that dies it loses what was not yet saved.

By hand, without a release that was announced, the param `release` names its folder.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, PartitionedAssetTimetable, chain, dag, task
from airflow.sdk.exceptions import AirflowFailException
from webtext_airflow import defaults, releases, settings
from webtext_airflow.assets import CORPUS
from webtext_airflow.calling import WebtextOperator
from webtext_airflow.defaults import CORPUS_POOL, TRAINING_POOL
from webtext_airflow.releases import NotReadyError

FOUND = settings.found_in()
SAMPLE = ("--no-stream", "--max-tokens", "60", "--seed", "1")


@dag(
    schedule=PartitionedAssetTimetable(assets=CORPUS),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=60),
    default_args=defaults.default_args(FOUND, TRAINING_POOL),
    doc_md=__doc__,
    tags=["webtext", "training"],
    params={
        "release": Param(None, type=["string", "null"], description="A release's folder; that of the event otherwise"),
        "config": defaults.path(FOUND.train_config, "The config of training"),
        "overrides": defaults.overrides("steps=1000"),
        "tokenizer_overrides": defaults.overrides("import_from=gpt2, for a vocabulary that is there already"),
        "models": defaults.path(FOUND.models, "Where training runs lie"),
        "processes": Param(1, type="integer", minimum=1, description="GPUs: how many processes torchrun starts"),
        "prompt": Param("The", type="string", description="What the sample goes on from"),
    },
)
def webtext_training() -> None:
    """A release -> vocabulary, tokens, a trained network, a folder for Hugging Face, a sample."""

    @task(multiple_outputs=True)
    def plan(params: dict[str, Any], triggering_asset_events: Any = None) -> dict[str, Any]:
        """#### Which release, and where the model goes

        The newest announcement counts. A release that was made anew since then is another one, and has its own.
        """
        events = triggering_asset_events[CORPUS] if triggering_asset_events else []
        told = events[-1].extra if events else {}
        folder = params["release"] or told.get("release")
        if not folder:
            raise AirflowFailException("no release was announced; give the param release, a folder RUN/corpus.")
        try:
            found = releases.read(folder)
        except NotReadyError as error:
            raise AirflowFailException(str(error)) from None
        if not params["release"] and found.manifest_sha256 != told["manifest_sha256"]:
            raise AirflowFailException(
                f"{folder} was made anew since it was announced; the run that its new announcement began trains on it."
            )
        run = folder.rstrip("/").removesuffix("/corpus")
        model = f"{params['models'].rstrip('/')}/{run.rsplit('/', 1)[-1]}"
        return {
            "tokenizer": defaults.options(None, *params["tokenizer_overrides"], f"output={run}"),
            "tokens": defaults.options(None, f"output={run}"),
            "train": defaults.options(
                params["config"], *params["overrides"], f"output={model}", f"tokens={run}/tokens"
            ),
            "model": model,
            "export": f"{model}-export",
        }

    planned = plan()
    chain(
        WebtextOperator(
            task_id="tokenizer",
            arguments=["tokenizer", planned["tokenizer"]],
            pool=CORPUS_POOL,
            execution_timeout=timedelta(hours=12),
            doc_md="#### A vocabulary: byte-level BPE\n\n`webtext tokenizer`",
        ),
        WebtextOperator(
            task_id="tokens",
            arguments=["tokens", planned["tokens"]],
            pool=CORPUS_POOL,
            execution_timeout=timedelta(hours=24),
            doc_md="#### The release as files of 16-bit ids\n\n`webtext tokens`",
        ),
        WebtextOperator(
            task_id="train",
            arguments=["train", planned["train"]],
            processes="{{ params.processes }}",
            retries=10,
            execution_timeout=timedelta(days=30),
            doc_md="#### Train, or go on\n\n`webtext train`, under `torchrun` where `processes` is more than 1.",
        ),
        WebtextOperator(
            task_id="export",
            arguments=["export", "--checkpoint", planned["model"], "--output", planned["export"]],
            doc_md="#### A folder that Hugging Face loads\n\n`webtext export`",
        ),
        WebtextOperator(
            task_id="sample",
            arguments=["sample", "--checkpoint", planned["export"], "--prompt", "{{ params.prompt }}", *SAMPLE],
            doc_md="#### What it writes\n\n`webtext sample`: the text stands in the log.",
        ),
    )


webtext_training()
