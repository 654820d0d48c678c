"""Is this page a Wikipedia article, or a copy of one? Told from its content, whatever its address.

WebText left Wikipedia out because other datasets hold it (Radford et al. 2019, section 2.1). The thousands of other
wikis that run MediaWiki must stay, so MediaWiki's own marks are not enough: a page needs a mark of Wikipedia itself at
a place where Wikipedia puts it (its address as canonical, its database's name, its tag line) or, as a copy without
them, several signs of having been taken from there, such as the retrieval line and the licence.
"""

import re
from collections.abc import Sequence

_HOST = r"(?:https?:)?//(?:[a-z\-]{2,12}\.)?(?:m\.)?wikipedia\.org/"
_CONTENT_DATABASE = (
    r"(?!mediawiki|wikidata|commons|meta|species|sources|incubator|outreach|test|foundation)[a-z_]{2,12}wiki"
)
"""A Wikipedia's database is called by its language and "wiki"; the sister projects' names look alike."""


def _compiled(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


_SURE = (
    ("canonical", _compiled(r"<link\b[^>]{0,300}\brel=[\"']?canonical[^>]{0,300}\bhref=[\"']?", _HOST)),
    ("canonical", _compiled(r"<link\b[^>]{0,300}\bhref=[\"']?", _HOST, r"[^>]{0,600}\brel=[\"']?canonical")),
    ("isVersionOf", _compiled(r"dc:isVersionOf[\"'][^>]{0,100}", _HOST)),
    ("base", _compiled(r"<base\b[^>]{0,100}\bhref=[\"']?", _HOST)),
    ("og:url", _compiled(r"<meta\b[^>]{0,100}og:url[\"'][^>]{0,100}content=[\"']", _HOST)),
    ("wgDBname", _compiled(r"wgDBname[\"']?\s*[:=,]\s*[\"']", _CONTENT_DATABASE, r"[\"'][^<]{0,20000}?wikipedia")),
    ("wgSiteName", _compiled(r"wgSiteName[\"']?\s*[:=,]\s*[\"'][^\"']{0,20}ikip[eé]di")),
    ("publisher", _compiled(
        r"\"(?:publisher|author)\"\s*:\s*\{[^}]{0,200}\"name\"\s*:\s*\"",
        r"(?:Contributors to Wikimedia projects|Wikipedia[^\"]{0,20})\"",
    )),
)  # fmt: skip
_NAMES = (
    r"(?:ikip[eèé]di|икипед|ікіпед|ويكيبيديا"
    r"|ویکی[\u200c ]?پدیا|ויקיפדיה|विकिपीडिया|উইকিপিডিয়া|維基百科|维基百科|ウィキペディア"
    r"|위키백과|Βικιπαίδεια|Վիքիպեդիա|ვიკიპედია|วิกิพีเดีย|Uicip|Vicip|Biquip)"
)
_TAGLINE = _compiled(
    r"<(?:div|span|p|h\d)\b[^>]{0,200}\b(?:id|class)=[\"']?[^\"'>]{0,60}(?:siteSub|tagline)[^>]{0,200}>",
    r"\s*(?:<[^>]{0,200}>\s*){0,5}[^<]{0,60}",
    _NAMES,
)
_ARTICLE_MARKUP = _compiled(
    r"id=[\"'](?:mw-content-text|bodyContent|siteSub|toctitle|catlinks)[\"']",
    r"|class=[\"'][^\"']{0,80}(?:mw-parser-output|mw-headline|mw-editsection|infobox vcard|navbox)\b",
)
_SIGNS = (
    ("tag line", _compiled(
        r"From Wikipedia,? the free encyclopa?edia|Aus Wikipedia, der freien Enzyklopädie",
        r"|Un article de Wikipédia, l.encyclopédie libre|De Wikipedia, la enciclopedia libre",
        r"|Da Wikipedia, l.enciclopedia libera|Origem: Wikipédia|Uit Wikipedia, de vrije encyclopedie",
        r"|Z Wikipedii, wolnej encyklopedii|Материал из Википедии|Матеріал з Вікіпедії",
        r"|出典: フリー百科事典『ウィキペディア",
        r"|维基百科，自由的百科全书|維基百科，自由的百科全書|위키백과, 우리 모두의 백과사전",
        r"|من ويكيبيديا|از ویکی‌پدیا|Vikipedi, özgür ansiklopedi|Från Wikipedia|Fra Wikipedia",
    )),
    ("retrieved", _compiled(
        r"(?:Retrieved from|Abgerufen von|Récupérée de|Obtenido de|Estratto da|Obtida de|Overgenomen van|Źródło",
        r"|Источник|取自|から取得|Hämtad från|Hentet fra)[^<]{0,40}(?:<[^>]{0,200}>[^<]{0,20}|<[^>]{0,60}|)", _HOST,
    )),
    ("licence", _compiled(
        r"(?:Text is available under the[^.]{0,40}Creative Commons|GNU Free Documentation License|GFDL|CC[- ]BY[- ]SA",
        r"|Creative Commons)[^.]{0,400}Wikipedia",
        r"|Wikipedia[^.]{0,300}(?:GNU Free Documentation License|GFDL|CC[- ]BY[- ]SA|Creative Commons Attribution)",
    )),
    ("attribution", _compiled(
        r"(?:article|page|text|content|material)[^.<>]{0,60}\b(?:from|uses material from|based on|copied from)\b",
        r"[^.<>]{0,60}(?:<[^>]{0,300}>\s*){0,3}[^.<>]{0,60}Wikipedia|Wikipedia®? is a registered trademark",
    )),
    ("wikimedia", _compiled(r"Wikimedia Foundation,? Inc|About Wikipedia|Über Wikipedia|À propos de Wikip")),
)  # fmt: skip
_PARSOID = _compiled(
    r"<html[^>]{0,500}prefix=[\"'][^\"']{0,200}mw: ?(?:https?:)?//mediawiki\.org/rdf|content=[\"']mw:PageContent",
    r"|about=[\"'](?:https?:)?//[a-z\-]{2,12}\.wikipedia\.org/wiki/Special:Redirect",
)
_FILES = _compiled(r"upload\.wikimedia\.org/wikipedia/(?!mediawiki|foundation)[a-z\-]{2,12}/")
_OTHER_WIKI = _compiled(
    r"id=[\"']siteSub[\"'][^>]{0,100}>\s*(?:From|Aus|De|Da) (?!wikipedia)[^<]{2,60}<",
    r"|og:site_name[\"'][^>]{0,40}content=[\"'](?!wikip)[^\"']",
)
_MENTIONS = (
    "ikip", "икипед", "ікіпед", "ويكيبيديا", "ویکی", "ויקיפדיה", "विकिपीडिया", "উইকিপিডিয়া",
    "維基百科", "维基百科", "ウィキペディア",
    "위키백과", "Βικιπαίδεια", "Վիքիպեդիա", "ვიკიპედია", "วิกิพีเดีย", "iquip", "Uicip", "Vicip",
)  # fmt: skip
"""Beginnings of Wikipedia's name in the languages that write it differently; a page without any is none of its."""
_AROUND = 1_500
"""Characters on each side of a mention in which signs are looked for."""
_MENTIONS_READ = 24
"""Mentions read from each end of the page: Wikipedia's marks stand in the head, above and below the article."""


def wikipedia_sign(html: str) -> str | None:
    """What shows that the page is Wikipedia's or a copy of Wikipedia's, or None.

    html: the page's markup. Measured on real pages: see tests/pipeline/extract/test_wikipedia.py.
    """
    near = _near_mentions(html)
    if not near:
        return None
    for name, pattern in _SURE:
        if pattern.search(near):
            return name
    if _TAGLINE.search(near):
        return "tag line"
    if _PARSOID.search(html[: 2 * _AROUND]) and _FILES.search(near):
        return "parsoid"
    if _OTHER_WIKI.search(html):
        return None
    signs = [name for name, pattern in _SIGNS if pattern.search(near)]
    article = _ARTICLE_MARKUP.search(html) is not None
    return " + ".join(signs) if _enough(signs, article=article) else None


def _enough(signs: Sequence[str], *, article: bool) -> bool:
    """One sign that only a copy bears, with another or an article's markup; or two weaker ones with the markup."""
    strong = bool({"tag line", "retrieved"} & set(signs))
    return (strong and (len(signs) >= 2 or article)) or (article and "licence" in signs and len(signs) >= 2)


def _near_mentions(html: str) -> str:
    """The parts of the page around Wikipedia's name, one under the other."""
    if "wiki" not in html:  # in addresses and class names of every copy, whatever its language
        return ""
    places: list[int] = []
    for word in _MENTIONS:
        if word not in html:
            continue
        first, last = html.find(word), html.rfind(word)
        for _ in range(_MENTIONS_READ):
            places += [place for place in (first, last) if place >= 0]
            first = html.find(word, first + 1) if first >= 0 else -1
            last = html.rfind(word, 0, last) if last > 0 else -1
    parts: list[tuple[int, int]] = []
    for place in sorted(places):
        start, end = max(0, place - _AROUND), place + _AROUND
        if parts and start <= parts[-1][1]:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    return "\n\n".join(html[start:end] for start, end in parts)
