"""Every key of `webtext corpus`: its meaning, its default, and what is allowed."""

import datetime
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import pydantic

from webtext.settings import Section

Count = Annotated[int, pydantic.Field(gt=0)]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Seconds = Annotated[float, pydantic.Field(gt=0)]
Language = Annotated[str, pydantic.Field(pattern="^[a-z]{2}$")]


class Reddit(Section):
    """What to ask Reddit for. Who asks is never told here: PRAW reads it from praw_* variables or praw.ini."""

    subreddits: tuple[str, ...] = ()
    """Names, with or without r/; `all` is one, and so are `a+b` and `all-a`."""
    domains: tuple[str, ...] = ()
    """Domains whose links are asked for, in whatever subreddit."""
    listings: Annotated[tuple[Literal["new", "top", "rising"], ...], pydantic.Field(min_length=1)] = (
        "new",
        "top",
        "rising",
    )
    """Reddit lists about 1,000 posts in each; `new` is read as far as it was read before."""
    top_of: Literal["hour", "day", "week", "month", "year", "all"] = "all"
    """The time that `top` looks back on."""
    score_after_days: Annotated[float, pydantic.Field(ge=0, le=180)] = 3
    """A post is judged at this age; younger ones wait, and are looked up again."""
    folder: str = ""
    """Where the dumps and what waits are kept: RUN/reddit when empty; runs may share one."""
    round: str = ""
    """A name such as a date: under a new one Reddit is asked again, though the last time did not end in a release."""

    @pydantic.field_validator("subreddits")
    @classmethod
    def _names(cls, subreddits: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.strip().removeprefix("/").removeprefix("r/").removesuffix("/") for name in subreddits)
        for name in names:
            if not re.fullmatch(r"\w+([+-]\w+)*", name, re.ASCII):
                raise ValueError(f"{name!r} is no name of a subreddit; write it like python or r/python")
        return names

    @pydantic.field_validator("domains")
    @classmethod
    def _hosts(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for domain in domains:
            if not re.fullmatch(r"\w[\w-]*(\.\w[\w-]*)+", domain, re.ASCII):
                raise ValueError(f"{domain!r} is no domain; write it like example.org")
        return tuple(domain.lower() for domain in domains)

    @pydantic.model_validator(mode="after")
    def _something(self) -> Self:
        if not self.subreddits and not self.domains:
            raise ValueError("it names nothing to ask for; give subreddits or domains")
        return self


class Harvest(Section):
    """Which links: posts and lists of URLs, and the rule that makes a link eligible."""

    dumps: tuple[str, ...] = ()
    """Globs of monthly submission dumps: .zst, .xz, .bz2, .gz or plain NDJSON, told by content."""
    urls: tuple[str, ...] = ()
    """Globs of files with one URL a line; karma and cut-off do not apply to them."""
    reddit: Reddit | None = None
    """Ask Reddit itself first; what it gives joins the dumps."""
    min_karma: int = 3
    """A link needs a post of at least this score (GPT-2 paper, section 2.1: at least 3)."""
    karma_rule: Literal["max", "sum"] = "max"
    """max: one post must reach min_karma. sum: all posts of the link together (as OpenWebText2 had it)."""
    before: datetime.date = datetime.date(2018, 1, 1)
    """Posts of this day (UTC) and later do not count (WebText: no links after December 2017)."""
    blocked_domains: tuple[str, ...] = ()
    """Domains blocked beside the built-in list (`amazon.*` under every suffix); an entry with a slash is a file of such
    entries, one a line, here and in the next three keys."""
    blocked_extensions: tuple[str, ...] = ()
    """Path endings blocked beside the built-in list."""
    blocked_subreddits: tuple[str, ...] = ()
    """Subreddits whose posts do not count, beside the built-in list."""
    allowed: tuple[str, ...] = ()
    """Entries to take from the built-in lists, or hosts below a blocked domain to leave alone."""


class Fetch(Section):
    """Where the pages of the links come from."""

    archives: tuple[str, ...] = ()
    """Globs of WARC files at hand; a page is indexed where it lies, not copied."""
    live: bool = False
    """Whether pages that no archive holds are fetched from the web."""
    fallbacks: tuple[Literal["commoncrawl", "wayback"], ...] = ()
    """Archives on the web that are asked, in this order, for links that no archive at hand has and that are dead."""
    commoncrawl_url: str = "https://data.commoncrawl.org"
    """Where Common Crawl's files are. Its index server is the host of the same name with `index` for `data`."""
    commoncrawl_index: tuple[str, ...] = ()
    """Globs of Parquet files of Common Crawl's columnar index, or of what a query made of them: for many links, they
    are read in place of asking the index server."""
    wayback_url: str = "https://web.archive.org"
    """Where the Wayback Machine is."""
    contact: str = ""
    """Who answers for the fetcher, an address of the web or of mail: stands in every request; none is made without."""
    max_bytes: Count = 10 * 1024 * 1024
    """The largest page, after inflation."""
    concurrency: Annotated[int, pydantic.Field(gt=0, le=4096)] = 128
    """Requests in flight, all hosts together; to one host it is never more than one."""
    delay_seconds: Annotated[float, pydantic.Field(ge=0, le=3600)] = 1.0
    """The least gap between two requests to one host; 0 turns all waiting off."""
    deadline_seconds: Seconds = 30.0
    """One URL, everything included but waiting for its turn."""
    host_budget: Count = 1000
    """Pages of one host that are fetched in a run; its other links are deferred."""
    opt_out_files: tuple[Literal["tdmrep.json", "ai.txt"], ...] = ()
    """Files that each site is asked for, once a day, in which it may say that it must not train models: a request more
    for every host and file. Only with extract.honour_opt_out."""
    round: str = ""
    """A name such as a date: under a new one, links that failed or were deferred are tried again; pages are kept."""
    also_obey: tuple[str, ...] = ()
    """Names of other crawlers (GPTBot, CCBot) whose rules in robots.txt and headers hold for this one too."""
    allow_networks: tuple[str, ...] = ()
    """Address ranges that may be reached though they are private: an intranet, or a test on loopback."""

    @pydantic.field_validator("contact")
    @classmethod
    def _somebody(cls, contact: str) -> str:
        if contact and not re.fullmatch(r"https?://[!-~]+|(mailto:)?[!-~]+@[!-~]+", contact):
            raise ValueError("it must be an address of the web or of mail, such as https://example.org/bot")
        return contact

    @pydantic.field_validator("fallbacks")
    @classmethod
    def _each_once(cls, fallbacks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(fallbacks)) < len(fallbacks):
            raise ValueError("it names an archive twice; each is asked once")
        return fallbacks

    @pydantic.field_validator("commoncrawl_url", "wayback_url")
    @classmethod
    def _of_the_web(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[a-zA-Z0-9.:\[\]-]+(/[!-~]*)?", url):
            raise ValueError(f"{url!r} is no address of the web; write it like https://web.archive.org")
        return url.rstrip("/")

    @pydantic.field_validator("also_obey")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(r"[A-Za-z_-]+", name):
                raise ValueError(f"{name!r} is no name of a crawler; write it like GPTBot")
        return names

    @pydantic.field_validator("allow_networks")
    @classmethod
    def _networks(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for each in ranges:
            try:
                ipaddress.ip_network(each)
            except ValueError:
                raise ValueError(f"{each!r} is no range of addresses; write it like 10.1.0.0/16") from None
        return ranges

    @pydantic.model_validator(mode="after")
    def _nobody_fetches_unnamed(self) -> Self:
        for key in ("live", "fallbacks"):
            if getattr(self, key) and not self.contact:
                raise ValueError(
                    f"fetch.{key} needs fetch.contact: an address at which you can be asked about your requests"
                )
        return self


class Extract(Section):
    """How a page becomes a document, and what is refused."""

    languages: Annotated[tuple[Language, ...], pydantic.Field(min_length=1)] = ("en",)
    """ISO 639-1 codes of the languages to keep."""
    min_language_score: Share = 0.5
    """The least share of the text that must be in the page's language."""
    min_words: Annotated[int, pydantic.Field(ge=0)] = 90
    """The shortest document; 90 English words with their punctuation are about OpenWebText's 128 tokens."""
    refuse_low_quality: bool = True
    """Leave out pages that repeat themselves, are symbols or filler, or only say that something went wrong."""
    honour_opt_out: bool = True
    """Leave out pages whose authors say so: noai, tdm-reservation, ai-train=no."""
    workers: Annotated[int, pydantic.Field(ge=0)] = 0
    """Child processes that extract, for each Beam worker; 0: one for each core. In a local run one less, beside the
    command itself, read dumps before. Does not change the result."""
    deadline_seconds: Seconds = 10
    """A page that takes longer ends as extraction_timeout."""
    memory_bytes: Annotated[int, pydantic.Field(ge=256 * 1024**2)] = 2 * 1024**3
    """The address space of a child, of which its libraries take some 140 MB; a page that needs more ends as
    extraction_crash."""
    max_crash_share: Share = 0.1
    """A larger share of pages that crash or take too long stops the run: not the pages are ill but the machine."""


class Dedup(Section):
    """Which documents are the same."""

    threshold: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.5
    """Jaccard similarity of word 5-grams from which two documents are near-duplicates (as in OpenWebText)."""
    permutations: Annotated[int, pydantic.Field(ge=16, le=1024)] = 128
    """Values in a MinHash signature."""
    against: tuple[str, ...] = ()
    """Earlier releases (their folders): what they hold is not published again, and they are not touched."""
    references: tuple[str, ...] = ()
    """Globs of texts that nothing in the corpus may be a copy of, such as Wikipedia's: Parquet or JSON lines with a
    column `text`; a near-duplicate of one ends as wikipedia_mirror."""
    keep: Literal["highest_score", "longest", "earliest"] = "highest_score"
    """Which of near-duplicates stays; ties go to the smaller id."""
    max_cluster_share: Share = 0.1
    """A cluster with a larger share of all documents stops the run: a template was taken for a text."""


class Publish(Section):
    """How the release is cut, and what it says of itself."""

    shard_bytes: Count = 100_000_000
    """About how large a file of the release is."""
    validation_fraction: Share = 0.05
    """The share of documents held out, chosen by id (the paper held out 5 %)."""
    name: str = "WebText, rebuilt"
    """What the dataset card calls the release."""
    contact: str = ""
    """Whom the dataset card names for questions and removal."""
    takedown: str = ""
    """A file of addresses, domains and ids, one a line, that the release must not hold."""
    reference_domains: str = ""
    """OpenAI's list of WebText's top domains (domains.txt of openai/gpt-2), for the report to compare with."""


def _as_beam_takes_it(value: object) -> object:
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return [str(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError("give text, a number, true or false, a list of these, or a mapping, which Beam is given as JSON")


PipelineOption = Annotated[str | int | float | bool | list[str] | None, pydantic.BeforeValidator(_as_beam_takes_it)]


class Runner(Section):
    """What executes the pipeline; configs/runners/ has one of each kind."""

    name: Literal["direct", "spark", "flink", "dataflow"] = "direct"
    """direct: this process, with child processes for extraction."""
    options: dict[str, PipelineOption] = pydantic.Field(default_factory=dict)
    """Pipeline options, given to Beam as they are; a mapping as JSON, for `environment_config`. `spark_master_url` and
    `flink_master` name a cluster; without one this machine is all. `environment_type` tells in what Python workers run:
    LOOPBACK, this process's, which is the default on this machine; PROCESS, `webtext-worker` of the same path as here
    on every machine, which is the default on a cluster; EXTERNAL, worker pools that were started before; DOCKER, an
    image. With `job_endpoint` a job server is used that runs already."""
    job_server: str = ""
    """The jar of Beam's job server for Spark or Flink; empty: the one that `make job-server` built."""
    memory: Annotated[str, pydantic.Field(pattern="^[0-9]+[kmgKMG]$")] = "2g"
    """Heap of the job server, which without a cluster is the heap of all of Spark or Flink."""
    java_options: tuple[str, ...] = ()
    """Options of the job server's Java; `-Dspark.x.y=z` sets any key of Spark's configuration."""
    partitions: Annotated[int, pydantic.Field(ge=0)] = 0
    """Spark: in how many pieces a shuffle's output is cut; what one piece gives at one step is held in the heap. Flink:
    in how many tasks work is done at a time. 0: by the size of the input."""
    worker_cores: Annotated[int, pydantic.Field(ge=0)] = 0
    """Processors that one Python worker of a cluster may use for its child processes; 0: all of its machine."""


class CorpusConfig(Section):
    """What `webtext corpus` does."""

    output: str
    """The run directory: local, or anything that fsspec and Beam write (gs://, s3://, hdfs://)."""
    harvest: Harvest = Harvest()
    fetch: Fetch = Fetch()
    extract: Extract = Extract()
    dedup: Dedup = Dedup()
    publish: Publish = Publish()
    runner: Runner = Runner()
