"""Catches mails on a loopback port and keeps each as a file, for running without a mail server."""

import re
import sys
import time
from email.message import Message
from pathlib import Path
from threading import Event

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler


class Folder(MessageHandler):
    """Writes every message it gets into a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def handle_message(self, message: Message) -> None:
        to = re.sub(r"[^\w.@-]", "_", str(message.get("To", "nobody")))[:60]
        stamp = time.strftime("%Y%m%d-%H%M%S") + f"-{time.monotonic_ns() % 10**6:06d}"
        (self.folder / f"{stamp}-{to}.eml").write_bytes(message.as_bytes())


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    host = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
    controller = Controller(Folder(folder), hostname=host, port=port)
    controller.start()
    Event().wait()


if __name__ == "__main__":
    main()
