# Asks the guard that has stayed for the commits that this git process replays
# (agentlock/guard/staying.py), if one has. Succeeds only if it says yes: if it says anything else, or
# has gone, the hook goes on as if there were none. Opening one end of a pipe would wait for the other,
# so both are opened first. Then only the guard can write, and reading ends if the guard does.
ask_stayed() {
    for asks in "${GIT_DIR:-.git}/agentlock-stayed-$PPID."*.asks; do
        answers=${asks%.asks}.answers answer=''
        # shellcheck disable=SC3067  # every sh of Linux has -O
        [ -p "$asks" ] && [ -O "$asks" ] && [ -p "$answers" ] && [ -O "$answers" ] &&
            find_process && [ "${asks##*/}" = "agentlock-stayed-$process.asks" ] || return
        {
            {
                exec 8>&-
                printf '%s %s\n' "$$ $hook" "$*" 1<>"$asks" && read -r answer <&9
            } 9<"$answers"
        } 8<>"$answers"
        [ "$answer" = "$$ yes" ]
        return
    done
} 2>/dev/null
