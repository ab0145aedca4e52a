"""The text of a message: made harmless, taken out of HTML, its quotes folded away."""

import re
import signal
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from types import FrameType

from mailparser_reply import EmailReplyParser

LONGEST = 20_000  # characters of what is new in a message; an update on the case holds no more
FOLDED = 40_000  # characters of what it quotes
HTML_LONGEST = 300_000
READ_SECONDS = 1.5
BREAKS = str.maketrans({"\u2028": "\n", "\u2029": "\n", "\x85": "\n", "\x0b": "\n", "\x0c": "\n"})
TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
QUOTE_BEGINS = re.compile(
    r"^(?:>|-{2,} ?(?:original|forwarded) message|on .{4,120} wrote:|el .{4,120} escribi)",
    re.IGNORECASE,
)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError when what is inside takes longer than this much processor time.

    Only the main thread can be interrupted, which is where workers and commands run; elsewhere
    the bounds on size are what protects.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def harmless(text: str) -> str:
    """No control, direction or half characters, one kind of line end; the rest as it was typed."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(BREAKS)
    return "".join(
        c
        for c in lines
        if c in "\n\t" or (c not in TURNS and unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    )


def one_line(text: str, longest: int) -> str:
    """A header or a name as one line of bounded length."""
    return " ".join(harmless(text[: longest * 4]).split())[:longest]


class _Words(HTMLParser):
    """Collects the words of a page; what runs, hides or loads is left out."""

    SKIPPED = frozenset({"script", "style", "head", "title", "template", "object", "svg", "math"})
    # fmt: off
    BLOCKS = frozenset({
        "p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6",
        "blockquote", "pre", "hr", "section", "article", "header", "footer", "dl", "dt", "dd",
        "address",
    })
    # fmt: on

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [""]
        self.skipping: list[str] = []
        self.depth = 0
        self.link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.skipping:
            if tag == self.skipping[-1]:
                self.skipping.append(tag)
            return
        if tag in self.SKIPPED:
            self.skipping.append(tag)
        elif tag == "body":
            self.skipping.clear()
        if tag in self.BLOCKS:
            self._new_line()
        if tag == "blockquote":
            self.depth = min(self.depth + 1, 20)
            self.lines[-1] = "> " * self.depth
        given = dict(attrs)
        if tag == "li":
            self.lines[-1] += "- "
        elif tag == "a":
            self.link = (given.get("href") or "")[:500]
        elif tag == "img" and given.get("alt"):
            self.lines[-1] += f"[{given['alt']}]"

    def handle_endtag(self, tag: str) -> None:
        if self.skipping:
            if tag == self.skipping[-1]:
                self.skipping.pop()
            return
        if tag == "blockquote":
            self.depth = max(self.depth - 1, 0)
        if tag == "a" and self.link.startswith(("http://", "https://")):
            if self.link not in self.lines[-1]:
                self.lines[-1] += f" ({self.link})"
            self.link = ""
        if tag in self.BLOCKS:
            self._new_line()

    def handle_data(self, data: str) -> None:
        if not self.skipping:
            words = re.sub(r"\s+", " ", data)
            self.lines[-1] += words.lstrip() if not self.lines[-1].strip("> ") else words

    def _new_line(self) -> None:
        if self.lines[-1].strip("> ") or (len(self.lines) > 1 and self.lines[-2].strip("> ")):
            self.lines.append("> " * self.depth)
        else:
            self.lines[-1] = "> " * self.depth


def text_of_html(html: str) -> str:
    """What an HTML message says, as plain text; nothing of it is ever shown as HTML."""
    words = _Words()
    try:
        with within(READ_SECONDS):
            words.feed(html[:HTML_LONGEST])
            words.close()
    except Exception:  # noqa: BLE001 - what was read up to here is better than nothing
        words.lines.append("[The rest of this message could not be read.]")
    return "\n".join(line.rstrip() for line in words.lines).strip()


@dataclass(frozen=True)
class Folded:
    """What is new in a message, what it quotes, and how it is signed."""

    new: str
    quoted: str = ""
    signature: str = ""


def fold(text: str) -> Folded:
    """Part the new words from the quoted ones and the signature; none of them is thrown away."""
    text = harmless(text[: (LONGEST + FOLDED) * 2]).strip()
    head, rest = text[:LONGEST], text[LONGEST:]
    try:
        with within(READ_SECONDS):
            found = _parted(head)
    except Exception:  # noqa: BLE001 - a library's idea of the text never stops a message
        found = _by_lines(head)
    quoted = "\n".join(part for part in (found.quoted, rest) if part)
    if not found.new:
        found = Folded(quoted, signature=found.signature)
        quoted = ""
    return Folded(found.new[:LONGEST], quoted[:FOLDED], found.signature[:2000])


def _parted(text: str) -> Folded:
    """As the library of many languages sees it."""
    replies = EmailReplyParser(languages=["en", "es"]).read(text).replies
    first = replies[0] if replies else None
    if first is None or not first.content.strip():
        return _by_lines(text)
    kept = first.content
    signature = first.signatures if kept.endswith(first.signatures) else ""
    body = kept[: len(kept) - len(signature)].strip() if signature else kept
    if not body or any(line.startswith(">") for line in body.splitlines()):
        return _by_lines(text)
    new, after = _as_typed(text, body)
    quoted = after[len(signature) :].strip() if after.startswith(signature) else after
    return Folded(new, quoted, signature)


def _as_typed(text: str, body: str) -> tuple[str, str]:
    """The library drops the indent of every line: the same lines as they were typed."""
    lines, count = text.split("\n"), body.count("\n") + 1
    if [line.strip() for line in lines[:count]] == body.split("\n"):
        after = "\n".join(line.strip() for line in lines[count:]).strip()
        return "\n".join(lines[:count]).strip(), after
    return body, "\n".join(line.strip() for line in text.split("\n"))[len(body) :].strip()


def _by_lines(text: str) -> Folded:
    """An answer between or below the quoted lines: whatever does not begin as a quote is new."""
    new: list[str] = []
    quoted: list[str] = []
    for line in text.split("\n"):
        (quoted if QUOTE_BEGINS.match(line[:200].strip()) else new).append(line)
    return Folded("\n".join(new).strip(), "\n".join(quoted).strip())
