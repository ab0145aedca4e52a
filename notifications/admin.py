"""What was said to whom, and how it went."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html

from notifications.models import Notice, UndeliverableAddress
from notifications.outbox import resend
from notifications.rendering import render_notice


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
        try:
            html = render_notice(notice).html
        except Exception as error:  # noqa: BLE001 - what a template raises is what one came to see
            html = format_html("<p>It cannot be written: {}: {}</p>", type(error).__name__, error)
        response = HttpResponse(html)
        response["Content-Security-Policy"] = (
            "sandbox; default-src 'none'; style-src 'unsafe-inline'"
        )
        return response

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
