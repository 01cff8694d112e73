python='' gone=''
use() {
    if [ -z "$python" ] && [ -x "$1" ] && [ -f "$2" ]; then
        python=$1 program=$2
    fi
    gone=${gone:-$1, $2}
}
# The first of these that exists is used: a repository that is mounted in several places, with
# another Python in each, keeps one line for each.
@PINS@
# end of pins

refuse() {
    echo "agentlock: refused: $1" >&2
    [ @ROLE@ != receives ] || set -- "$1" "on the server: $2"
    echo "  fix: $2" >&2
    exit 3
}
again='install agentlock again, then run: agentlock hooks install'
if [ -z "$python" ]; then
    refuse "the program that guards this repository is missing, or you may not run it ($gone)" \
        'install agentlock where every user can run it, then run: agentlock hooks install'
fi

# Only exit codes that nothing else gives count as an answer: an empty interpreter or program ends
# with 0, and a crashed one with 1. The guard has closed the table when it returns, so _exit skips
# Python's clean-up, which would cost a commit as much as one of its git commands. To look for garbage
# after every 700 objects costs 4 % of the hook, and there is next to none.
start='
import gc, os, sys
gc.set_threshold(200_000)
root = sys.argv.pop(1)[: -len("/agentlock/__main__.py")]
try:
    sys.path.insert(0, root)
    from agentlock.__main__ import main
    code = int(main())  # a module that was cut short may return None
except Exception as error:
    if sys.stderr is not None:
        why = f"{type(error).__name__}: {error}"
        print(f"agentlock: refused: the installation is damaged ({why})", file=sys.stderr)
        print("  fix: install agentlock again, then try once more", file=sys.stderr, flush=True)
    code = 3
os._exit({0: 100, 1: 101}.get(code, code))
'
ask() {
    "$python" -I -S -c "$start" "$program" hook "$hook" "$@"
    code=$?
    case $code in
    100) return 0 ;;
    101) exit 1 ;;
    3 | 70 | 130) exit $code ;;
    esac
    refuse "the program that guards this repository gave no answer ($python ended with $code)" \
        "$again"
}
