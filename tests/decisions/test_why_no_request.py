"""What the log says of a batch that was put aside without a request."""

from worker.decisions import Step
from worker.ledger.records import BatchState, Cell, Outcome
from worker.pipeline.submit import NOT_SENT, why_no_request


def test_it_is_never_empty():
    refused = Outcome.failed("10301", "the space refuses the plugin")
    assert why_no_request(Step(BatchState.RESEND, settled={Cell(1, 1): refused})) == "the space refuses the plugin"
    assert (
        why_no_request(Step(BatchState.CHECK, fields={"why": "the token changed since"})) == "the token changed since"
    )
    assert why_no_request(Step(BatchState.RESEND, fields={"tries": 0})) == NOT_SENT
