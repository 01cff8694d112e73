#!/bin/sh
# agentlock hook: @HOOK@, passed on. Written by `agentlock hooks install`, which overwrites edits.
# agentlock asks nothing here. This runs what git would run if core.hooksPath had not been changed,
# and what somebody has written over this file since.
kept=${0%/*}
kept=${kept%/}.before-agentlock
count=0 theirs=''
for before in @FORMER@ "$kept/@HOOK@" "$kept"-[2-9]/@HOOK@; do
    [ ! -x "$before" ] || count=$((count + 1)) theirs=$before
done
[ $count -gt 0 ] || exit 0
[ $count -gt 1 ] || exec "$theirs" "$@"
input=$(cat && printf x) || exit
status=0
for before in @FORMER@ "$kept/@HOOK@" "$kept"-[2-9]/@HOOK@; do
    [ -x "$before" ] || continue
    printf %s "${input%x}" 2>/dev/null | "$before" "$@" || status=$?
done
exit $status
