"""A mail server with moods, which keeps of every mail only its Message-ID and its envelope."""

import asyncio
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from config.servers import free_port

MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE)
MOODS = ("away", "421", "450", "slow", "reset")


class Storm:
    """`mood` says what happens to whoever comes: ok, away (refuses connections), 421, 450, slow,
    hang, reset (goes away after DATA, before it answers; the mail is not kept).
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.mood = "ok"
        self.slow_seconds = 0.3
        self.kept: list[tuple[str, str]] = []
        self.met: Counter[str] = Counter()
        self.talking: set[SMTP] = set()
        self._loop = asyncio.new_event_loop()
        self._server: Any = None

    async def _listen(self, so: bool) -> None:
        if so and self._server is None:
            self._server = await self._loop.create_server(self._protocol, "127.0.0.1", self.port)
        elif not so and self._server is not None:
            self._server.close()
            self._server = None
            for line in list(self.talking):
                if line.transport is not None:
                    line.transport.abort()

    def _protocol(self) -> SMTP:
        line = SMTP(self, loop=self._loop, hostname="storm.example")
        self.talking.add(line)
        return line

    def be(self, mood: str) -> None:
        """Change the mood; connections that are open see it with their next command."""
        self.mood = mood
        asyncio.run_coroutine_threadsafe(self._listen(mood != "away"), self._loop).result(10)

    async def handle_MAIL(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.met[self.mood] += 1
        if self.mood == "421":
            return "421 4.3.2 Not now"
        if self.mood == "hang":
            await asyncio.sleep(120)
        if self.mood == "slow":
            await asyncio.sleep(self.slow_seconds)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mood == "450":
            return "450 4.2.1 Mailbox busy"
        if self.mood == "hang" or "hang" in address:
            await asyncio.sleep(120)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.mood == "reset":
            server.transport.abort()
            return "451 Gone"
        content: Any = envelope.content
        found = MESSAGE_ID.search(content)
        if self.mood == "slow":
            await asyncio.sleep(self.slow_seconds)
        self.kept.append((found.group(1).decode() if found else "", envelope.rcpt_tos[0]))
        return "250 OK"

    def ids(self) -> list[str]:
        return [message_id for message_id, _to in self.kept]


@contextmanager
def a_storm() -> Iterator[Storm]:
    """The server, in a good mood, until the end of the block."""
    storm = Storm()
    thread = threading.Thread(target=storm._loop.run_forever, daemon=True)
    thread.start()
    storm.be("ok")
    try:
        yield storm
    finally:
        storm.be("away")
        storm._loop.call_soon_threadsafe(storm._loop.stop)
        thread.join(10)


@contextmanager
def weather(storm: Storm, seconds: float = 1.0, seed: int = 7) -> Iterator[None]:
    """A third of the time in a bad mood, each in turn, for as long as the block lasts."""
    over = threading.Event()
    chance = random.Random(seed)

    def change() -> None:
        while not over.is_set():
            for mood in chance.sample(MOODS, len(MOODS)):
                storm.be("ok")
                if over.wait(2 * seconds):
                    return
                storm.be(mood)
                if over.wait(seconds):
                    return

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)
        storm.be("ok")
