#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# git runs this each time refs move, hundreds of times in a rebase or a fetch. So the cheapest
# questions come first, and agentlock is asked only about commits that no branch has yet.
hook=@HOOK@
kept=${0%/*}
kept=${kept%/}.before-agentlock
lines='' status=0 probing=${AGENTLOCK_PROBE+probe}

# The hook that was here before sees every state, and its refusal counts. A probe of `agentlock
# doctor` is refused without it.
if [ -z "$probing" ]; then
    for before in @FORMER@ "$kept/$hook" "$kept"-[2-9]/"$hook"; do
        [ -x "$before" ] || continue
        [ -n "$lines" ] || lines=$(cat && printf x) || exit
        printf %s "${lines%x}" 2>/dev/null | "$before" "$@" || status=$?
    done
fi
[ "$1" = prepared ] || exit $status

# The old value may be zero although the ref exists; a new value `ref:…` only switches branches.
moves='' old='' new='' several='' base=HEAD
read_moves() {
    while read -r from to ref; do
        case $ref in
        HEAD) ;;
        refs/heads/*) base='' ;;
        *) continue ;;
        esac
        case $to in
        "$from" | ref:*) continue ;;
        *[!0]*) ;;
        *) continue ;;
        esac
        moves="$moves$from $to $ref
"
        case "$old$new" in
        '' | "$from $to") ;;
        *) several=yes ;;
        esac
        old=$from
        [ "$to" = "${new##* }" ] || new="$new $to"
    done
}
if [ -n "$lines" ]; then
    read_moves <<LINES
${lines%?x}
LINES
else
    read_moves
fi
[ -n "$new$probing" ] || exit $status

@PROCESS@
@STAYED@
# Whether this is one new commit, made of what the guard that has stayed for this git process has just
# judged, on top of what every ref here was at: it knows the answer of both questions below.
[ -n "$several$probing" ] || ! ask_stayed "$old$new" || exit $status

# A commit is new if no branch here or of a remote has it; tags do not count. If only HEAD moves,
# the commits below the old HEAD are not new either: it may be detached.
export GIT_NO_REPLACE_OBJECTS=1 GIT_GRAFT_FILE=''
unset GIT_SHALLOW_FILE
# shellcheck disable=SC2086
found=$(git rev-list --parents --max-count=2 $new --not --branches --remotes $base 2>&1) &&
    [ -z "$found$probing" ] && exit $status

# Whether this is one new commit on top of the old one, made by the git process whose index has just
# been cleared (agentlock/guard/clearance.py), and whether its tree is that index: git wrote the tree
# before prepare-commit-msg, which judges the index as it is then. Each clearance serves once. The
# commit of --amend has another parent, and the part that it takes over was not judged.
recognised() {
    case " $found " in
    *'
'*) return 1 ;;
    "$new $old "*) ;;
    *) return 1 ;;
    esac
    git_dir=${GIT_DIR:-.git}
    index=${GIT_INDEX_FILE:-$git_dir/index}
    read -r word <"$git_dir/agentlock-cleared" &&
        [ "${word%%.*}" = "$PPID" ] && find_process &&
        [ "$word" = "$process $hook" ] && : >"$git_dir/agentlock-cleared" || return 1
    # The index that git commits: its own, that of -a, or that of -o PATHS (builtin/commit.c,
    # prepare_index).
    for index in "$index" "$index.lock" "$git_dir/next-index-$PPID.lock"; do
        if [ "$index" -ef "$git_dir/agentlock-cleared-$process" ]; then
            # shellcheck disable=SC2086  # $new begins with a space
            GIT_INDEX_FILE=$index git diff-index --cached --quiet --ignore-submodules=none \
                --ita-invisible-in-index $new --
            return
        fi
    done
    return 1
} 2>/dev/null
[ -n "$probing" ] || ! recognised || exit $status

@ASK@
printf %s "$moves" | ask "$1" "$PPID" "${new##* }"
code=$?
[ -z "$probing" ] || [ $code -ne 0 ] || code=3
[ $code -ne 0 ] || code=$status
exit $code
