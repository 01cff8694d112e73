#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# The hook that was here before is kept next to this folder and runs first. Then this writes down which
# commit git has made, or which it has replaced by which, for the reader of the ledger
# (agentlock/guard/made.py). It starts no process, and refuses nothing.
hook=@HOOK@ reads_stdin='@READS_STDIN@'
kept=${0%/*}
kept=${kept%/}.before-agentlock
git_dir=${GIT_DIR:-.git}
status=0 lines='' made='' replayed='' former=''
newline='
'
for before in @FORMER@ "$kept/$hook" "$kept"-[2-9]/"$hook"; do
    [ -x "$before" ] || continue
    # As in shim.sh: pre-commit runs this hook as its legacy one, and then its own.
    [ -z "${PRE_COMMIT_RUNNING_LEGACY-}" ] ||
        ! grep -q https://pre-commit.com "$before" 2>/dev/null || continue
    former=yes
    if [ -z "$reads_stdin" ]; then
        "$before" "$@" || status=$?
    else
        [ -n "$lines" ] || lines=$(cat && printf x) || exit
        printf %s "${lines%x}" 2>/dev/null | "$before" "$@" || status=$?
    fi
done
lines=${lines%x}

common=$git_dir
if [ -f "$git_dir/commondir" ]; then
    read -r common <"$git_dir/commondir"
    [ "${common#/}" != "$common" ] || common=$git_dir/$common
fi
if [ -n "$reads_stdin" ]; then # "OLD NEW" on each line
    [ -n "$former" ] || while read -r old new _; do
        lines=$lines$old\ $new$newline
    done
else
    # The commit that HEAD names. Where the files do not tell (packed refs, reftable), the next gate
    # finds it itself.
    {
        read -r made <"$git_dir/HEAD"
        [ "${made#ref: }" = "$made" ] || read -r made <"$common/${made#ref: }"
        [ "$hook" != post-commit ] || ! [ -s "$git_dir/CHERRY_PICK_HEAD" ] ||
            read -r replayed <"$git_dir/CHERRY_PICK_HEAD"
    } 2>/dev/null
    case $made in
    *[!0-9a-f]* | '') ;;
    *) lines="${replayed:+$replayed }$made$newline" ;;
    esac
fi
[ -z "$lines" ] || { printf %s "$lines" >>"$common/agentlock-made"; } 2>/dev/null
exit $status
