"""What must be the same however a run came about: the release's files and their bytes."""

import hashlib
from pathlib import Path


def shards(run: Path) -> dict[str, str]:
    """sha256 of each file of the release that holds documents or what is known of them."""
    release = run / "corpus"
    files = [path for folder in ("data", "ledger", "signatures") for path in sorted((release / folder).glob("*"))]
    assert files, f"{release} holds no release"
    return {str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
