"""From a run's corpus, or from somebody's files, to RUN/tokenizer."""

import functools
import itertools
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from model import corpus
from model.corpus import Corpus
from model.tokenizer import files, report, sampling, training
from model.tokenizer.config import TokenizerConfig
from model.tokenizer.encoding import Tokenizer
from model.tokenizer.sampling import Sample
from model.tokenizer.vocabulary import Vocabulary
from webtext import locks, logs, settings, stages, storage
from webtext.errors import UserError
from webtext.stages import Results, StageRun

NAME = "tokenizer"
REPORT = "report.md"

log = logging.getLogger("webtext")


def build(config: TokenizerConfig) -> str:
    """Make a run's tokenizer unless it is there; returns its folder.

    Raises UserError for what the user can mend.
    """
    found = _corpus_of(config)
    imported = files.read(config.import_from) if config.import_from else None
    with locks.only_one(config.output):
        stage = _stage(config, found, imported)
        done = stage.finished()
        manifest = done or stages.perform(stage, functools.partial(_make, stage.folder, config, found, imported))
        log.info("%-11s%s%s", NAME, manifest["counters"]["told"], " [as before]" if done else "")
        for sentence in [] if done else manifest["counters"]["warnings"]:
            log.warning("%s", sentence)
    return stage.folder


def plan(config: TokenizerConfig) -> list[str]:
    """What `build` would do; nothing is written."""
    found = _corpus_of(config)
    imported = files.read(config.import_from) if config.import_from else None
    stage = _stage(config, found, imported, remember=False)
    lines = [f"output      {stage.folder}"]
    if found is not None:
        lines.append(f"corpus      {len(found.all_files):,} files of {_size(stage) / 1e6:,.1f} MB in {found.run}")
    if stage.finished() is not None:
        return [*lines, "tokenizer   is finished and unchanged: kept as it is"]
    if imported is not None:
        return [*lines, f"tokenizer   would be taken from {config.import_from}: {imported.size:,} entries"]
    most = config.sample_bytes / 1e6
    return [*lines, f"tokenizer   would learn {config.vocabulary:,} entries from at most {most:,.1f} MB of text"]


def _size(stage: StageRun) -> int:
    return sum(record.bytes for record in stage.inputs)


def _corpus_of(config: TokenizerConfig) -> Corpus | None:
    """The corpus; None where none is needed and none is there."""
    if config.import_from and not corpus.exists(config.output):
        return None
    return corpus.find(config.output)


def _stage(
    config: TokenizerConfig, found: Corpus | None, imported: Vocabulary | None, *, remember: bool = True
) -> StageRun:
    inputs = found.examined(remember=remember) if found is not None else []
    content: Mapping[str, Any] = {key: value for key, value in settings.dump(config).items() if key != "output"}
    if imported is not None:
        content = {"import_from": config.import_from, "fingerprint": imported.fingerprint}
    return StageRun(storage.join(config.output, files.FOLDER), NAME, content, inputs, ("tokenizers",))


def _make(folder: str, config: TokenizerConfig, found: Corpus | None, imported: Vocabulary | None) -> Results:
    sample = None
    if imported is not None:
        vocabulary, origin = imported, f"Taken from {config.import_from}."
    else:
        assert found is not None
        sample = _sample(config, found)
        log.info("%-11slearning from %s MB of text", NAME, f"{sample.bytes / 1e6:,.1f}")
        vocabulary = training.train(
            sampling.texts(found.files[corpus.TRAIN], sample),
            config.vocabulary,
            min_frequency=config.min_frequency,
            show_progress=logs.on_a_terminal(),
        )
        origin = (
            f"Learnt from {sample.documents:,} of {sample.all_documents:,} documents, {sample.bytes / 1e6:,.1f} MB of "
            f"{sample.all_bytes / 1e6:,.1f} MB."
        )
    tokenizer = Tokenizer(vocabulary)
    what, texts = _held_out(found, sample)
    measures = report.measure(tokenizer, texts)
    page = storage.write_bytes(folder, REPORT, report.page(tokenizer, origin, measures, what).encode())
    told = f"{vocabulary.size:,} entries. {origin}" + (f" {report.sentence(measures, what)}" if measures.tokens else "")
    counters = {
        "vocabulary": vocabulary.size,
        "end_of_text": vocabulary.end_of_text,
        "fingerprint": vocabulary.fingerprint,
        "bytes_per_token": round(measures.bytes_per_token, 4),
        "measured_on": what,
        "told": told,
        "warnings": _warnings(config, vocabulary, imported),
    }
    return Results([*files.write(vocabulary, folder), page], counters)


def _sample(config: TokenizerConfig, found: Corpus) -> Sample:
    sample = sampling.survey(found.files[corpus.TRAIN], config.sample_bytes)
    if not sample.all_bytes:
        raise UserError(
            f"the corpus in {config.output} has no text to learn from; look at webtext inspect {config.output}."
        )
    if not sample.bytes:
        raise UserError(
            f"sample_bytes = {config.sample_bytes:,} is less than a single document of the corpus in {config.output}; "
            "give it more."
        )
    return sample


def _warnings(config: TokenizerConfig, vocabulary: Vocabulary, imported: Vocabulary | None) -> list[str]:
    if imported is not None or vocabulary.size == config.vocabulary:
        return []
    entries, wanted, times = vocabulary.size, config.vocabulary, config.min_frequency
    return [
        f"the vocabulary has {entries:,} entries where {wanted:,} were wanted: no other pair occurs {times:,} times."
    ]


def _held_out(found: Corpus | None, sample: Sample | None) -> tuple[str, Iterable[str]]:
    """Texts to measure on: those that nothing was learnt from, where there are any; and what they are."""
    if found is None:
        return "no text", ()
    train, validation = found.files[corpus.TRAIN], found.files[corpus.VALIDATION]
    held_out = (text for path in validation for batch in corpus.documents(path) for text in batch["text"].to_pylist())
    first = next(held_out, None)
    if first is not None:
        return "the validation split", itertools.chain([first], held_out)
    if sample is None:
        return "the corpus", itertools.chain.from_iterable(sampling.texts(train, Sample(-1, 0, 0, 0, 0), inside=False))
    unseen = sample.documents < sample.all_documents
    texts = itertools.chain.from_iterable(sampling.texts(train, sample, inside=not unseen))
    return ("documents outside the sample" if unseen else "the text that it learnt from"), texts
