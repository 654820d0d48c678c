"""The files that a config names beside dumps and archives, and whether all that it names is there."""

from pipeline.config import CorpusConfig
from pipeline.dedup.sources import release_parts
from pipeline.ledger import Stage
from webtext import storage
from webtext.errors import UserError


def check(config: CorpusConfig) -> None:
    """Look for every file that a config names, so that a typing error costs a second and not a night.

    Raises UserError for the first that is not there.
    """
    if not config.harvest.dumps and not config.harvest.urls and config.harvest.reddit is None:
        raise UserError("there are no links to begin with: give harvest.dumps or harvest.urls at least one file.")
    for key, patterns in [
        ("harvest.dumps", config.harvest.dumps),
        ("harvest.urls", config.harvest.urls),
        ("fetch.archives", config.fetch.archives),
        ("fetch.commoncrawl_index", config.fetch.commoncrawl_index),
        ("dedup.references", config.dedup.references),
        ("publish.takedown", takedown_lists(config)),
        ("publish.reference_domains", reference_domains(config)),
    ]:
        storage.expand(patterns, key)
    _check_earlier_releases(config)
    for key, wanted in [("live", config.fetch.live), ("fallbacks", config.fetch.fallbacks)]:
        if wanted and not storage.is_local(config.output):
            raise UserError(
                f"fetch.{key} writes as it goes, which {config.output} cannot; fetch to a local output, or take "
                "the pages from fetch.archives."
            )


def commoncrawl_index(config: CorpusConfig) -> list[str]:
    """The files of Common Crawl's columnar index, where it is asked."""
    wanted = config.fetch.commoncrawl_index if "commoncrawl" in config.fetch.fallbacks else ()
    return storage.expand(wanted, "fetch.commoncrawl_index")


def earlier_releases(config: CorpusConfig) -> list[str]:
    """The manifests that stand for them."""
    return [storage.join(folder, storage.MANIFEST) for folder in config.dedup.against]


def takedown_lists(config: CorpusConfig) -> list[str]:
    """The list of what is not to be published, where there is one."""
    return [config.publish.takedown] if config.publish.takedown else []


def reference_domains(config: CorpusConfig) -> list[str]:
    """The list of domains that the report compares with, where there is one."""
    return [config.publish.reference_domains] if config.publish.reference_domains else []


def _check_earlier_releases(config: CorpusConfig) -> None:
    for folder in config.dedup.against:
        release_parts(folder, config.dedup.permutations)
        if not storage.exists(storage.join(folder, storage.MANIFEST)):
            raise UserError(f"dedup.against: {folder} is not whole, it has no manifest; let its run end first.")
        if storage.same_place(folder, storage.join(config.output, Stage.CORPUS)):
            raise UserError(
                f"dedup.against: {folder} is this run's own release, which would be replaced; give the new one "
                "another output."
            )
