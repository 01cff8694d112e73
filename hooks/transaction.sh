#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# git runs this whenever refs move, hundreds of times in a rebase or a fetch: the cheapest questions
# come first, and agentlock is asked only about commits that no branch has yet.
beside=${0%/*}/@HOOK@.before-agentlock
lines='' probing=${AGENTLOCK_PROBE+probe}

# What was here before sees every state and its refusal counts; a probe refuses without it.
if [ -z "$probing" ]; then
    for before in @FORMER@ "$beside"; do
        [ -x "$before" ] || continue
        [ -n "$lines" ] || lines=$(cat && printf x) || exit
        printf %s "${lines%x}" 2>/dev/null | "$before" "$@" || exit
    done
fi
[ "$1" = prepared ] || exit 0

# `old` may be zero for a ref that exists, and a new value `ref:…` switches branches.
moves='' old='' new='' base=HEAD
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
[ -n "$new$probing" ] || exit 0

# New is what no branch here or elsewhere has; a tag makes nothing known. What a detached HEAD
# is at may come along to where it goes, not to a branch.
export GIT_NO_REPLACE_OBJECTS=1 GIT_GRAFT_FILE=''
unset GIT_SHALLOW_FILE
# shellcheck disable=SC2086
found=$(git rev-list --parents --max-count=2 $new --not --branches --remotes $base 2>&1) &&
    [ -z "$found$probing" ] && exit 0

# One new commit, on top of what was there, by the process that has just had its index cleared
# (agentlock/guard/clearance.py), and the commit is that index: git wrote its tree before
# prepare-commit-msg, which judges the index as it is then. Each clearance serves once. That of
# --amend has another parent, and what it takes over was not looked at.
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
        [ "$word" = "$PPID reference-transaction" ] && : >"$git_dir/agentlock-cleared" || return 1
    # Where it commits from: as it is, with -a, and with -o PATHS (git-commit(1), prepare_index).
    for index in "$index" "$index.lock" "$git_dir/next-index-$PPID.lock"; do
        if [ "$index" -ef "$git_dir/agentlock-cleared-$PPID" ]; then
            # shellcheck disable=SC2086  # $new begins with a space
            GIT_INDEX_FILE=$index git diff-index --cached --quiet --ignore-submodules=none \
                --ita-invisible-in-index $new --
            return
        fi
    done
    return 1
} 2>/dev/null
[ -n "$probing" ] || ! recognised || exit 0

@ASK@
printf %s "$moves" | ask "$1" "$PPID" "${new##* }"
code=$?
[ -z "$probing" ] || [ $code -ne 0 ] || code=3
exit $code
