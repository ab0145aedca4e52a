"""What a form of an action is: it knows its subject, and says in data what it asks."""

from functools import cache
from typing import Any

from django import forms

from workflow.actors import Actor
from workflow.among import Among
from workflow.choosing import choose_among


class ActionForm(forms.Form):
    """The facts an action needs. Knows the subject and the person, so choices can be theirs only.

    `hidden` fields name the row acted upon (a plan item, a part line) in lists of rows. Of the
    fields in `says`, an empty form has what that row says now. A form that shows or hides fields
    by what it finds is `shaped_by_subject`; of all others the class says what they ask, but for
    `otherwise`. `among` names the lists that its fields choose from, `decides` the field whose row
    decides what the step needs (`asks_for(..., later=...)`).
    """

    decides = ""

    says: tuple[str, ...] = ()
    shaped_by_subject = False
    among: dict[str, Among] = {}

    def __init__(self, *args: Any, subject: Any, actor: Actor, **kwargs: Any) -> None:
        self.subject = subject
        self.actor = actor
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, words in self.otherwise(subject).items():
            if words is None:
                del self.fields[name]
            else:
                self.fields[name].help_text = words
        for name in self.among.keys() & self.fields.keys():
            choose_among(self.fields[name], self.among[name], subject)  # type: ignore[arg-type]
        self.prepare()
        self.prefill()
        if self.says and not self.is_bound:
            self._say()

    def prepare(self) -> None:
        """Override to shape the form by the subject: fields, what they let choose, their words."""

    def prefill(self) -> None:
        """Override to say what stands in a form that nobody has filled in yet."""

    @classmethod
    def otherwise(cls, subject: Any) -> dict[str, str | None]:
        """Override to ask this subject otherwise than the class says: by field another help text,
        or None for one that it is not asked for."""
        return {}

    @classmethod
    def is_the_same_for_all(cls) -> bool:
        """Whether the class says all of what it asks, but for `among` and `otherwise`."""
        return cls.prepare is ActionForm.prepare

    def _say(self) -> None:
        """What the row acted upon says now stands in the form that changes it."""
        for name in self.row_fields():
            field: Any = self.fields[name]
            row = (
                field.queryset.filter(pk=self.initial[name]).first()
                if name in self.initial
                else None
            )
            for said in self.says if row is not None else ():
                self.initial.setdefault(said, getattr(row, said))

    @classmethod
    @cache
    def row_fields(cls) -> list[str]:
        """The hidden fields, which name the row acted upon."""
        return [name for name, field in cls.declared().items() if field.widget.is_hidden]

    @classmethod
    @cache
    def asks(cls) -> bool:
        """Whether there is anything to fill in."""
        return len(cls.row_fields()) < len(cls.declared())

    @classmethod
    @cache
    def takes_files(cls) -> bool:
        """Whether it is sent as multipart."""
        return any(field.widget.needs_multipart_form for field in cls.declared().values())

    @classmethod
    def declared(cls) -> dict[str, forms.Field]:
        """The fields that the class declares, in the order in which a form has them."""
        fields: dict[str, forms.Field] = cls.base_fields  # type: ignore[attr-defined]
        order = [*(cls.field_order or ()), *fields]
        return {name: fields[name] for name in order if name in fields}


class ReasonForm(ActionForm):
    """A step that only asks why."""

    reason = forms.CharField(
        label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


class NothingForm(ActionForm):
    """A step that asks nothing."""
