"""Files of a case leave through one permission check, as downloads, never run, never cached."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.datastructures import MultiValueDict

from requests_app.models import Attachment
from tests.factories import Office
from tests.requests_app.test_list import as_user
from tests.walk import do, to_pending

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def attach(
    office: Office, request: Any, name: str = "plan.pdf", content: bytes = PDF
) -> Attachment:
    files = MultiValueDict({"files": [SimpleUploadedFile(name, content)]})
    do(request, "upload_file", office.rep, files=files)
    return Attachment.objects.latest("pk")


def test_a_file_is_a_download_that_nothing_runs_and_nothing_caches(office):
    """TD05 and TC06: attachment, nosniff, sandbox, no-store."""
    request = to_pending(office)
    file = attach(office, request)
    response = as_user(office.specialist).get(file.get_absolute_url())
    assert b"".join(response.streaming_content) == PDF
    assert response["Content-Disposition"] == 'attachment; filename="plan.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"] == "no-store, private"


def test_a_file_of_a_request_one_may_not_see_does_not_exist(office):
    """TD03."""
    file = attach(office, to_pending(office))
    assert as_user(office.stranger).get(file.get_absolute_url()).status_code == 404
    assert Client().get(file.get_absolute_url()).status_code == 302


def test_a_file_is_found_only_under_its_own_request(office):
    file = attach(office, to_pending(office))
    other = to_pending(office)
    address = f"/requests/{other.reference}/files/{file.pk}/"
    assert as_user(office.rep).get(address).status_code == 404


def test_after_the_request_moved_to_another_group_its_files_are_gone_too(office):
    """TD05."""
    request = to_pending(office)
    file = attach(office, request)
    client = as_user(office.specialist)
    assert client.get(file.get_absolute_url()).status_code == 200
    do(request, "transfer", office.rep, provider_group=office.other_group.pk, reason="Theirs.")
    assert client.get(file.get_absolute_url()).status_code == 404


def test_a_withdrawn_file_leaves_its_name_and_the_reason(office):
    request = to_pending(office)
    file = attach(office, request)
    do(request, "withdraw_file", office.rep, attachment=file.pk, reason="Of another agency.")
    client = as_user(office.rep)
    assert client.get(file.get_absolute_url()).status_code == 404
    html = client.get(request.get_absolute_url()).content.decode()
    assert "plan.pdf</s>" in html
    assert "Of another agency." in html


@pytest.mark.parametrize(
    "name", ["a\r\nSet-Cookie: x=1.pdf", "../../etc/passwd.pdf", "\u202efdp.txt.pdf", "Plän é.pdf"]
)
def test_a_strange_name_does_no_harm(office, name):
    file = attach(office, to_pending(office), name=name)
    response = as_user(office.rep).get(file.get_absolute_url())
    assert response.status_code == 200
    assert "Set-Cookie" not in response
    assert ".." not in response["Content-Disposition"]


def test_a_file_that_is_lost_on_disk_is_not_found(office):
    file = attach(office, to_pending(office))
    file.file.storage.delete(file.file.name)
    assert as_user(office.rep).get(file.get_absolute_url()).status_code == 404
