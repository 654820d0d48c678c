"""The client with which somebody asks the web: who it says that it is, whom it may reach, and how it looks up names."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import webtext
from pipeline.fetch.live.addresses import networks
from pipeline.fetch.live.resolving import GuardedResolver
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Surroundings
from pipeline.fetch.live.transfer import Client


@contextlib.contextmanager
def opened(rules: FetchRules, around: Surroundings, resolver_threads: int) -> Iterator[Client]:
    """A client for the loop that runs. resolver_threads: names that are looked up at the same time."""
    resolving = ThreadPoolExecutor(resolver_threads, "resolver")
    try:
        allowed = networks(rules.allow_networks)
        resolver = GuardedResolver(resolving, allowed, around.look_up)
        yield Client(user_agent(rules.contact), resolver, allowed, around.tls())
    finally:
        resolving.shutdown(wait=False, cancel_futures=True)


def user_agent(contact: str) -> str:
    """How every request introduces itself: an address of the web as it is, anything else as something to write to."""
    return f"webtext/{webtext.__version__} (+{contact})"
