"""What was written down in discovery is put right; before and after are kept (D4, D6, X7)."""

from typing import Any

from discovery import forms
from discovery.actions.discovery import REQUEST, write
from discovery.models import Discovery, Finding, Need
from discovery.stages import DOCUMENTED, FINDING
from requests_app.files import store
from requests_app.models import Request
from requests_app.states import S
from requests_app.who import car, team
from workflow.actors import Actor
from workflow.door import record
from workflow.registry import action


@action("edit_documentation", "Change the documentation", model=REQUEST, at=[S.DISCOVERY],
        form=forms.DocumentationForm, who=[car], given=[DOCUMENTED], when=DOCUMENTED,
        place="discovery", order=28)  # fmt: skip
def edit_documentation(request: Request, *, by: Actor, **documented: Any) -> Discovery:
    """What was documented reads otherwise now (D4)."""
    discovery = request.discovery
    write(discovery, "edit_documentation", by, **documented)
    return discovery


@action("edit_finding", "Change", model=REQUEST, at=[S.DISCOVERY], form=forms.EditFindingForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=29)  # fmt: skip
def edit_finding(
    request: Request, *, by: Actor, finding: Finding, attachment: Any = None, **facts: Any
) -> Finding:
    """A finding reads otherwise now (D6)."""
    if attachment:
        facts["attachment"] = store(request, attachment, by=by)
    changes = {}
    for name, value in facts.items():
        before = getattr(finding, name)
        if before != value:
            changes[name] = [str(before or ""), str(value or "")]
            setattr(finding, name, value)
    finding.save(update_fields=list(facts))
    record(finding.discovery, "edit_finding", by=by, changes=changes, facts={"of": finding.on})
    return finding


@action("remove_need", "Take off", model=REQUEST, at=[S.DISCOVERY], form=forms.RemoveNeedForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=30)  # fmt: skip
def remove_need(request: Request, *, by: Actor, need: Need) -> None:
    """Listed by mistake; what was asked for and is not needed is judged *removed* instead (D6)."""
    record(need.discovery, "remove_need", by=by, facts={"need": need.description})
    need.delete()
