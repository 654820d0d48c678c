"""What a command says while it works: lines on stderr for people, or one JSON object a line for machines."""

import datetime
import json
import logging
import sys

FORMATS = ("text", "json")


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (UTC), level, logger, message; facts and the traceback where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        entry = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if hasattr(record, "facts"):
            entry["facts"] = record.facts
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The message alone; warnings and errors begin with their level."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line for a person."""
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what stderr is at the moment: while a bar is shown, rich stands there and puts lines above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        self.setStream(sys.stderr)
        super().emit(record)


def set_up(log_format: str, *, verbose: bool = False) -> None:
    """Send webtext's own messages to stderr; other libraries speak only when something is wrong, or when `verbose`.

    Beam logs every exception before it raises it, and warns on the root logger when it is imported: once is enough.
    """
    handler = StderrHandler()
    if not verbose:
        handler.addFilter(lambda record: "apache_beam" not in record.pathname)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO if verbose else logging.WARNING, force=True)
    logging.getLogger("webtext").setLevel(logging.DEBUG if verbose else logging.INFO)


def on_a_terminal() -> bool:
    """Whether a person reads stderr as it is written."""
    handlers = logging.getLogger().handlers
    return sys.stderr.isatty() and not any(isinstance(handler.formatter, JsonFormatter) for handler in handlers)
