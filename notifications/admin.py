"""What was said to whom, and how it went."""

from collections.abc import Callable
from typing import Any

import pghistory
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join

from notifications import texts
from notifications.models import Notice, NoticeText, UndeliverableAddress
from notifications.outbox import resend
from notifications.rendering import render, render_notice
from notifications.samples import SAMPLE


def _sandboxed(write: Callable[[], str], kind: str = "text/html") -> HttpResponse:
    """A mail on an address of its own, where nothing can run."""
    try:
        shown = write()
    except Exception as error:  # noqa: BLE001 - what a template raises is what one came to see
        shown = format_html("<p>It cannot be written: {}: {}</p>", type(error).__name__, error)
    response = HttpResponse(shown, content_type=f"{kind}; charset=utf-8")
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    return response


@admin.register(Notice)
class NoticeAdmin(admin.ModelAdmin):
    list_display = ["created_at", "template", "address", "state", "attempts", "sent_at", "preview"]
    list_filter = ["state", "template"]
    search_fields = ["address", "context__reference", "last_error"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = ["send_again"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A form that is saved would write back a state that a worker changed meanwhile."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_notice")

    @admin.display(description="preview")
    def preview(self, notice: Notice) -> str:
        address = reverse("admin:notifications_notice_preview", args=[notice.pk])
        return format_html('<a href="{}">Look at it</a>', address)

    def get_urls(self) -> list[Any]:
        own = path(
            "<uuid:pk>/preview/",
            self.admin_site.admin_view(self.preview_view),
            name="notifications_notice_preview",
        )
        return [own, *super().get_urls()]

    def preview_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """The mail as HTML on an address of its own, where nothing can run."""
        notice = self.get_object(request, str(pk))
        if notice is None or not self.has_view_permission(request, notice):
            raise Http404
        return _sandboxed(lambda: render_notice(notice).html)

    @admin.action(description="Send failed notices again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        number = resend(queryset)
        messages.success(request, f"{number} failed notices are queued once more.")


@admin.register(UndeliverableAddress)
class UndeliverableAddressAdmin(admin.ModelAdmin):
    """Deleting a mark lets the address be written to again."""

    list_display = ["address", "marked_at", "why"]
    search_fields = ["address", "why"]
    date_hierarchy = "marked_at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NoticeTextForm(forms.ModelForm):
    """Words and placeholders; what a notice does not know is said beside the field."""

    template = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ").capitalize()) for name in texts.templates()],
        label="Notice",
    )

    class Meta:
        model = NoticeText
        fields = ["template", "language", "subject", "body"]
        help_texts = {
            "body": (
                "An empty line parts paragraphs. A paragraph whose placeholder has nothing to say "
                "is left out. The link to the request is added below the text."
            )
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in ("subject", "body"):
            try:
                texts.check(data.get(name) or "", data.get("template") or "")
            except forms.ValidationError as error:
                self.add_error(name, error)
        return data


class ChangesInline(admin.TabularInline):
    """What the text was, kept by the database itself (X7)."""

    model = NoticeText.pgh_event_model
    fk_name = "pgh_obj"
    fields = readonly_fields = ["pgh_created_at", "pgh_label", "subject", "body"]
    ordering = ["-pgh_created_at"]
    extra = 0
    verbose_name_plural = "changes"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("notifications.view_noticetext")


@admin.register(NoticeText)
class NoticeTextAdmin(admin.ModelAdmin):
    """The office's own words for notices; deleting one goes back to the shipped text."""

    form = NoticeTextForm
    inlines = [ChangesInline]
    list_display = ["template", "language", "subject", "preview", "shipped", "trouble"]
    list_filter = ["language"]
    search_fields = ["template", "subject", "body"]
    readonly_fields = ["knows", "preview", "shipped", "trouble"]
    actions = ["back_to_the_original"]

    def get_fields(self, request: HttpRequest, obj: NoticeText | None = None) -> list[str]:
        typed = ["template", "language", "subject", "body"]
        return [*typed, "knows", "preview", "shipped", "trouble"] if obj else [*typed, "originals"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.readonly_fields if obj else ["originals"]

    @admin.display(description="placeholders")
    def knows(self, text: NoticeText) -> str:
        return ", ".join(f"{{{{ {name} }}}}" for name in texts.placeholders(text.template))

    @admin.display(description="preview")
    def preview(self, text: NoticeText) -> str:
        return self._links(text.template, text.language, "")

    @admin.display(description="shipped text")
    def shipped(self, text: NoticeText) -> str:
        return self._links(text.template, text.language, "&shipped=1")

    @admin.display(description="shipped texts and their placeholders")
    def originals(self, text: NoticeText) -> str:
        rows = [
            (name, self._links(name, "en", "&shipped=1"), self.knows(NoticeText(template=name)))
            for name in texts.templates()
        ]
        return format_html_join("", "<p><strong>{}</strong> {}<br>{}</p>", rows)

    def _links(self, template: str, language: str, more: str) -> str:
        address = reverse("admin:notifications_noticetext_preview", args=[template, language])
        return format_html(
            '<a href="{}?as=html{}">as HTML</a>, <a href="{}?as=text{}">as text</a>',
            address, more, address, more,
        )  # fmt: skip

    def get_urls(self) -> list[Any]:
        own = path(
            "preview/<slug:template>/<slug:language>/",
            self.admin_site.admin_view(self.preview_view),
            name="notifications_noticetext_preview",
        )
        return [own, *super().get_urls()]

    def preview_view(self, request: HttpRequest, template: str, language: str) -> HttpResponse:
        """The notice with a sample's facts: the changed text, or the shipped one."""
        known = template in texts.templates() and language in dict(settings.LANGUAGES)
        if not known or not self.has_view_permission(request):
            raise Http404
        text = NoticeText.objects.filter(template=template, language=language).first()
        if request.GET.get("shipped"):
            text = None
        if request.GET.get("as") == "text":

            def plain() -> str:
                mail = render(template, SAMPLE, language, text)
                return f"{mail.subject}\n\n{mail.text}"

            return _sandboxed(plain, "text/plain")
        return _sandboxed(lambda: render(template, SAMPLE, language, text).html)

    def save_model(self, request: HttpRequest, obj: NoticeText, form: Any, change: bool) -> None:
        obj.trouble = ""
        with pghistory.context(user=request.user.pk, name=str(request.user)):
            super().save_model(request, obj, form, change)

    @admin.action(description="Back to the original text", permissions=["delete"])
    def back_to_the_original(self, request: HttpRequest, queryset: QuerySet[NoticeText]) -> None:
        number, _ = queryset.delete()
        messages.success(request, f"{number} texts are as they were shipped.")
