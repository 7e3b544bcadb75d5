"""Log records carry facts and the request id, and are JSON where no person reads along."""

import io
import json
import logging

import pytest

from drivers.contract import ItemOutcome, ItemState, Reason
from drivers.trace import request_id
from gateway.fleet.events import Refused
from gateway.ops import logs
from gateway.ops.audit import audit


@pytest.fixture
def stream() -> io.StringIO:
    sink = io.StringIO()
    logs.configure(sink)
    return sink


def test_a_record_is_one_json_line_with_its_facts(stream: io.StringIO) -> None:
    token = request_id.set("abc")
    logging.getLogger("fleet").info("pushed", extra={"panel": "lobby", "commits": 1})
    request_id.reset(token)
    record = json.loads(stream.getvalue())
    assert record["message"] == "pushed"
    assert (record["panel"], record["commits"], record["request_id"]) == ("lobby", 1, "abc")
    assert record["time"].endswith("+00:00")


def test_an_error_keeps_its_traceback_on_one_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("line").exception("died")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: odd" in json.loads(line)["exception"]


def test_refusals_are_one_record_however_many_they_are(stream: io.StringIO) -> None:
    outcome = ItemOutcome(ItemState.REFUSED, Reason.NO_FREE_SLOT)
    audit(Refused("lobby", {f"link {number}": outcome for number in range(1000)}))
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["panel"], record["count"], record["reasons"]) == ("lobby", 1000, {"no_free_slot": 1000})
    assert record["link_ids"] == [f"link {number}" for number in range(20)]
