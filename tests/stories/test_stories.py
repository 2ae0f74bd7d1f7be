"""Whole calls as golden journals. `UPDATE_STORIES=1` writes them anew: read the difference first."""

import os
from pathlib import Path

import pytest

from tests.stories.tell import journal, play
from tests.support.stage import CALL, director
from voicewatch.core.routing_plan import RoutingPlan

HERE = Path(__file__).parent
STORIES = sorted(HERE.glob("*.story"))


def plan_of(path: Path) -> RoutingPlan | None:
    """The routing plan beside a story, if it has one."""
    file = path.with_suffix(".plan.toml")
    return RoutingPlan.parse(file.read_text(encoding="utf-8")) if file.exists() else None


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_written(path: Path) -> None:
    stage = play(path.read_text(encoding="utf-8"), plan_of(path))
    told = journal(stage)
    golden = path.with_suffix(".journal")
    if os.environ.get("UPDATE_STORIES"):
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_restarted_director_goes_on_where_the_journal_ends(path: Path) -> None:
    """At every point of the story: the same view, the same wish, and nothing is said twice."""
    story = path.read_text(encoding="utf-8").splitlines()
    for length in range(1, len(story) + 1):
        stage = play("\n".join(story[:length]), plan_of(path))
        if not stage.journal:
            continue
        restarted = director(stage.new_id, plan=plan_of(path))
        restarted.restore(stage.journal)
        before = stage.director.calls[CALL]
        now = {CALL: before.at_ms}
        for agent in stage.director.roster.agents.values():
            restarted.roster.say(agent.agent_id, agent.name, agent.said, agent.connected, 0, agent.skills)
        assert restarted.tick(now) == []
        after = restarted.calls[CALL]
        after.last_seq = before.last_seq
        assert after.view(full=True) == before.view(full=True)
        assert restarted.wanted(CALL) == stage.director.wanted(CALL)
