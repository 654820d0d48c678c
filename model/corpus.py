"""A corpus as the model half sees it: Parquet files in RUN/corpus/data with columns id and text, whoever made them."""

import contextlib
import dataclasses
import logging
import posixpath
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from webtext import parquet, stages, storage
from webtext.errors import UserError
from webtext.storage import FileRecord

FOLDER = "corpus"
DATA = "data"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION)
BATCH_ROWS = 512

log = logging.getLogger("webtext")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The files of a run's corpus by split, in the order of their names."""

    run: str
    files: dict[str, Sequence[str]]

    @property
    def all_files(self) -> list[str]:
        """Those of all splits."""
        return [path for split in SPLITS for path in self.files[split]]

    def examined(self, *, remember: bool = True) -> list[FileRecord]:
        """Sizes and hashes of the files; paths relative to the run, so that one may move it."""
        return [
            dataclasses.replace(record, path=posixpath.join(FOLDER, DATA, posixpath.basename(record.path)))
            for record in stages.examine(self.all_files, self.run, remember=remember)
        ]


def find(run: str) -> Corpus:
    """The corpus of a run. The beginning of a file's name tells its split; what begins otherwise is trained on.

    Raises UserError where there is none, or one that is not finished.
    """
    folder = storage.join(run, FOLDER)
    begun = storage.exists(storage.join(folder, stages.FINGERPRINT))
    if begun and not storage.exists(storage.join(folder, storage.SUCCESS)):
        raise UserError(f"the corpus {folder} is not finished: run webtext corpus for it again.")
    found = storage.list_files(storage.join(folder, DATA), "*.parquet")
    files = {split: [path for path in found if _split_of(path) == split] for split in (*SPLITS, TEST)}
    if not any(files[split] for split in SPLITS):
        raise UserError(
            f"there is no corpus: {storage.join(folder, DATA)} holds no train-*.parquet; make one with webtext corpus, "
            "or put Parquet files with columns id and text there."
        )
    return Corpus(run, {split: tuple(files[split]) for split in SPLITS})


def exists(run: str) -> bool:
    """Whether a run has files of a corpus."""
    return bool(storage.list_files(storage.join(run, FOLDER, DATA), "*.parquet"))


def _split_of(path: str) -> str:
    beginning = re.split(r"[-.]", posixpath.basename(path))[0]
    return beginning if beginning in (VALIDATION, TEST) else TRAIN


@contextlib.contextmanager
def opened(path: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file that has the columns id and text. Raises UserError for what is no such file."""
    try:
        with parquet.opened(path) as file:
            missing = {"id", "text"}.difference(file.schema_arrow.names)
            if missing:
                raise UserError(f"{path} has no column {min(missing)}; a corpus needs id and text.")
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"cannot read {path}: {reason}; write it again as Parquet.") from error


def row_groups(path: str) -> list[int]:
    """Bytes of the text of each row group, as the file's own metadata tell them before compression."""
    with opened(path) as file:
        column = file.schema_arrow.names.index("text")
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        leaves = [file.schema.column(at).path for at in range(len(file.schema))]
        place = leaves.index("text") if "text" in leaves else column
        return [group.column(place).total_uncompressed_size for group in groups]


def documents(path: str, groups: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
    """The documents of a file, or of some of its row groups, in batches: columns id (string or int64), text (string).

    Raises UserError for a document without id or text, and for columns of another type.
    """
    with opened(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=["id", "text"]):
            yield pa.record_batch({"id": _ids(batch["id"], path), "text": _strings(batch["text"], "text", path)})


def _ids(column: pa.Array, path: str) -> pa.Array:
    if pa.types.is_integer(column.type):
        return _without_nulls(column.cast(pa.int64()), "id", path)
    return _strings(column, "id", path)


def _strings(column: pa.Array, name: str, path: str) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise UserError(f"{path}: the column {name} holds {column.type} where it must hold strings.")
    return _without_nulls(column.cast(pa.large_string()), name, path)


def _without_nulls(column: pa.Array, name: str, path: str) -> pa.Array:
    if column.null_count:
        raise UserError(f"{path}: {column.null_count:,} documents have no {name} (null); remove them, or fill it in.")
    return column
