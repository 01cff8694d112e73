"""Every kind of event that the log holds, each once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self


class Kind(str):
    """What happened, in the word that the log keeps.

    A kind that ``intervenes`` changes the rules for everybody or bypasses them, so `status` shows
    it to every agent. A kind that ``extends`` a lease makes `reserve` look at it once more: it may
    have seen the lease as expired just before.
    """

    __slots__ = ("extends", "intervenes")
    extends: bool
    intervenes: bool

    def __new__(cls, word: str, *, intervenes: bool = False, extends: bool = False) -> Self:
        kind = super().__new__(cls, word)
        kind.intervenes = intervenes
        kind.extends = extends
        KINDS.append(kind)
        return kind


KINDS: list[Kind] = []

INITIALISED = Kind("initialised")
GRANTED = Kind("granted")
EXTENDED = Kind("extended", extends=True)  # its holder reserved the same pattern again
RENEWED = Kind("renewed", extends=True)
MADE_EXCLUSIVE = Kind("made-exclusive")  # extends no lease for `reserve`: it has a new fence
MADE_SHARED = Kind("made-shared")
RELEASED = Kind("released")
EXPIRED = Kind("expired")
REFUSED = Kind("refused")
REPAIRED = Kind("repaired")  # by `db check --repair`
PRUNED = Kind("pruned")
WAITING = Kind("waiting")  # a place in the queue was taken
HANDED_OVER = Kind("handed-over")  # what a place waited for is offered to its agent
TAKEN = Kind("taken", extends=True)  # the agent took what was offered
LAPSED = Kind("lapsed")  # nobody took the offer in time
LEFT = Kind("left")  # a place was given up, or ended without a grant
RETIRED = Kind("retired")  # nobody works under this agent's name any more

# In the order of the index that finds them, events_of_interventions: SQLite compares the lists
# word by word. A new one goes to the end, and a migration makes the index anew.
POLICY = Kind("policy", intervenes=True)
FORCE_RELEASED = Kind("force-released", intervenes=True)  # somebody ended another's reservation
SKIPPED = Kind("skipped", intervenes=True)  # AGENTLOCK_SKIP let a command pass
RESTORED = Kind("restored", intervenes=True)  # from a backup
MOVED = Kind("moved", intervenes=True)  # to another database
STARTED_AFRESH = Kind("started-afresh", intervenes=True)  # `init --new-database`
OWNER_KEY = Kind("owner-key", intervenes=True)  # set or replaced
REVOKED = Kind("revoked", intervenes=True)  # a person took an entry of the ledger back
FORCE_LEFT = Kind("force-left", intervenes=True)  # somebody ended another's place in the queue
