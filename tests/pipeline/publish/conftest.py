"""A small run directory with every outcome, as the stages before publish would leave it."""

import datetime
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schemas, tables, urls
from pipeline.ledger import Outcome, Reason, Stage
from pipeline.publish import release, run_view, stage
from pipeline.publish.takedown import Takedown
from pipeline.results import added_up
from webtext import parquet, storage

PERMUTATIONS = 32
HOSTILE = """<script>alert("x")</script> & 'quotes' "><img src=http://evil.example/x.png onerror=alert(1)>"""
WORDS = [
    "river",
    "stone",
    "letter",
    "garden",
    "window",
    "market",
    "bridge",
    "summer",
    "paper",
    "engine",
    "island",
    "music",
]
ENDINGS: list[tuple[Stage, Outcome, Reason]] = [
    (Stage.LINKS, Outcome.DROPPED, Reason.BLOCKED_DOMAIN),
    (Stage.LINKS, Outcome.DROPPED, Reason.BLOCKED_EXTENSION),
    (Stage.LINKS, Outcome.DROPPED, Reason.WIKIPEDIA),
    (Stage.PAGES, Outcome.FAILED, Reason.NOT_IN_ARCHIVE),
    (Stage.PAGES, Outcome.FAILED, Reason.HTTP_ERROR),
    (Stage.PAGES, Outcome.FAILED, Reason.TIMEOUT),
    (Stage.PAGES, Outcome.DROPPED, Reason.NOT_HTML),
    (Stage.PAGES, Outcome.DEFERRED, Reason.HOST_BUDGET),
    (Stage.DOCUMENTS, Outcome.DROPPED, Reason.TOO_SHORT),
    (Stage.DOCUMENTS, Outcome.DROPPED, Reason.OTHER_LANGUAGE),
    (Stage.DOCUMENTS, Outcome.FAILED, Reason.EXTRACTION_CRASH),
    (Stage.DUPLICATES, Outcome.DROPPED, Reason.EXACT_DUPLICATE),
    (Stage.DUPLICATES, Outcome.DROPPED, Reason.NEAR_DUPLICATE),
    (Stage.DUPLICATES, Outcome.DROPPED, Reason.WIKIPEDIA_MIRROR),
]
KEPT = (Stage.CORPUS, Outcome.KEPT, Reason.KEPT)
HOSTS = ["nytimes.com", "bbc.co.uk", "github.com", "example.org", "blogspot.com", "xn--bcher-kva.example"]


def ending_of(number: int) -> tuple[Stage, Outcome, Reason]:
    return ENDINGS[(number // 2) % len(ENDINGS)] if number % 2 else KEPT


def text_of(number: int) -> str:
    chosen = random.Random(number)
    return (
        "\n".join(" ".join(chosen.choices(WORDS, k=30)) for _ in range(2 + number % 9))
        + f"\nNaïve café, page {number}."
    )


def link_row(number: int) -> dict[str, Any]:
    domain = HOSTS[number % len(HOSTS)]
    url = f"http://www.{domain}/page/{number}"
    created = datetime.datetime(2009, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=9 * number)
    title = HOSTILE if number % 10 == 0 else f"Page {number}"
    post = {"id": f"t{number}", "subreddit": f"sub{number % 4}", "score": 3 + number % 50, "created_utc": created}
    return {
        "id": urls.link_id(url),
        "url": url,
        "domain": domain,
        "score": None if number % 17 == 0 else 3 + number % 50,
        "created_utc": None if number % 17 == 0 else created,
        "submissions": [{**post, "title": title, "source": "RS_2009-01.zst"}],
    }


def document_row(number: int, text: str) -> dict[str, Any]:
    link = link_row(number)
    return {
        **{column: link[column] for column in ("id", "url", "domain", "score", "created_utc")},
        "text": text,
        "title": link["submissions"][0]["title"],
        "language": "en" if number % 20 else "de",
        "language_score": 0.98,
        "subreddits": [link["submissions"][0]["subreddit"]],
        "submission_ids": [link["submissions"][0]["id"]],
        "fetched_at": datetime.datetime(2017, 5, 1, tzinfo=datetime.UTC),
        "source": "warc",
        "char_count": len(text),
        "word_count": len(text.split()),
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def rows_of(count: int, endings: Callable[[int], tuple[Stage, Outcome, Reason]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("links", "links/_ledger", "pages/index", "documents", "documents/_ledger", "duplicates")
    }
    found["documents/_signatures"] = []
    keepers = [number for number in range(count) if endings(number) == KEPT]
    for number in range(count):
        stage, outcome, reason = endings(number)
        link = link_row(number)
        found["links"].append(link)
        ledger = {**{key: link[key] for key in ("id", "url")}, "stage": stage, "outcome": outcome, "reason": reason}
        ledger["detail"] = "status 503" if reason is Reason.HTTP_ERROR else ""
        if stage is Stage.LINKS:
            found["links/_ledger"].append(ledger)
            continue
        page = dict.fromkeys(schemas.PAGES.names) | {"id": link["id"], "url": link["url"], "detail": ledger["detail"]}
        got = stage is not Stage.PAGES
        found["pages/index"].append(page | {"outcome": "fetched" if got else outcome, "reason": "" if got else reason})
        if not got:
            continue
        if stage is Stage.DOCUMENTS:
            found["documents/_ledger"].append(ledger)
            continue
        keeper = keepers[number % 3 % len(keepers)] if stage is Stage.DUPLICATES else number
        text = text_of(keeper) + (" and a few words more" if reason is Reason.NEAR_DUPLICATE else "")
        document = document_row(number, text)
        found["documents"].append(document)
        found["documents/_signatures"].append(
            {
                **{key: document[key] for key in ("id", "char_count", "score", "created_utc")},
                "content_hash": hashlib.sha256(text.encode()).digest()[:16],
                "shingle_count": 40,
                "signature": np.arange(number, number + PERMUTATIONS, dtype="<u4").tobytes(),
            }
        )
        if stage is Stage.DUPLICATES:
            mirrors = reason is Reason.WIKIPEDIA_MIRROR
            found["duplicates"].append(
                {
                    "id": link["id"],
                    "keeper": "wiki.jsonl:7" if mirrors else link_row(keeper)["id"],
                    "similarity": 1.0 if reason is Reason.EXACT_DUPLICATE else 0.87,
                    "reason": reason,
                    "keeper_release": "references" if mirrors else "",
                    "keeper_url": link_row(keeper)["url"],
                }
            )
    return found


SCHEMAS = {
    "links": schemas.LINKS,
    "links/_ledger": schemas.LEDGER,
    "pages/index": schemas.PAGES,
    "documents": schemas.DOCUMENTS,
    "documents/_ledger": schemas.LEDGER,
    "documents/_signatures": schemas.signatures(PERMUTATIONS),
    "duplicates": schemas.DUPLICATES,
}


def write_run(
    run: Path,
    count: int = 300,
    partitions: int = 4,
    shuffle: int | None = None,
    endings: Callable[[int], tuple[Stage, Outcome, Reason]] = ending_of,
) -> Path:
    """Write the stages before publish. shuffle: a seed that disorders the rows of every part."""
    for folder, rows in rows_of(count, endings).items():
        table = tables.sorted_by(pa.Table.from_pylist(rows, schema=SCHEMAS[folder]), "id")
        cut = dict(tables.split(table, partitions))
        for partition in range(partitions):
            part = cut.get(partition, SCHEMAS[folder].empty_table())
            if shuffle is not None and folder != "documents":  # whose rows must ascend
                order = np.random.default_rng(shuffle).permutation(part.num_rows)
                part = part.take(pa.array(order, pa.int64()))
            parquet.write(str(run / folder), parquet.part_name(partition), part, rows_per_group=16)
    submissions = {"link": count, "low_karma": 700, "bad_line": 3}
    storage.write_json(
        str(run / "links"),
        "manifest.json",
        {"counters": {"submissions": sum(submissions.values()), "submissions_by_reason": submissions}},
    )
    return run


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return write_run


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def permutations() -> int:
    return PERMUTATIONS


def publish_run(run: Path, shard_bytes: int = 20_000, validation_fraction: float = 0.1, **settings: Any) -> Path:
    """Do the whole stage without Beam, in this process, manifest included; returns the release."""
    partitions = run_view.partition_count(str(run))
    removed = settings.pop("takedown", Takedown())
    storage.remove(str(run / "corpus"))  # as a stage begins whose config has changed
    results, sizes = [], []
    for partition in range(partitions):
        settled, found = stage.settle_partition(str(run), partition, PERMUTATIONS, removed, validation_fraction)
        results.append(settled)
        sizes += found
    results += [
        stage.cut_shard(str(run), partitions, shard) for shard in stage.plan_shards(reversed(sizes), shard_bytes)
    ]
    config = {"shard_bytes": shard_bytes, "validation_fraction": validation_fraction}
    config |= {"reference_domains": settings.get("reference_domains", "")}
    facts = release.ReleaseSettings(config, {"python": "3.11"}, validation_fraction, PERMUTATIONS, **settings)
    finished = release.finish_release(str(run), added_up(results), facts)
    manifest = release.manifest_draft(finished.files, finished.counters, config, {"python": "3.11"})
    storage.write_json(str(run / "corpus"), "manifest.json", manifest)
    return run / "corpus"


@pytest.fixture(scope="session")
def publish() -> Callable[..., Path]:
    return publish_run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 300 links with its release; not to be written to."""
    run = write_run(tmp_path_factory.mktemp("finished") / "run")
    publish_run(run)
    return run


@pytest.fixture
def release_folder(finished_run: Path) -> Path:
    return finished_run / "corpus"
