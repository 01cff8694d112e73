#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# What was here before runs first, from the file beside this one; then agentlock decides.
# Where agentlock cannot be asked, git is refused.
python='' gone='' refs='' ran=''
use() {
    if [ -z "$python" ] && [ -x "$1" ] && [ -f "$2" ]; then
        python=$1 program=$2
    fi
    gone=${gone:-$1, $2}
}
# The first that is here: where the repository is mounted elsewhere too, each place has its own.
@PINS@
# end of pins
beside=${0%/*}/@HOOK@.before-agentlock

refuse() {
    echo "agentlock: refused: $1" >&2
    [ @HOOK@ != pre-receive ] || set -- "$1" "on the server: $2"
    echo "  mend it: $2" >&2
    exit 3
}
again='install agentlock again, then run: agentlock hooks install'

# An emptied interpreter or program ends with 0, and a crashed one with 1: only the two codes
# that nothing else gives are an answer.
# The guard has closed the table by then: to leave without freeing every module saves a commit
# as much as one of its git commands costs.
start='
import os, sys
root = sys.argv.pop(1)[: -len("/agentlock/__main__.py")]
try:
    sys.path.insert(0, root)
    from agentlock.__main__ import main
    code = main()
except Exception as error:
    if sys.stderr is not None:
        why = f"{type(error).__name__}: {error}"
        print(f"agentlock: refused: the installation is damaged ({why})", file=sys.stderr)
        print("  mend it: install agentlock again, then try once more", file=sys.stderr, flush=True)
    code = 3
os._exit({0: 100, 1: 101}.get(code, code))
'
ask() {
    "$python" -I -S -c "$start" "$program" hook @HOOK@ "$@"
    code=$?
    case $code in
    100)
        case @HOOK@ in
        pre-commit | pre-merge-commit) echo "$PPID $(cksum <"$index")" >"$cleared" ;;
        esac
        exit 0
        ;;
    101) exit 1 ;;
    3 | 70 | 130) exit $code ;;
    esac
    refuse "the program that guards this repository gave no answer ($python ended with $code)" \
        "$again"
}

# prepare-commit-msg is not skipped by --no-verify, and judges again, unless the same git command
# has just had the same index cleared by pre-commit: git's process and the content say so.
cleared=${GIT_DIR:-.git}/agentlock-cleared
index=${GIT_INDEX_FILE:-.git/index}
recognised() {
    [ @HOOK@ = prepare-commit-msg ] && [ -s "$cleared" ] && read -r was <"$cleared" &&
        : >"$cleared" && [ "$was" = "$PPID $(cksum <"$index")" ]
}

if [ -z "$python" ]; then
    refuse "the program that guards this repository is gone ($gone)" "$again"
fi

# `agentlock doctor` asks whether this hook fires and refuses. While the variable is set nothing
# gets through, whatever the guard says; only therefore may the hooks before ours be left out, and
# only where a refusal stops git.
case ${AGENTLOCK_PROBE+probe}:@HOOK@ in
probe:post-*) ;;
probe:*)
    (ask "$@")
    code=$?
    [ $code -ne 0 ] || code=3
    exit $code
    ;;
esac

for before in @FORMER@ "$beside"; do
    [ -x "$before" ] || continue
    ran=yes
    if [ @HOOK@ = pre-push ] || [ @HOOK@ = pre-receive ]; then
        # All must read the same refs; the x keeps the last newline through the substitution.
        [ -n "$refs" ] || refs=$(cat && printf x) ||
            refuse "what git pushes cannot be read from stdin" "git push again"
        printf %s "${refs%x}" | "$before" "$@" || exit
    else
        "$before" "$@" || exit
    fi
done
# lefthook writes its hooks anew, over ours, when it runs and finds its configuration changed.
if [ -n "$ran" ]; then
    { read -r line && read -r line; } <"$0" 2>/dev/null
    case ${line-} in
    '# agentlock hook: @HOOK@'*) ;;
    *)
        "$python" -I "$program" hooks install </dev/null >/dev/null 2>&1 ||
            refuse "what ran before this hook has replaced it" "agentlock hooks install"
        echo "agentlock: what ran before this hook had replaced it: installed again" >&2
        ;;
    esac
fi
if [ -n "$refs" ]; then
    printf %s "${refs%x}" | ask "$@"
    exit
fi
if recognised; then exit 0; fi
ask "$@"
