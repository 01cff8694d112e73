"""Both stores know whether an agent is there, and whom it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.agents.presence import presences
from agentlock.store.sessions import Conversation

if TYPE_CHECKING:
    from waiting.project import Project

    from agentlock.records import Presence


def state(project: Project, name: str) -> Presence:
    return presences(project.store, project.store.agents.named([name]))[name]


def session(project: Project, name: str, number: str) -> int:
    store = project.store
    with store.writing():
        now = store.now()
        store.agents.register(name, now)
        made = Conversation(0, name, "claude", number, None, "here", "", "", now, now, None)
        store.sessions.open(made, 0, "")
    found = store.sessions.find("claude", number)
    assert found is not None
    return found.id


def test_a_place_names_the_agent_of_the_row_that_it_is_behind(project: Project) -> None:
    project.reserve("A", "/a")
    project.queue("B", "/a")
    project.queue("C", "/a")
    (mine,) = project.store.waits.of_agent("B")
    with project.store.writing():
        project.store.waits.ring_for(mine, "a process")
    found = state(project, "B")
    assert (found.status, found.why) == ("waiting", "A")
    (place,) = project.store.whereabouts.blocked(["C"], project.store.now())
    assert (place.behind, place.is_foreground) == ("B", False)


def test_an_agent_with_two_sessions_is_at_its_prompt_when_both_are(project: Project) -> None:
    first, second = session(project, "A", "1"), session(project, "A", "2")
    store = project.store
    for number, expected in ((first, "working"), (second, "at-prompt")):
        with store.writing():
            store.sessions.seen(number, store.now(), at_prompt=True)
        assert state(project, "A").status == expected
    with store.writing():
        store.sessions.end([first, second], store.now())
    assert state(project, "A").status == "gone"


def test_retiring_counts_until_the_next_activity(project: Project) -> None:
    store = project.store
    with store.writing():
        store.agents.register("A", store.now())
        store.agents.retire("A", store.now())
    assert state(project, "A").status == "gone"
    with store.writing():
        store.agents.register("A", store.now() + 1)
    assert state(project, "A").status == "working"
