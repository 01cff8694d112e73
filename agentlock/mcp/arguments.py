"""The arguments that several tools have, described for whoever calls them."""

from typing import Annotated

from pydantic import Field

Agent = Annotated[
    str | None,
    Field(description="Who calls. Leave it out if this server knows your name (status says it)."),
]
Patterns = Annotated[
    list[str],
    Field(
        description="Paths, folders (ending with /) or globs (**, *, ?), relative to the root of "
        "the repository.",
        min_length=1,
    ),
]
SomePatterns = Annotated[
    list[str], Field(description="Patterns as you reserved them, relative to the root.")
]
Ttl = Annotated[str, Field(description="How long to hold it, like 30m or 2h.")]
Shared = Annotated[bool, Field(description="Others may hold it too, and it blocks no commit.")]
Reason = Annotated[str, Field(description="Why; agents that are refused see it.")]
Literal = Annotated[bool, Field(description="Read the patterns as plain paths.")]
Glob = Annotated[bool, Field(description="Read the patterns as globs.")]
WholeRepo = Annotated[bool, Field(description="Allow a pattern that covers everything.")]
Ids = Annotated[list[int], Field(description="Numbers of reservations.")]
Places = Annotated[
    list[int], Field(description="Numbers of places in the queue; without any, all of yours.")
]
Messages = Annotated[list[int], Field(description="Numbers of messages.", min_length=1)]
Everything = Annotated[bool, Field(description="Everything that you hold.")]
Why = Annotated[str, Field(description="Why. Every agent sees it.", min_length=1)]
Limit = Annotated[int, Field(description="The newest so many.", ge=1, le=1000)]
Seconds = Annotated[
    int, Field(description="How long to wait; 50 at most, then call again.", ge=0, le=50)
]
