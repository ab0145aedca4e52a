"""The step table of the process page, typed by hand. Nothing here is read from the program."""

T, D, PM, P, A = "triage", "discovery", "parts_maintenance", "pending", "assigned"
AW, S, PL, F, TE = "awaiting_scheduling", "scheduled", "planning", "in_fulfillment", "testing"
B, CN, C, DE, CA = "billing", "customer_notice", "closed", "declined", "cancelled"

STATES = [T, D, PM, P, A, AW, S, PL, F, TE, B, CN, C, DE, CA]
OPEN = [T, D, PM, P, A, AW, S, PL, F, TE, B, CN]
ENDS = [C, DE, CA]

LANES = {
    T: "intake", D: "discovery", PM: "parts", P: "queue", A: "fulfillment", AW: "queue",
    S: "queue", PL: "fulfillment", F: "fulfillment", TE: "testing", B: "billing",
    CN: "closing", C: "done", DE: "done", CA: "done",
}  # fmt: skip

CAR, MEMBER, SPECIALIST, LEAD = "CAR", "member", "specialist", "lead"
SYSTEM, CUSTOMER = "system", "customer"

# step, from, to (None: the state stays), who
STEPS: list[tuple[str, list[str], str | None, list[str]]] = [
    ("send_to_discovery", [T, PM, P, A, AW, S, PL, F, TE], D, [CAR, MEMBER]),
    ("queue_assistance", [T, D, PM], P, [CAR, SYSTEM]),
    ("await_scheduling", [T, D, PM], AW, [CAR, SYSTEM]),
    ("return_to_triage", [P, A, AW, S, PL], T, [MEMBER, CAR]),
    ("start_parts_maintenance", [D], PM, [CAR]),
    ("assign", [P], A, [MEMBER]),
    ("unassign", [A], P, [SPECIALIST]),
    ("fulfill", [A], C, [SPECIALIST]),
    ("schedule", [AW], S, [LEAD, SYSTEM]),
    ("unschedule", [S], AW, [LEAD]),
    ("pull", [S], PL, [MEMBER]),
    ("put_back", [PL, F], AW, [LEAD]),
    ("start_work", [PL], F, [SPECIALIST]),
    ("submit_for_testing", [F], TE, [SPECIALIST]),
    ("fail_test", [TE], F, [MEMBER]),
    ("forward_to_representative", [TE], CN, [MEMBER]),
    ("open_billing", [TE], B, [MEMBER]),
    ("return_billing", [B], TE, [CAR]),
    ("settle", [B], CN, [CAR]),
    ("notify_and_close", [CN], C, [CAR]),
    ("decline", [T, D, PM], DE, [CAR]),
    ("cancel", OPEN, CA, [CAR]),
    ("reopen", [C], T, [CAR, CUSTOMER]),
    ("reopen", [DE, CA], T, [CAR]),
    ("hold", OPEN, None, [CAR, MEMBER]),
    ("resume", OPEN, None, [CAR, MEMBER, CUSTOMER]),
    ("transfer", [P, AW], None, [CAR, MEMBER]),
    ("reassign_representative", OPEN, None, [CAR]),
    ("change_priority", OPEN, None, [CAR, LEAD]),
    ("edit", OPEN, None, [CAR]),
]

# Where somebody who is not the customer is owed a sentence: the notices that a row promises.
TOLD: dict[str, list[str]] = {
    "send_to_discovery": ["discovery_started"],
    "queue_assistance": ["routed", "queue_new"],
    "await_scheduling": ["routed", "queue_new"],
    "return_to_triage": ["returned_to_triage"],
    "start_parts_maintenance": ["parts_started"],
    "assign": ["assigned"],
    "fulfill": ["assistance_fulfilled"],
    "schedule": ["scheduled"],
    "pull": ["assigned"],
    "fail_test": ["test_failed"],
    "forward_to_representative": ["notice_due"],
    "open_billing": ["billing_opened"],
    "return_billing": ["billing_returned"],
    "notify_and_close": ["rfc_fulfilled"],
    "decline": ["declined"],
    "cancel": ["cancelled"],
    "reopen": ["reopened"],
    "hold": ["on_hold"],
    "transfer": ["transferred"],
    "reassign_representative": ["handed_over"],
}

# Sentences of the table's last column: what is refused until it holds, by step and source.
HELD = "The request is on hold: resume it first."
TRIAGED = "Record triage first: the table recommends the route, or an override says why not."
SET = "Set the service and the provider group first."
COMPLETE = "The discovery is not complete."
NO_PARTS = "Discovery says that parts are required: start parts maintenance."
PARTS_DONE = "Part lines are still open: finish, cancel or release them."
ANSWERED = "A proposal waits for the customer's answer."
AGREED = "Record an SLA or a one-off agreement for the new customer first."
IS_A = "Triage must decide that this is an assistance request."
IS_E = "Triage must decide that this is an enhancement request."
PLAIN = "Discovery found a charge or a new service, so this is an enhancement."
NEED_PARTS = "Answer first whether parts and equipment are required; here they are not."
SETTLED = "A service this request proposed is neither live nor cancelled yet."
PLANNED = "Draw up the work plan first: at least one item, and every item estimated."
FINISHED = "Finish every plan item, or cancel it with a reason."
FAILED = "Record a test run with findings that failed."
PASSED = "The last test run must have passed."
PART_OPEN = "A part line is still open."
NO_LINES = "Charge lines are written: open billing, or remove them first."
LINES = "Add at least one charge line; each needs a basis."
NOT_BILLED = "Billing has been initiated: credit it in full first."
BILLED = "Initiate billing first."
ASD = "The ASD update must be applied, or marked not needed with a reason."
RECENT = "Closed too long ago to be opened again: take in a new request instead."
NOT_HELD = "It is not on hold."

GIVEN: dict[tuple[str, str], set[str]] = {
    ("queue_assistance", T): {HELD, IS_A, SET, TRIAGED},
    ("queue_assistance", D): {HELD, IS_A, SET, COMPLETE, NO_PARTS, PLAIN},
    ("queue_assistance", PM): {HELD, IS_A, SET, PARTS_DONE, ANSWERED},
    ("await_scheduling", T): {HELD, IS_E, SET, TRIAGED},
    ("await_scheduling", D): {HELD, IS_E, SET, COMPLETE, NO_PARTS, AGREED},
    ("await_scheduling", PM): {HELD, IS_E, SET, PARTS_DONE, ANSWERED, AGREED},
    ("start_parts_maintenance", D): {HELD, COMPLETE, NEED_PARTS},
    ("fulfill", A): {HELD, SETTLED},
    ("start_work", PL): {HELD, PLANNED},
    ("submit_for_testing", F): {HELD, FINISHED},
    ("fail_test", TE): {HELD, FAILED},
    ("forward_to_representative", TE): {HELD, PASSED, PART_OPEN, NO_LINES},
    ("open_billing", TE): {HELD, PASSED, LINES, PART_OPEN},
    ("return_billing", B): {HELD, NOT_BILLED},
    ("settle", B): {HELD, BILLED, ASD},
    ("notify_and_close", CN): {HELD, SETTLED},
    **{("cancel", state): {NOT_BILLED} for state in OPEN},
    ("reopen", C): {RECENT},
    ("reopen", DE): set(),
    ("reopen", CA): set(),
    **{("resume", state): {NOT_HELD} for state in OPEN},
}
"""Every other row asks only that the request is not on hold."""

# The smaller machines: step, from, to, who.
OFFICE, TEAM, MANAGER = "billing office", "discovery team", "ASD manager"
SIGNATORY = "authorised signatory"
REPRESENTS = "the account representative of the request"
EARLY = ["documenting", "assembling", "client_discovery"]
LIVE_LINE = ["requested", "rated", "coded", "listed", "ordered"]

SMALL: dict[str, list[tuple[str, list[str], str, list[str]]]] = {
    "discovery.discovery": [
        ("finish_documenting", ["documenting"], "assembling", [CAR]),
        ("start_client_discovery", ["assembling"], "client_discovery", [CAR]),
        ("finalise", ["client_discovery"], "proposing", [CAR, TEAM]),
        ("reopen_findings", ["proposing"], "client_discovery", [CAR]),
        ("shorten", EARLY, "proposing", [CAR]),
        ("complete", ["proposing"], "complete", [CAR, SYSTEM]),
        ("abandon", [*EARLY, "proposing"], "abandoned", [CAR, SYSTEM]),
    ],
    "discovery.proposal": [
        ("issue", ["draft"], "issued", [CAR, TEAM]),
        ("accept", ["issued"], "accepted", [CAR, SIGNATORY, SYSTEM]),
        ("decline_proposal", ["issued"], "declined", [CAR, SIGNATORY, SYSTEM]),
        ("expire", ["issued"], "expired", [CAR, SYSTEM]),
        ("supersede", ["draft", "issued", "accepted"], "superseded", [CAR, TEAM, SYSTEM]),
        ("withdraw", ["draft", "issued"], "withdrawn", [CAR, SYSTEM]),
    ],
    "discovery.partline": [
        ("rate_line", ["requested"], "rated", [OFFICE, SYSTEM]),
        ("code_line", ["rated"], "coded", [OFFICE, SYSTEM]),
        ("list_line", ["coded"], "listed", [OFFICE, SYSTEM]),
        ("order", ["listed"], "ordered", [CAR, MEMBER, OFFICE]),
        ("receive_in_full", ["ordered"], "received", [CAR, MEMBER, OFFICE, SYSTEM]),
        ("cancel_line", LIVE_LINE, "cancelled", [CAR, OFFICE, SYSTEM]),
        ("substitute", LIVE_LINE, "substituted", [CAR, OFFICE]),
    ],
    "fulfillment.scheduleentry": [
        ("start_entry", ["booked"], "started", [MEMBER, SYSTEM]),
        ("suspend", ["booked"], "suspended", [SYSTEM]),
        ("rebook", ["suspended"], "booked", [SYSTEM]),
        ("release", ["booked", "suspended", "started"], "released", [LEAD, SYSTEM]),
        ("keep_entry", ["started"], "booked", [SYSTEM]),
        ("finish_entry", ["started"], "done", [SYSTEM]),
    ],
    "fulfillment.replan": [
        ("begin", ["queued"], "running", [SYSTEM]),
        ("finish", ["running"], "ready", [SYSTEM]),
        ("fail", ["queued", "running"], "failed", [SYSTEM]),
        ("apply_plan", ["ready"], "applied", [LEAD]),
        ("outdate", ["ready"], "stale", [SYSTEM]),
        ("discard", ["queued", "running", "ready"], "discarded", [LEAD]),
    ],
    "billing.billingcase": [
        ("forward", ["draft"], "forwarded", [MEMBER]),
        ("send_back", ["forwarded"], "draft", [CAR]),
        ("initiate", ["forwarded"], "initiated", [CAR]),
        ("credit", ["initiated"], "credited", [CAR, OFFICE]),
        ("cancel_billing", ["draft", "forwarded"], "cancelled", [CAR, SYSTEM]),
    ],
    "asd.service": [
        ("develop", ["proposed"], "in_development", [MANAGER, REPRESENTS]),
        ("go_live", ["proposed", "in_development"], "live", [MANAGER]),
        ("retire", ["live"], "retired", [MANAGER]),
        (
            "cancel_service",
            ["proposed", "in_development"],
            "cancelled",
            [MANAGER, REPRESENTS, SYSTEM],
        ),
    ],
    "asd.serviceupdate": [
        ("apply", ["requested"], "applied", [MANAGER]),
        ("send_back", ["requested"], "refused", [MANAGER]),
        ("waive", ["requested", "refused"], "not_needed", [REPRESENTS]),
        ("cancel_update", ["requested", "refused"], "cancelled", [REPRESENTS, SYSTEM]),
    ],
    "requests_app.inboundmessage": [
        ("apply", ["stored"], "applied", [SYSTEM]),
        ("become_request", ["stored"], "request_made", [SYSTEM]),
        ("set_for_review", ["stored"], "review", [SYSTEM]),
        ("ignore", ["stored"], "ignored", [SYSTEM]),
        ("give_up", ["stored"], "failed", [SYSTEM]),
        ("attach", ["review", "failed"], "applied", ["representative"]),
        ("make_request", ["review", "failed"], "request_made", ["representative"]),
        ("discard", ["review", "failed"], "discarded", ["representative"]),
        ("take_up", ["ignored", "discarded"], "review", ["representative"]),
    ],
}
