# agentlock hook: stand-in. Written by `agentlock hooks install`, which overwrites edits.
# The commands in git's configuration (hook.agentlock-*, git 2.54) source this file, with the name of
# the hook in $hook and git's common directory in $common. git runs them before the hook of the same
# name in its hooks folder. If that hook is ours, it decides, and there is nothing to do here. If git
# looks into another folder (core.hooksPath) or finds none, the script next to this file decides.
# The script also puts core.hooksPath back, for the next git command: the one that runs goes on with
# what it has read. So the script notes its process id, and here the folder is not believed then.
folder=$(git rev-parse --git-path hooks 2>/dev/null) # fails if core.hooksPath is empty
put_back=''
{ read -r put_back <"$common/agentlock-guard/configured/put-back"; } 2>/dev/null
if [ "$put_back" != "$PPID" ] && [ -x "$folder/$hook" ] && { read -r line && read -r line; } <"$folder/$hook"; then
    case $line in "# agentlock hook: $hook. "*) exit 0 ;; esac
fi
exec "$common/agentlock-guard/configured/$hook" "$@"
