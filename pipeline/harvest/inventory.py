"""`webtext dumps`: which monthly dumps a range of dates needs, which are at hand and sound, and which are missing."""

import argparse
import posixpath
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pipeline import arguments
from pipeline.config import CorpusConfig
from pipeline.harvest import months
from pipeline.harvest.checking import Checked, check
from pipeline.harvest.months import Month
from webtext import storage
from webtext.arguments import refuse
from webtext.errors import UserError

EXAMPLES = """\
examples:
  webtext dumps                                        what WebText needs: 2005-06 to 2017-12
  webtext dumps 'dumps/RS_*' --to 2011-12              which of 2005-06 to 2011-12 are there, and are they whole
  webtext dumps --config my.yaml --quick               those of harvest.dumps, up to harvest.before, only begun
  webtext dumps 'dumps/RS_*' --missing                 only the names of those to get, one a line

All of a dump is read unless --quick is given: about a minute for each 10 GB that it has when it is unpacked.
"""

WHERE = (
    "Pushshift and Arctic Shift publish them under these names in reddit/submissions/ of their torrents; "
    "https://github.com/ArthurHeitmann/arctic_shift links to them."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("dumps", nargs="*", metavar="GLOB", help="dumps at hand; harvest.dumps of the config otherwise")
    parser.add_argument("--from", dest="first", metavar="MONTH", help=f"the first month needed ({months.FIRST})")
    parser.add_argument("--to", dest="last", metavar="MONTH", help="the last; that before harvest.before otherwise")
    parser.add_argument("--quick", action="store_true", help="read only the beginning of each dump")
    parser.add_argument("--missing", action="store_true", help="print nothing but the names of the missing dumps")
    parser.add_argument("--strict", action="store_true", help="exit with 2 when a dump is missing or not sound")
    arguments.add_config(parser)


def run(given: argparse.Namespace, extra: Sequence[str]) -> int:
    """Look and tell."""
    refuse("dumps", extra)
    config = _config(given)
    first = _month("--from", given.first) or months.FIRST
    last = _month("--to", given.last) or months.month_before(config.harvest.before)
    needed = list(months.needed(first, last))
    paths = storage.expand(given.dumps, "webtext dumps") or storage.expand(config.harvest.dumps, "harvest.dumps")
    if given.missing:
        at_hand = {months.dump_month(posixpath.basename(path)) for path in paths}
        sys.stdout.writelines(f"{months.dump_name(month)}\n" for month in needed if month not in at_hand)
        return 0
    checked = []
    for path in paths:
        checked.append(check(path, quick=given.quick))
        sys.stdout.write(f"{checked[-1]}\n")
        sys.stdout.flush()  # the next may take minutes
    sys.stdout.writelines(f"{line}\n" for line in summary(needed, checked))
    if given.strict:
        _refuse(needed, checked)
    return 0


def _refuse(needed: Sequence[Month], checked: Sequence[Checked]) -> None:
    """Raise a UserError that names the first dump that is missing or not sound, where there is one."""
    at_hand = {each.month for each in checked}
    wrong = [f"{each.path}: {'; '.join(each.troubles)}" for each in checked if each.troubles]
    wrong += [f"{months.dump_name(month)} is not there" for month in needed if month not in at_hand]
    if wrong:
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(f"dumps are missing or not sound: {wrong[0]}{more}.")


def summary(needed: Sequence[Month], checked: Sequence[Checked]) -> Iterator[str]:
    """What is at hand of what is needed (months in order), what is missing and what is doubtful, line by line."""
    by_month = defaultdict(list)
    for each in checked:
        by_month[each.month].append(each.path)
    missing = [month for month in needed if month not in by_month]
    yield f"{needed[0]} to {needed[-1]}: {len(needed)} dumps are needed, {len(needed) - len(missing)} are at hand."
    for month in needed:
        if len(by_month.get(month, ())) > 1:
            yield f"{month} is there more than once, which does no harm: {', '.join(by_month[month])}"
    unneeded = [each.path for each in checked if each.month is not None and each.month not in needed]
    if unneeded:
        yield f"not needed for these months: {', '.join(unneeded)}"
    for month in sorted(months.USELESS_SCORES.intersection(needed)):
        yield f"{month}: the scores of the published dump are useless: they were recorded before people had voted."
    for month in sorted(months.DOUBTFUL_SCORES.intersection(needed)):
        yield f"{month}: part of the published dump has scores that were recorded before people had voted."
    if missing:
        yield f"missing: {len(missing)}"
        for begin, end in runs(missing):
            name = months.dump_name(begin)
            yield f"  {begin}  {name}" if begin == end else f"  {begin} to {end}  {name} ... {months.dump_name(end)}"
        yield WHERE


def runs(found: Iterable[Month]) -> Iterator[tuple[Month, Month]]:
    """Months in order -> the first and the last of each sequence without a gap."""
    begin: Month | None = None
    end: Month | None = None
    for month in found:
        if begin is None or end is None:
            begin = month
        elif end.next != month:
            yield begin, end
            begin = month
        end = month
    if begin is not None and end is not None:
        yield begin, end


def _config(given: argparse.Namespace) -> CorpusConfig:
    if given.config or given.overrides:
        return arguments.config_of(given)
    return CorpusConfig(output="")


def _month(option: str, text: str | None) -> Month | None:
    try:
        return Month.parse(text) if text is not None else None
    except ValueError as error:
        raise UserError(f"{option}: {error}.") from None
