import pickle

import pytest

from worker.remote.errors import BatchRefused, LaneStopped, RemoteError
from worker.remote.models import Exchange

DETAILS = {
    "code": 1,
    "inner_code": 2,
    "inner_message": "in",
    "log_id": "L",
    "http_status": 400,
    "exchange": Exchange(1, 2),
    "retry_after": 3.0,
}


@pytest.mark.parametrize("kind", RemoteError.__subclasses__())
def test_every_error_survives_pickling(kind):
    error = pickle.loads(pickle.dumps(kind("no", **DETAILS)))
    assert (type(error), error.details, error.message) == (kind, DETAILS, "no")


def test_policy_details_survive_pickling():
    assert pickle.loads(pickle.dumps(BatchRefused("no", splittable=True))).splittable
    assert pickle.loads(pickle.dumps(LaneStopped("no", advice="do"))).advice == "do"


def test_an_error_tells_its_codes_and_the_log_id():
    assert str(RemoteError("no", **DETAILS)) == "no (code 1, inner 2 in, HTTP 400, log id L)"
    assert str(RemoteError("no", code=1, inner_code=1, inner_message="no", http_status=400)) == "no (code 1, HTTP 400)"
    assert str(RemoteError("no", code=1, inner_code=1, inner_message="why")) == "no (code 1, inner why)"
    assert str(RemoteError("no", code=1, inner_code=2, inner_message="no")) == "no (code 1, inner 2)"
    assert repr(RemoteError("no")) == "RemoteError('no')"
