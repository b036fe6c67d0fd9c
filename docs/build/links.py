"""Look after every link of the built site, and whether a page needs anybody else to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

# What a browser fetches by itself; anything else waits for a click.
FETCHED = {
    "img": ("src", "srcset"),
    "script": ("src",),
    "iframe": ("src",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "source": ("src", "srcset"),
    "object": ("data",),
    "embed": ("src",),
}
RELATIONS_FETCHED = {"stylesheet", "icon", "preload", "preconnect", "manifest", "modulepreload"}


@dataclass
class BuiltPage(HTMLParser):
    """The anchors of a page, what it links to, and what a browser fetches for it."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors.update(values[name] for name in ("id", "name") if values.get(name))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and RELATIONS_FETCHED & set(values.get("rel", "").split()):
            self.fetched.append(values.get("href", ""))
        self.fetched += [values[name] for name in FETCHED.get(tag, ()) if name in values]


@dataclass(frozen=True)
class Findings:
    """What is wrong, and the links that leave the site, which nobody follows here."""

    problems: list[str]
    external: list[str]


def look_after(site: Path) -> Findings:
    """Every link and every fetched file of a site."""
    pages = {path: BuiltPage(path) for path in sorted(site.rglob("*.html"))}
    problems, external = [], set()
    for page in pages.values():
        name = page.path.relative_to(site)
        for link in (*page.links, *page.fetched):
            if urlsplit(link).scheme in ("http", "https") or link.startswith("//"):
                external.add(link)
            elif problem := _problem_of(link, page, pages, site):
                problems.append(f"{name}: {problem}")
        problems += [
            f"{name}: needs {link} from another host to be shown"
            for link in page.fetched
            if "//" in link and not link.startswith("data:")
        ]
    problems += _styles_from_elsewhere(site)
    return Findings(problems, sorted(external))


def _problem_of(link: str, page: BuiltPage, pages: dict[Path, BuiltPage], site: Path) -> str:
    if urlsplit(link).scheme:  # mailto:, data:, javascript:
        return ""
    file, anchor = urldefrag(unquote(link))
    file = file.partition("?")[0]
    target = (page.path.parent / file).resolve() if file else page.path
    if file.startswith("/"):  # of 404.html, which is shown at any address
        target = site / file.strip("/")
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return f"{link} is not there"
    if anchor and target in pages and anchor not in pages[target].anchors | {"__consent"}:
        return f"{link}: the page has no such place"
    return ""


def _styles_from_elsewhere(site: Path) -> Iterator[str]:
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            yield f"{path.relative_to(site)}: asks another host for a style or a font"
