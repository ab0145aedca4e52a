"""People at their desks: each signs in with an own browser and does what the page offers."""

from pathlib import Path
from typing import Any

from notifications.delivery import sweep
from requests_app.models import Request
from tests.browser import press, sign_in
from tests.conftest import Sink


class Desks:
    """One browser context per person, on the live server."""

    def __init__(self, browser: Any, base_url: str) -> None:
        self.browser = browser
        self.base_url = base_url
        self.pages: dict[str, Any] = {}
        self.errors: list[str] = []

    def page(self, person: Any) -> Any:
        """The person's page; signs them in the first time."""
        if person.username not in self.pages:
            context = self.browser.new_context(base_url=self.base_url, locale="en-US")
            page = context.new_page()
            page.set_default_timeout(10_000)
            page.on("pageerror", lambda error: self.errors.append(str(error)))
            page.on(
                "console",
                lambda m: (
                    self.errors.append(m.text)
                    if m.type == "error" and "status of 4" not in m.text
                    else None
                ),
            )
            sign_in(page, person)
            self.pages[person.username] = page
        return self.pages[person.username]

    def close(self) -> None:
        """Every context, and no error may have been on any console."""
        for page in self.pages.values():
            page.context.close()
        assert not self.errors, self.errors

    def act(self, person: Any, request: Request, action: str, **fields: Any) -> None:
        """Do what a person does: open the request, unfold the action, fill it in, press it.

        `row` names the hidden field of a row: `row={"item": 5}`.
        """
        page = self.page(person)
        page.goto(request.get_absolute_url())
        row = fields.pop("row", {})
        selector = f'form[data-action="{action}"]'
        for name, value in row.items():
            selector += f':has(input[name="{name}"][value="{value}"])'
        form = page.locator(selector).first
        form.wait_for(state="attached")
        self._unfold(form)
        for name, value in fields.items():
            self._fill(form, name, value)
        press(page, form.locator("button[type=submit]").last)
        wrong = page.locator(".field-error, .alert-danger, .alert-warning").all_inner_texts()
        assert not wrong, f"{action}: {wrong}"
        request.refresh_from_db()

    def offered(self, person: Any, request: Request, action: str) -> bool:
        """Whether the page offers the action to this person, and not as a disabled button."""
        page = self.page(person)
        page.goto(request.get_absolute_url())
        return page.locator(f'form[data-action="{action}"]').count() > 0

    @staticmethod
    def _unfold(form: Any) -> None:
        closed = form.locator("xpath=ancestor::details[not(@open)]")
        for _ in range(closed.count()):
            form.locator("xpath=ancestor::details[not(@open)]").first.locator("> summary").click()

    @staticmethod
    def _fill(form: Any, name: str, value: Any) -> None:
        field = form.locator(f'[name="{name}"]')
        kind = field.first.evaluate("e => e.type")
        if kind == "radio":
            form.locator(f'[name="{name}"][value="{value}"]').check(force=True)
        elif kind == "checkbox":
            field.first.set_checked(bool(value))
        elif kind.startswith("select"):
            field.select_option(str(value))
        elif kind == "file":
            field.set_input_files(str(value))
        else:
            field.fill(str(value))


def a_pdf(folder: Path, name: str) -> Path:
    """A small file that is what its name says."""
    file = folder / name
    file.write_bytes(b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n")
    return file


def mailed(sink: Sink, address: str, words: str) -> bool:
    """Send what is due over real SMTP, then look whether a mail with these words arrived."""
    while sweep():
        pass
    found = [m for m in sink.to(address) if words in str(m["Subject"])]
    return bool(found)
