"""The whole life of a request: every step there is, who takes it, and what must hold.

Rows stand in the order of the process. Bodies are empty: effects live in each app's `actions.py`.
"""

from requests_app.guards import (
    agreement_recorded,
    asd_settled,
    billing_initiated,
    billing_not_initiated,
    charge_basis_known,
    charge_expected,
    charge_lines,
    discovery_complete,
    has_service_and_group,
    is_assistance,
    is_enhancement,
    link_given,
    message,
    new_services_settled,
    no_charge_lines,
    no_charge_nor_new_service,
    no_charge_reason,
    no_part_open,
    no_proposal_waiting,
    not_on_hold,
    on_hold,
    other_group,
    other_representative,
    outcome_given,
    parts_done_or_released,
    parts_not_required,
    parts_required,
    plan_estimated,
    plan_finished,
    priority_given,
    recently_closed,
    resolution,
    review_date,
    slot_booked,
    specialist_in_group,
    test_failed,
    test_passed,
    triage_decided,
)
from requests_app.states import OPEN, S
from requests_app.who import CUSTOMER, SYSTEM, car, lead, member, specialist
from workflow.machine import at, reason, step
from workflow.models import Machine

ANY = not_on_hold
LEAVES_DISCOVERY = at(S.DISCOVERY, discovery_complete), at(S.DISCOVERY, parts_not_required)
LEAVES_PARTS = (
    at(S.PARTS_MAINTENANCE, parts_done_or_released),
    at(S.PARTS_MAINTENANCE, no_proposal_waiting),
)
AFTER_DISCOVERY = at([S.DISCOVERY, S.PARTS_MAINTENANCE], agreement_recorded)
BEFORE_BILLING = (
    S.TRIAGE,
    S.PARTS_MAINTENANCE,
    S.PENDING,
    S.ASSIGNED,
    S.AWAITING_SCHEDULING,
    S.SCHEDULED,
    S.PLANNING,
    S.IN_FULFILLMENT,
    S.TESTING,
)
QUEUED = (S.PENDING, S.ASSIGNED, S.AWAITING_SCHEDULING, S.SCHEDULED, S.PLANNING)
INTAKE = (S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE)


class Process(Machine):
    """The machine of a request. One declaration per row of the process table."""

    class Meta:
        abstract = True

    # fmt: off
    @step(BEFORE_BILLING, S.DISCOVERY, who=[car, member], given=[ANY], check=[reason], tell=["discovery_started"], label="Send to discovery")
    def send_to_discovery(self) -> None:
        """What is needed is not known yet, or not covered: find out first (D1, D2, F17)."""

    @step(INTAKE, S.PENDING, who=[car, SYSTEM], given=[ANY, is_assistance, has_service_and_group, at(S.TRIAGE, triage_decided), *LEAVES_DISCOVERY, at(S.DISCOVERY, no_charge_nor_new_service), *LEAVES_PARTS], tell=["routed", "queue_new"], label="Send to the pending queue")
    def queue_assistance(self) -> None:
        """Routine help: into the group's CRM Pending Queue (D13, D15, F2)."""

    @step(INTAKE, S.AWAITING_SCHEDULING, who=[car, SYSTEM], given=[ANY, is_enhancement, has_service_and_group, at(S.TRIAGE, triage_decided), *LEAVES_DISCOVERY, AFTER_DISCOVERY, *LEAVES_PARTS], tell=["routed", "queue_new"], label="Send to scheduling")
    def await_scheduling(self) -> None:
        """An enhancement: into the intake of the group's 60-day schedule (D13, D15, F2)."""

    @step(QUEUED, S.TRIAGE, who=[member, car], given=[ANY], check=[reason], tell=["returned_to_triage"], clears=["specialist"], label="Return to triage")
    def return_to_triage(self) -> None:
        """Wrong kind, wrong group, or not a request: triage decides again (F16)."""

    @step(S.DISCOVERY, S.PARTS_MAINTENANCE, who=[car], given=[ANY, discovery_complete, parts_required], tell=["parts_started"], label="Start parts maintenance")
    def start_parts_maintenance(self) -> None:
        """New parts and equipment are needed: have them rated, coded and listed (D11, D12)."""

    @step(S.PENDING, S.ASSIGNED, who=[member], given=[ANY], check=[specialist_in_group], writes=["specialist"], stamps=["assigned_at"], tell=["assigned"], label="Assign")
    def assign(self) -> None:
        """A specialist of the group takes it or gets it (F5)."""

    @step(S.ASSIGNED, S.PENDING, who=[specialist], given=[ANY], check=[reason], clears=["specialist", "assigned_at"], label="Put back into the queue")
    def unassign(self) -> None:
        """Back into the pending queue, with the reason (F5)."""

    @step(S.ASSIGNED, S.CLOSED, who=[specialist], given=[ANY, new_services_settled], check=[resolution], writes=["resolution"], stamps=["closed_at"], tell=["assistance_fulfilled"], label="Fulfill and close")
    def fulfill(self) -> None:
        """Fulfilled: the case is updated and closed and the customer told (F7, F8)."""

    @step(S.AWAITING_SCHEDULING, S.SCHEDULED, who=[lead, SYSTEM], given=[ANY], check=[slot_booked, charge_expected, charge_basis_known], writes=["charge_expected"], tell=["scheduled"], label="Schedule")
    def schedule(self) -> None:
        """Placed in the 60-day schedule on a day with capacity (F2)."""

    @step(S.SCHEDULED, S.AWAITING_SCHEDULING, who=[lead], given=[ANY], check=[reason], label="Take off the schedule")
    def unschedule(self) -> None:
        """The slot is given back, with the reason (F2)."""

    @step(S.SCHEDULED, S.PLANNING, who=[member], given=[ANY], check=[specialist_in_group], writes=["specialist"], stamps=["assigned_at"], tell=["assigned"], label="Pull for planning")
    def pull(self) -> None:
        """Pulled from the schedule: work plan and estimates are drawn up (F6)."""

    @step([S.PLANNING, S.IN_FULFILLMENT], S.AWAITING_SCHEDULING, who=[lead], given=[ANY], check=[reason], clears=["specialist", "assigned_at"], label="Put back to await scheduling")
    def put_back(self) -> None:
        """It needs another slot; plan and hours are kept (F6)."""

    @step(S.PLANNING, S.IN_FULFILLMENT, who=[specialist], given=[ANY, plan_estimated], label="Start work")
    def start_work(self) -> None:
        """Work starts once the plan has items and all are estimated (F6, F9)."""

    @step(S.IN_FULFILLMENT, S.TESTING, who=[specialist], given=[ANY, plan_finished], label="Submit for testing")
    def submit_for_testing(self) -> None:
        """Every plan item is done or cancelled: test the solution (F9)."""

    @step(S.TESTING, S.IN_FULFILLMENT, who=[member], given=[ANY, test_failed], tell=["test_failed"], label="Back to fulfillment")
    def fail_test(self) -> None:
        """The test failed: back to the work with the findings (F9)."""

    @step(S.TESTING, S.CUSTOMER_NOTICE, who=[member], given=[ANY, test_passed, no_part_open, no_charge_lines], check=[no_charge_reason], tell=["notice_due"], label="No charge: forward to the representative")
    def forward_to_representative(self) -> None:
        """Tested, nothing to charge: the representative tells the customer (F10, F11)."""

    @step(S.TESTING, S.BILLING, who=[member], given=[ANY, test_passed, charge_lines, no_part_open], tell=["billing_opened"], label="Charge: open billing")
    def open_billing(self) -> None:
        """Tested and charged: a billing case goes to the account representative (F10, F12)."""

    @step(S.BILLING, S.TESTING, who=[car], given=[ANY, billing_not_initiated], check=[reason], tell=["billing_returned"], label="Return to the provider")
    def return_billing(self) -> None:
        """Wrong amount or missing purchase order: back to the provider (F12)."""

    @step(S.BILLING, S.CUSTOMER_NOTICE, who=[car], given=[ANY, billing_initiated, asd_settled], label="Billing settled")
    def settle(self) -> None:
        """Billing is initiated and the ASD says what is live (F13, F14)."""

    @step(S.CUSTOMER_NOTICE, S.CLOSED, who=[car], given=[ANY, new_services_settled], check=[message], stamps=["closed_at"], tell=["rfc_fulfilled"], label="Notify the customer and close")
    def notify_and_close(self) -> None:
        """The customer is told that the Request for Change is fulfilled (F11, F15)."""

    @step(INTAKE, S.DECLINED, who=[car], given=[ANY], check=[outcome_given, link_given, reason], writes=["outcome"], stamps=["closed_at"], tell=["declined"], label="Decline")
    def decline(self) -> None:
        """It ends without fulfillment, with a reason code (D9, X2)."""

    @step(OPEN, S.CANCELLED, who=[car], given=[billing_not_initiated], check=[reason], stamps=["closed_at"], clears=["hold_reason", "held_since", "review_on", "waiting_for"], tell=["cancelled"], label="Cancel")
    def cancel(self) -> None:
        """Withdrawn: bookings, parts, draft service and proposal are closed (X2)."""

    @step(S.CLOSED, S.TRIAGE, who=[car, CUSTOMER], given=[recently_closed], check=[reason], clears=["closed_at", "archived_at", "resolution", "specialist", "assigned_at"], tell=["reopened"], label="Reopen")
    @step([S.DECLINED, S.CANCELLED], S.TRIAGE, who=[car], check=[reason], clears=["closed_at", "archived_at", "outcome", "specialist", "assigned_at"], tell=["reopened"], label="Reopen")
    def reopen(self) -> None:
        """Not solved after all, or closed by mistake: the next pass begins (X3)."""

    @step(OPEN, None, who=[car, member], given=[ANY], check=[reason, review_date], writes=["review_on", "waiting_for", "hold_reason"], stamps=["held_since"], tell=["on_hold"], label="Put on hold")
    def hold(self) -> None:
        """The clock stops until a date at which somebody looks again (X1)."""

    @step(OPEN, None, who=[car, member, CUSTOMER], given=[on_hold], clears=["hold_reason", "held_since", "review_on", "waiting_for"], label="Resume")
    def resume(self) -> None:
        """The clock runs again (X1)."""

    @step([S.PENDING, S.AWAITING_SCHEDULING], None, who=[car, member], given=[ANY], check=[reason, other_group], writes=["provider_group"], tell=["transferred"], label="Transfer to another group")
    def transfer(self) -> None:
        """From group to group; it keeps its queue and its clock (X5)."""

    @step(OPEN, None, who=[car], given=[ANY], check=[other_representative], writes=["representative"], tell=["handed_over"], label="Reassign representative")
    def reassign_representative(self) -> None:
        """Another representative takes over, or claims an unassigned request (X5)."""

    @step(OPEN, None, who=[car, lead], given=[ANY], check=[priority_given], writes=["impact", "urgency", "priority"], label="Change priority")
    def change_priority(self) -> None:
        """Impact and urgency give the priority (X8)."""

    @step(OPEN, None, who=[car], given=[ANY], writes=["title", "description", "needed_by", "contact"], label="Edit")
    def edit(self) -> None:
        """Title, description, needed-by and contact; before and after are kept (X7)."""
    # fmt: on
