"""Mail and tickets, on both stores: what the actions do, without a process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from agentlock.errors import RefusedError, UsageError
from agentlock.mail import tickets
from agentlock.mail.arrival import first_that
from agentlock.mail.inbox import acknowledge, read, search
from agentlock.mail.sending import LONGEST_BODY, MOST_RECIPIENTS, Letter, send
from agentlock.mail.threads import in_thread
from agentlock.patterns.pattern import compile_pattern
from agentlock.reservations.losses import MOST_A_MINUTE, take, untold
from agentlock.store import migrate, open_store
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.tickets import ANSWERED, CANCELLED, DELIVERED, EXPIRED, PENDING, STATUSES
from agentlock.store.wake import listening, mail_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentlock.store.base import Store
    from agentlock.store.messages import Message
    from agentlock.store.tickets import Ticket

SECOND = 1_000_000
HOUR = 3600 * SECOND
A, B, C = "Amber", "BlueLake", "Coral"
MISSING = 2**63 - 1
HOSTILE = [
    '"); DROP TABLE messages; --',
    "' OR 1=1 --",
    "\x1b]0;title\x07\x1b[2J\r\nagentlock: all is well",
    'a* NEAR b OR c AND NOT "d : e ^ ( ) { }',
    "ü\u202egnp.exe \u200b\ufeff 漢字 🦎",
    "\udcff\ud800",
    "%_\\ ? ?1 $1 :x @y",
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """A database for all tests here, each of which has a project of its own; and its id."""
    if request.param == "sqlite":
        location = str(tmp_path_factory.mktemp("mail") / "table" / "agentlock.sqlite3")
    else:
        location = request.getfixturevalue("postgresql").database()
    identifier, _ = migrate.make(location, Modes())
    return location, identifier


@pytest.fixture
def opened(
    database: tuple[str, str], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Store]]:
    """Opens the table; three agents are known, and another project has mail of its own."""
    location, identifier = database
    stores: list[Store] = []

    def open_it(other: str = "", **options: bool) -> Store:
        project = f"{request.node.name}{other}"
        migrate.add_project(location, project)
        stores.append(open_store(location, identifier, project, **options))
        return stores[-1]

    for other in ("other", ""):
        store = open_it(other)
        with store.writing():
            for agent in (A, B, C):
                store.agents.register(agent, store.now())
    send(stores[0], Letter(A, (B,), "of another project", "secret"))
    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    return opened()


def write(store: Store, *to: str, subject: str | None = "subject", **fields: Any) -> Message:
    return send(store, Letter(fields.pop("sender", A), to, subject, **fields))


def subjects(messages: list[Message]) -> list[str]:
    return [one.subject for one in messages]


def ask(store: Store, question: str = "May I?", lasting: int = HOUR) -> Ticket:
    return tickets.ask(store, A, B, question, lasting, None)


def status(store: Store, number: int) -> str:
    return tickets.ticket(store, number).status


def expire(store: Store, number: int) -> None:
    with store.writing():
        store.rows("UPDATE tickets SET expires_ts = created_ts WHERE id = ?", (number,))


def test_what_is_sent_stands_in_the_inbox_of_each_recipient_once(store: Store) -> None:
    sent = write(store, B, C, B, body="# Hi", cc=(C, A), importance="high", ack_required=True)
    assert (sent.to, sent.cc, sent.thread) == ((B, C), (A,), str(sent.id))
    assert (sent.sender, sent.body, sent.importance, sent.ack_required) == (A, "# Hi", "high", True)
    assert (sent.read_ts, sent.ack_ts) == (None, None)
    for agent in (A, B, C):
        assert store.messages.inbox(agent) == [sent]
    assert store.messages.unread_by_agent() == {A: 1, B: 1, C: 1}


def test_the_inbox_is_newest_first_and_marks_nothing(store: Store) -> None:
    for subject in ("one", "two", "three"):
        write(store, B, subject=subject)
    assert subjects(store.messages.inbox(B)) == ["three", "two", "one"]
    assert subjects(store.messages.inbox(B, limit=2)) == ["three", "two"]
    second = store.messages.inbox(B)[1]
    read(store, B, [second.id])
    assert subjects(store.messages.inbox(B, unread=True)) == ["three", "one"]
    assert store.messages.count_unread(B) == 2
    since = store.messages.inbox(B)[0].created_ts
    assert subjects(store.messages.inbox(B, since=since)) == ["three"]
    assert store.messages.inbox(C) == []


def test_each_recipient_reads_and_acknowledges_for_itself(store: Store) -> None:
    number = write(store, B, C, ack_required=True).id
    (mine,) = read(store, B, [number])
    assert mine.read_ts is not None
    assert mine.ack_ts is None
    assert read(store, B, [number]) == [mine], "it is read once"
    assert store.messages.inbox(C)[0].read_ts is None
    assert store.messages.numbered([number], A)[0].read_ts is None, "not all have read it"
    (done,) = acknowledge(store, C, [number])
    assert done.ack_ts is not None
    assert done.read_ts is not None
    assert acknowledge(store, C, [number]) == [done], "it is acknowledged once"
    seen = store.messages.numbered([number], A)[0]
    assert seen.read_ts == max(mine.read_ts, done.read_ts)
    assert seen.ack_ts is None


def test_nobody_acknowledges_or_marks_what_was_sent_to_others(store: Store) -> None:
    first, second = write(store, B).id, write(store, C).id
    with pytest.raises(RefusedError, match=rf"message {second} was not sent to {B}"):
        acknowledge(store, B, [first, second])
    assert store.messages.inbox(B)[0].ack_ts is None
    read(store, A, [first, second])
    assert store.messages.count_unread(B) == store.messages.count_unread(C) == 1
    for action in (read, acknowledge):
        with pytest.raises(UsageError, match=f"there is no message {MISSING}"):
            action(store, B, [first, MISSING])
    assert store.messages.count_unread(B) == 1


def test_a_name_that_is_no_agent_is_answered_with_the_nearest_and_nothing_is_sent(
    store: Store,
) -> None:
    for typed, near in (("bluelake", B), ("BleuLake", B), ("corel", C)):
        with pytest.raises(UsageError, match=rf"'{typed}' is not an agent.*did you mean {near}"):
            write(store, C, typed)
        with pytest.raises(UsageError, match="did you mean"):
            tickets.ask(store, A, typed, "?", HOUR, None)
    with pytest.raises(UsageError, match=r"'zzz' is not an agent of this project$"):
        write(store, B, cc=("zzz",))
    with pytest.raises(UsageError, match=f"did you mean {B}"):
        write(store, B, sender="blueLAKE")
    assert store.messages.unread_by_agent() == {}


def test_a_person_takes_part_under_their_name_before_they_ever_asked(store: Store) -> None:
    write(store, "Jane-Doe", person="Jane-Doe")
    assert store.messages.count_unread("Jane-Doe") == 1
    write(store, B, sender="Jane-Doe")
    write(store, "Jane-Doe")
    tickets.ask(store, A, "Jane-Doe", "Which?", HOUR, "Jane-Doe")
    assert store.messages.count_unread("Jane-Doe") == 3
    with pytest.raises(UsageError, match="is not an agent"):
        write(store, "John-Doe", person="Jane-Doe")


def test_a_message_to_all_goes_to_the_others_who_were_active_in_the_last_week(
    store: Store,
) -> None:
    assert write(store, everybody=True).to == (B, C)
    with store.writing():
        week = store.now() - 8 * 24 * HOUR
        store.rows("UPDATE agents SET last_active_ts = ? WHERE name = 'Coral'", (week,))
    assert write(store, everybody=True).to == (B,)
    with store.writing():
        store.rows("UPDATE agents SET last_active_ts = 1")
    with pytest.raises(UsageError, match="no other agent"):
        write(store, everybody=True)


def test_a_reply_joins_the_thread_and_goes_to_the_sender(store: Store) -> None:
    first = write(store, B, subject="plan")
    reply = write(store, sender=B, subject=None, reply_to=first.id, body="yes")
    again = write(store, sender=A, subject=None, reply_to=reply.id)
    assert (reply.to, reply.subject, reply.thread) == ((A,), "Re: plan", str(first.id))
    assert (again.to, again.subject, again.thread) == ((B,), "Re: plan", str(first.id))
    for name in (first.id, reply.id, again.id):
        found = in_thread(store, str(name), A)
        assert [one.id for one in found] == [first.id, reply.id, again.id]
    named = write(store, C, thread="release 2")
    joined = write(store, C, reply_to=named.id, sender=B)
    assert [one.id for one in in_thread(store, "release 2", A)] == [named.id, joined.id]
    assert [one.id for one in in_thread(store, str(joined.id), A)] == [named.id, joined.id]
    number = write(store, C, thread=str(joined.id))
    assert number.thread == "release 2"
    for wrong in (str(MISSING), "nothing", "", "x" * 101, "a\nb", "9" * 30):
        with pytest.raises(UsageError):
            in_thread(store, wrong, A)
    with pytest.raises(UsageError, match="there is no message"):
        write(store, B, thread=str(MISSING))
    with pytest.raises(UsageError, match="exclude each other"):
        write(store, B, thread="x", reply_to=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"body": "x" * (LONGEST_BODY + 1)}, "65,537 bytes is more than 64 KiB"),
        ({"body": "ü" * (LONGEST_BODY // 2) + "x"}, "64 KiB"),
        ({"body": b"a\0b"}, "NUL"),
        ({"subject": " "}, "the subject is empty"),
        ({"subject": "x" * 201}, "201 characters is too long"),
        ({"subject": None}, "no subject"),
        ({"cc": tuple(f"a{at}" for at in range(MOST_RECIPIENTS))}, "101 recipients are too many"),
        ({"reply_to": MISSING}, "there is no message"),
    ],
)
def test_what_is_too_large_or_garbled_is_refused_and_nothing_is_sent(
    store: Store, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        write(store, B, **fields)
    assert store.messages.unread_by_agent() == {}


def test_the_largest_body_is_kept_whole(store: Store) -> None:
    body = "ü" * (LONGEST_BODY // 2)
    write(store, B, body=body)
    assert store.messages.inbox(B)[0].body == body


def test_hostile_text_is_kept_found_and_harms_nothing(store: Store) -> None:
    for text in HOSTILE:
        sent = write(store, B, subject=text.replace("\n", " "), body=text * 3)
        words = [one for one in text.split() if any(letter.isalnum() for letter in one)]
        if words and text.isprintable():
            assert sent.id in [one.id for one in search(store, words[0], A, 50)]
        for asked in (text, text[::-1]):
            if any(letter.isalnum() for letter in asked):
                search(store, asked, A, 50)
    assert store.messages.count_unread(B) == len(HOSTILE)
    assert store.messages.inbox(B)[-1].body == HOSTILE[0] * 3


def test_a_search_finds_words_by_their_beginning_in_this_project_newest_first(
    opened: Callable[..., Store],
) -> None:
    store = opened()
    first = write(store, B, subject="Login page", body="src/auth/Token_store.py breaks bd-42")
    second = write(store, C, subject="again", body="the LOGIN form, größer")

    def found(text: str, limit: int = 50) -> list[int]:
        return [one.id for one in search(store, text, A, limit)]

    assert found("login") == [second.id, first.id]
    write(opened("other"), C, subject="login")
    assert found("login", 1) == [second.id], "the limit counts this project's"
    assert found("log pag") == [first.id]
    assert found("ogin") == []
    assert found("auth/token") == found("bd-42") == found("store.py") == [first.id]
    assert found("größer") == [second.id]
    assert found("secret") == [], "that is another project's"
    third = write(store, C, subject="later", body="login")
    assert found("login") == [third.id, second.id, first.id]
    for nothing in ("", " ", "--", '"*"'):
        with pytest.raises(UsageError, match="no word"):
            search(store, nothing, A, 50)
    looking = opened(read_only=True)
    fourth = write(store, C, subject="last", body="login")
    assert fourth.id in [one.id for one in search(looking, "login", A, 50)]
    assert search(looking, "pag log", A, 50)[0].id == first.id


def test_a_ticket_goes_from_pending_over_delivered_to_answered(store: Store) -> None:
    asked = ask(store, "May I change src/a.py?\nI need it.")
    assert (asked.sender, asked.recipient, asked.status) == (A, B, PENDING)
    assert asked.expires_ts - asked.created_ts == HOUR
    assert asked.question == "May I change src/a.py?\nI need it."
    (message,) = store.messages.inbox(B)
    assert (message.id, message.subject) == (asked.id, "May I change src/a.py?")
    assert message.is_question
    read(store, B, [asked.id])
    assert status(store, asked.id) == DELIVERED
    done = tickets.answer(store, B, asked.id, "Yes.")
    assert (done.status, done.answer) == (ANSWERED, "Yes.")
    assert done.answered_ts is not None
    (reply,) = store.messages.inbox(A)
    assert (reply.sender, reply.body, reply.thread) == (B, "Yes.", str(asked.id))
    assert reply.subject == "Re: May I change src/a.py?"


def test_an_answer_marks_the_question_as_read_and_comes_once(store: Store) -> None:
    asked = ask(store)
    tickets.answer(store, B, asked.id, "Yes.")
    assert store.messages.count_unread(B) == 0
    with pytest.raises(RefusedError, match="was answered already"):
        tickets.answer(store, B, asked.id, "No.")
    with pytest.raises(RefusedError, match="was answered already"):
        tickets.cancel(store, A, asked.id)
    assert tickets.ticket(store, asked.id).answer == "Yes."
    assert store.messages.count_unread(A) == 1


def test_only_who_was_asked_answers_and_only_who_asked_cancels(store: Store) -> None:
    asked = ask(store)
    for agent in (A, C):
        with pytest.raises(RefusedError, match=f"was put to {B}"):
            tickets.answer(store, agent, asked.id, "Yes.")
    for agent in (B, C):
        with pytest.raises(RefusedError, match=f"was opened by {A}"):
            tickets.cancel(store, agent, asked.id)
    assert status(store, asked.id) == PENDING
    assert tickets.cancel(store, A, asked.id).status == CANCELLED
    with pytest.raises(RefusedError, match="was cancelled already"):
        tickets.answer(store, B, asked.id, "Yes.")
    message = write(store, B).id
    for number in (MISSING, message):
        with pytest.raises(UsageError, match=f"there is no ticket {number}"):
            tickets.cancel(store, A, number)


def test_a_ticket_expires_by_itself_and_a_late_answer_is_refused(store: Store) -> None:
    asked = ask(store, lasting=HOUR)
    expire(store, asked.id)
    assert status(store, asked.id) == EXPIRED
    with pytest.raises(RefusedError, match="expired") as refused:
        tickets.answer(store, B, asked.id, "Yes.")
    assert f"agentlock send {A} --reply-to {asked.id}" in refused.value.fix
    for nothing in (0, -1):
        with pytest.raises(UsageError):
            ask(store, lasting=nothing)
    with pytest.raises(UsageError, match="the question is empty"):
        ask(store, " \n")
    with pytest.raises(UsageError, match="the answer is empty"):
        tickets.answer(store, B, asked.id, "")


def test_tickets_are_listed_newest_first_by_agent_and_status(store: Store) -> None:
    by_status = {one: ask(store, one) for one in STATUSES}
    read(store, B, [by_status[DELIVERED].id])
    tickets.answer(store, B, by_status[ANSWERED].id, "Yes.")
    tickets.cancel(store, A, by_status[CANCELLED].id)
    expire(store, by_status[EXPIRED].id)
    reverse = tickets.ask(store, B, A, "And you?", HOUR, None)
    now = store.now()
    for one, asked in by_status.items():
        found = store.tickets.find(now, status=one, receiver=B)
        assert [(ticket.id, ticket.status) for ticket in found] == [(asked.id, one)]
    everything = [*(one.id for one in by_status.values()), reverse.id]
    assert [one.id for one in store.tickets.find(now)] == everything[::-1]
    assert [one.id for one in store.tickets.find(now, asker=B)] == [reverse.id]
    assert [one.id for one in store.tickets.find(now, receiver=A)] == [reverse.id]
    assert store.tickets.find(now, asker=C) == []


def test_each_message_is_told_once_newest_first(store: Store) -> None:
    for subject in ("one", "two"):
        write(store, B, subject=subject)
    assert subjects(untold(store, B)) == ["two", "one"]
    assert subjects(take(store, B)) == ["two", "one"]
    assert take(store, B) == untold(store, B) == []
    assert [one.read_ts is None for one in store.messages.inbox(B)] == [False, False]
    write(store, B, subject="three")
    read(store, B, [store.messages.inbox(B)[0].id])
    assert untold(store, B) == [], "what was read is not told"


def test_a_question_that_was_cancelled_or_expired_is_not_told(store: Store) -> None:
    gone, late, open_one = ask(store, "gone"), ask(store, "late"), ask(store, "open")
    tickets.cancel(store, A, gone.id)
    expire(store, late.id)
    assert subjects(take(store, B)) == ["open"]
    assert status(store, open_one.id) == DELIVERED
    assert store.messages.count_unread(B) == 2


def test_an_agent_is_told_of_twenty_messages_a_minute_at_most(store: Store) -> None:
    for number in range(MOST_A_MINUTE + 5):
        write(store, B, subject=str(number))
    told = take(store, B)
    assert subjects(told) == [str(MOST_A_MINUTE + 4 - at) for at in range(MOST_A_MINUTE)]
    assert take(store, B) == untold(store, B) == []
    with store.writing():
        store.rows("UPDATE message_recipients SET read_ts = 1 WHERE read_ts IS NOT NULL")
    assert subjects(take(store, B)) == ["4", "3", "2", "1", "0"]


def test_what_agentlock_tells_is_mail_without_a_sender(store: Store) -> None:
    with store.writing():
        number = store.messages.send("", B, "news", "", store.now(), reservation=7)
    assert store.messages.is_waiting(B, "news")
    (news,) = store.messages.inbox(B)
    assert (news.id, news.sender, news.to, news.ack_required) == (number, "", (B,), False)
    take(store, B)
    assert not store.messages.is_waiting(B, "news")
    with pytest.raises(UsageError, match="from agentlock itself"):
        write(store, sender=B, subject=None, reply_to=number)


def test_what_is_true_only_while_a_reservation_is_live_is_not_told_after_it(store: Store) -> None:
    with store.writing():
        now = store.now()
        one, two = (
            store.reservations.grant(
                B,
                pattern,
                typed=pattern,
                keys=compile_pattern(pattern).keys,
                exclusive=True,
                reason="",
                now=now,
                expires=now + HOUR,
            )
            for pattern in (b"/one.py", b"/two.py")
        )
        for held in (one, two):
            subject = f"somebody waits for {held.id}"
            store.messages.send("", B, subject, "", now, reservation=held.id, while_live=True)
        store.reservations.change(one, released=now)
    assert store.messages.unread_losses(B) == [], "nothing is lost"
    assert subjects(take(store, B)) == [f"somebody waits for {two.id}"]
    with store.writing():
        store.rows("UPDATE file_reservations SET expires_ts = 1 WHERE id = ?", (two.id,))
        store.messages.send("", B, "again", "", now, reservation=two.id, while_live=True)
    assert subjects(take(store, B)) == [f"your reservation {two.id} (two.py) expired"]


def test_pruning_removes_old_mail_with_its_tickets_and_keeps_open_questions(store: Store) -> None:
    old, answered, still_open = write(store, B), ask(store), ask(store, "open")
    tickets.answer(store, B, answered.id, "Yes.")
    new = write(store, B)
    with store.writing():
        store.rows("UPDATE messages SET created_ts = 1 WHERE id < ?", (new.id,))
        store.messages.prune(2, 100)
    left = {one.id for one in store.messages.inbox(B)}
    assert left == {still_open.id, new.id}
    assert [one.id for one in store.tickets.find(store.now())] == [still_open.id]
    assert store.messages.inbox(A) == []
    assert old.id not in left
    assert write(store, B).id > new.id


def test_whoever_waits_sees_what_is_there_already_and_gives_up_in_time(store: Store) -> None:
    def opened() -> contextlib.AbstractContextManager[Store]:
        return contextlib.nullcontext(store)

    def unread(store: Store) -> list[Message]:
        return store.messages.inbox(B, unread=True)

    started = store.now()
    assert first_that(opened, B, unread, SECOND // 5) is None
    assert SECOND // 5 <= store.now() - started < 5 * SECOND
    write(store, B)
    assert subjects(first_that(opened, B, unread, HOUR) or []) == ["subject"]


def test_a_message_wakes_whoever_waits_for_it_and_nobody_else(opened: Callable[..., Store]) -> None:
    store, waiting = opened(), opened()
    with listening(waiting, mail_of(B)) as mine, listening(waiting, mail_of(C)) as theirs:
        write(store, B)
        asked = ask(store)
        mine.sleep(waiting.now() + HOUR)
        started = waiting.now()
        theirs.sleep(started + SECOND // 5)
        assert waiting.now() - started >= SECOND // 10, "nobody wrote to this one"
    with listening(waiting, mail_of(A)) as bell:
        tickets.answer(store, B, asked.id, "Yes.")
        bell.sleep(waiting.now() + HOUR)
