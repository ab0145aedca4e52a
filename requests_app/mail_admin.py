"""Mail that came in, and the mailboxes it came from: looked at here, decided on its page."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from requests_app.models import BlockedSender, InboundMessage, Mailbox
from workflow.admin import ReadOnly


@admin.register(InboundMessage)
class InboundMessageAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "received_at", "page", "state", "from_address", "request", "source", "attempts",
        "next_try_at", "last_error",
    ]  # fmt: skip
    list_filter = ["state", "source", "is_verified"]
    list_select_related = ["request"]
    search_fields = ["subject", "from_address", "message_id", "request__reference"]
    show_full_result_count = False

    @admin.display(description="subject", ordering="subject")
    def page(self, message: InboundMessage) -> str:
        """What becomes of it is decided on its own page, through the door."""
        words = message.subject or "(no subject)"
        return format_html('<a href="{}">{}</a>', message.get_absolute_url(), words)


@admin.register(Mailbox)
class MailboxAdmin(ReadOnly, admin.ModelAdmin):
    """Whether mail is fetched, and if not, why not and when next."""

    list_display = ["name", "last_ok_at", "last_polled_at", "failures", "next_try_at", "last_error"]


@admin.register(BlockedSender)
class BlockedSenderAdmin(ReadOnly, admin.ModelAdmin):
    """Deleting a row lets its mail through again."""

    list_display = ["address", "reason", "by", "at"]
    list_select_related = ["by"]
    search_fields = ["address"]

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("requests_app.delete_blockedsender")
