"""What front does with what the keeper tells."""

from __future__ import annotations

import pytest

from voicewatch.processes.messages import ChildStatus, HouseStatus
from voicewatch.processes.problem import Problem
from voicewatch.server.media_links import MediaLinks
from voicewatch.server.status import Status


def test_restarts_are_known() -> None:
    status = Status(["media-0"], lambda: True)
    status.heard_keeper(HouseStatus(processes={"media-0": ChildStatus(state="up", pid=7, restarts=2)}))
    assert status.restarts == {"media-0": 2}
    assert "keeper" not in status.now().processes


def test_a_house_that_is_ending_takes_no_call() -> None:
    links = MediaLinks()
    links.stopping = True
    with pytest.raises(Problem, match="Stopping") as refused:
        links.place()
    assert (refused.value.status, refused.value.retry_after_s) == (503, 10)
