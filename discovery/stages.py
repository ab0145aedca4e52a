"""In which stage of the discovery an action belongs, as guards of the request."""

from discovery.current import discovery_of
from discovery.models import Ending, Stage
from requests_app.models import Request
from workflow.machine import Guard, guard

WHEN = {
    Stage.DOCUMENTING: "while the need is being documented",
    Stage.ASSEMBLING: "while the team is being assembled",
    Stage.CLIENT_DISCOVERY: "during client discovery",
    Stage.PROPOSING: "after client discovery is final",
    Stage.COMPLETE: "once the discovery is complete",
}


def in_stage(*stages: Stage) -> Guard:
    """The action belongs to these stages of the discovery."""

    def test(request: Request) -> bool:
        discovery = discovery_of(request)
        return discovery is not None and discovery.state in stages

    sentence = f"Possible {' or '.join(WHEN[s] for s in stages)}."
    return Guard(sentence, test, f"in_stage:{'+'.join(stages)}")


DOCUMENTING = in_stage(Stage.DOCUMENTING)
ASSEMBLING = in_stage(Stage.ASSEMBLING)
FINDING = in_stage(Stage.CLIENT_DISCOVERY)
PROPOSING = in_stage(Stage.PROPOSING)
COMPLETE = in_stage(Stage.COMPLETE)
DOCUMENTED = in_stage(Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY)
EARLY = in_stage(Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY)
LATE = in_stage(Stage.CLIENT_DISCOVERY, Stage.PROPOSING)
OPEN_STAGE = in_stage(Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY, Stage.PROPOSING)


@guard("The discovery did not end with nothing needed.")
def nothing_is_needed(request: Request) -> bool:
    """Complete, with nothing to do: the request is declined (D7)."""
    discovery = discovery_of(request)
    return (
        discovery is not None
        and discovery.state == Stage.COMPLETE
        and discovery.ending == Ending.NOTHING_NEEDED
    )


@guard("Discovery says that no parts are required.")
def parts_are_due(request: Request) -> bool:
    """Complete, and parts are required (D11)."""
    discovery = discovery_of(request)
    return (
        discovery is not None
        and discovery.state == Stage.COMPLETE
        and discovery.parts_required is True
    )
