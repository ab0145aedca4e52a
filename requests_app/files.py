"""Files of a case: sniffed, limited, hashed, stored under a name of our own."""

import hashlib
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import puremagic
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from requests_app.models import Attachment, CaseEntry, Request
from workflow import clock
from workflow.actors import Actor, as_actor
from workflow.models import User

if TYPE_CHECKING:
    from django.core.files.base import File

ALLOWED = {
    ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".tiff", ".tif", ".txt", ".csv", ".log",
    ".md", ".eml", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".odp",
    ".zip", ".json", ".xml", ".vsdx",
}  # fmt: skip
SNIFFED = {".pdf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".tiff", ".tif", ".zip"}
SAME = {".jpeg": ".jpg", ".tif": ".tiff", ".jfif": ".jpg"}


def clean_name(name: str) -> str:
    """A name fit to show and to download: no path, no control or direction characters."""
    base = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    stem, dot, suffix = kept.strip(" .").rpartition(".")
    if not dot:
        return (kept.strip(" .") or "file")[:120]
    return f"{stem[:110]}.{suffix[:10]}"


def check_upload(upload: "UploadedFile | File[bytes]") -> tuple[str, str]:
    """The clean name and content type of an upload; ValidationError says which and why."""
    name = clean_name(upload.name or "file")
    suffix = PurePosixPath(name).suffix.lower()
    limit = settings.THROUGHLINE["MAX_UPLOAD_MB"]
    if suffix not in ALLOWED:
        raise _refused(_("%(name)s: files of this type cannot be attached."), name)
    if not upload.size:
        raise _refused(_("%(name)s: the file is empty."), name)
    if upload.size > limit * 1024 * 1024:
        raise _refused(_("%(name)s: larger than %(limit)s MB."), name, limit=limit)
    upload.seek(0)
    head = upload.read(4096)
    upload.seek(0)
    if suffix in SNIFFED:
        found = {SAME.get(m.extension, m.extension) for m in _matches(head)}
        if SAME.get(suffix, suffix) not in found:
            raise _refused(_("%(name)s: the content is not what the name says."), name)
    content_type = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg"}
    return name, content_type.get(SAME.get(suffix, suffix), "application/octet-stream")


def _refused(sentence: str, name: str, **facts: Any) -> ValidationError:
    """Why a file is not kept, in the language of whoever sends it."""
    return ValidationError(sentence, params={"name": name, **facts})


def _matches(head: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return list(puremagic.magic_string(head))
    except puremagic.PureError:
        return []


def store(
    request: Request,
    upload: "UploadedFile | File[bytes]",
    *,
    by: User | Actor,
    purpose: str = Attachment.Purpose.FILE,
    public: bool = False,
    entry: CaseEntry | None = None,
) -> Attachment:
    """Keep a file on the request's case. Raises ValidationError where it cannot be kept (D9).

    Called inside the transaction of the action that brings the file.
    """
    name, content_type = check_upload(upload)
    digest = hashlib.sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    upload.seek(0)
    actor = as_actor(by)
    try:
        return Attachment.objects.create(
            case=request.case,
            entry=entry,
            purpose=purpose,
            file=upload,
            name=name,
            content_type=content_type,
            size=upload.size or 0,
            sha256=digest.hexdigest(),
            public=public,
            uploaded_by=actor.user,
            uploaded_by_name=actor.name,
            uploaded_at=clock.now(),
        )
    except OSError as error:
        raise _refused(_("%(name)s: could not be stored. Try again later."), name) from error


def store_bytes(
    request: Request, content: bytes, name: str, *, by: User | Actor, purpose: str, public: bool
) -> Attachment:
    """Keep a file that the system made, such as a proposal's PDF (D9)."""
    return store(request, ContentFile(content, name=name), by=by, purpose=purpose, public=public)
