"""What the mail catcher catches can be read."""

import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller

from config.mailcatcher import Folder
from config.servers import free_port


def test_every_mail_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    catcher = Controller(Folder(tmp_path / "mail"), hostname="127.0.0.1", port=free_port())
    catcher.start()
    try:
        with smtplib.SMTP("127.0.0.1", catcher.port, timeout=5) as smtp:
            for to in ("Zoë <zoe@example.org>", "../../etc/x@example.org", "zoe@example.org"):
                mail = EmailMessage()
                mail["From"], mail["Subject"] = "t@example.org", "Größe"
                mail["To"] = to
                mail.set_content("Fertig – bitte prüfen.")
                smtp.send_message(mail, to_addrs=["zoe@example.org"])
    finally:
        catcher.stop()
    files = sorted((tmp_path / "mail").iterdir())
    assert len(files) == 3
    assert not (tmp_path / "etc").exists()
    read = message_from_bytes(files[0].read_bytes(), policy=policy.default)
    assert read["Subject"] == "Größe"
    assert "prüfen" in read.get_content()  # type: ignore[attr-defined]
