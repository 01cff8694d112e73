#!/bin/sh
# Installs agentlock from the checkout that this file is in, or uninstalls it.
# docs/how-to/install.md says where it puts what.
set -eu

usage() {
	cat <<'USAGE'
usage: ./install.sh [--postgres] [--mcp] [--board] [--demo] [--repo DIR]...
       ./install.sh --uninstall [--dry-run] [--yes]

Installs agentlock for this user from this checkout: a private Python environment under
${XDG_DATA_HOME:-~/.local/share}/agentlock, and two links in ~/.local/bin.

  --postgres     also installs PostgreSQL's client library; a later ./install.sh keeps it
  --mcp          also installs what 'agentlock mcp' needs; a later ./install.sh keeps it
  --board        also installs what the board in a terminal and a browser needs; kept, too
  --demo         then shows two agents and one refused commit, in a scratch repository
  --repo DIR     then runs 'agentlock init' in DIR; may be given several times
  --uninstall    removes the hooks from every repository, then everything that was installed
  --dry-run      only says what --uninstall would remove
  --yes          does not ask before it removes anything
  --help         prints this

For the Makefile:
  --print-python     prints the interpreter that an installation would use
  --print-pythons    prints one for each suitable version: "3.12 /path/to/python3.12"

Example: ./install.sh --demo --repo ~/src/project
USAGE
}

say() { printf 'agentlock: %s\n' "$*"; }
complain() { printf 'agentlock: %s\n' "$*" >&2; }
die() {
	complain "$*"
	exit 1
}
misuse() {
	complain "$*"
	complain "try: $0 --help"
	exit 2
}

# ---------------------------------------------------------------- finding an interpreter

names="python3 python3.19 python3.18 python3.17 python3.16 python3.15 python3.14 python3.13
	python3.12 python3.11 python3.10 python"

# Prints "VERSION LACKING PATH"; nothing else decides whether a candidate is good. Each candidate
# is run, because a pyenv shim may stand for any version, or for none. Of an active virtual
# environment the base interpreter is taken: it stays when the environment is deleted.
# shellcheck disable=SC2016  # this is Python, not sh
probe='
import sys
if sys.implementation.name != "cpython" or sys.version_info < (3, 10):
    sys.exit(1)
lacking = []
for name in ("ensurepip", "venv", "sqlite3", "ssl", "zlib"):
    try:
        __import__(name)
    except ImportError:
        lacking.append(name)
executable = getattr(sys, "_base_executable", None) or sys.executable
print("%d.%d" % sys.version_info[:2], ",".join(lacking) or "-", executable)
'

# Prints the candidates, best first, one a line: each name in every folder of PATH, because a shim
# that fails may hide a good interpreter further on; then pyenv's own, if pyenv is in use.
candidates() {
	for name in $names; do
		rest="${PATH-}:"
		while [ -n "$rest" ]; do
			folder=${rest%%:*}
			rest=${rest#*:}
			# An empty or relative entry depends on the current directory, which is not trusted.
			case $folder in /*) ;; *) continue ;; esac
			[ -f "$folder/$name" ] && [ -x "$folder/$name" ] && printf '%s\n' "$folder/$name"
		done
	done
	pyenv=${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}
	if command -v pyenv >/dev/null 2>&1 || case ":${PATH-}:" in *":$pyenv/"*) ;; *) false ;; esac; then
		for name in $names; do
			case $name in python3.*) ;; *) continue ;; esac # newest first
			for file in "$pyenv"/versions/*/bin/"$name"; do
				[ -f "$file" ] && [ -x "$file" ] && printf '%s\n' "$file"
			done
		done
	fi
	return 0
}

# Sets $python and $version, or says what is missing and stops.
find_python() {
	python='' version='' lame='' lame_version='' lame_lacks=''
	while IFS= read -r candidate; do
		[ -n "$candidate" ] || continue
		answer=$("$candidate" -I -c "$probe" </dev/null 2>/dev/null) || continue
		read_answer "$answer" || continue
		if [ "$lacks" = - ]; then
			python=$executable
			return 0
		fi
		if [ -z "$lame" ]; then
			lame=$executable lame_version=$version lame_lacks=$lacks
		fi
	done <<CANDIDATES
$(candidates)
CANDIDATES
	case ",$lame_lacks," in
	,,) die "CPython 3.10 or newer is needed, and none was found on PATH." ;;
	*,ensurepip,* | *,venv,*)
		die "$lame (Python $lame_version) cannot make virtual environments; on Debian and Ubuntu, 'apt install python3-venv' adds what is missing."
		;;
	*) die "$lame (Python $lame_version) was built without $lame_lacks; install a complete CPython 3.10 or newer." ;;
	esac
}

read_answer() {
	version=${1%% *}
	lacks=${1#* }
	executable=${lacks#* }
	lacks=${lacks%% *}
	# Some shims print a message of their own and exit 0: that is not an answer.
	case $version in 3.[0-9]*) ;; *) return 1 ;; esac
	[ -x "$executable" ]
}

print_pythons() {
	seen=' '
	candidates | while IFS= read -r candidate; do
		answer=$("$candidate" -I -c "$probe" </dev/null 2>/dev/null) || continue
		read_answer "$answer" || continue
		[ "$lacks" = - ] || continue
		case $seen in *" $version "*) continue ;; esac
		seen="$seen$version "
		printf '%s %s\n' "$version" "$executable"
	done | LC_ALL=C sort -t . -k 2n
}

# ---------------------------------------------------------------- where things are

# Sets $checkout to the folder of this file, through symbolic links and from any directory.
find_checkout() {
	self=$0
	while [ -L "$self" ]; do
		target=$(readlink "$self")
		case $target in
		/*) self=$target ;;
		*) self=$(dirname -- "$self")/$target ;;
		esac
	done
	checkout=$(cd -- "$(dirname -- "$self")" && pwd -P)
	grep -q '^name = "git-agentlock"' "$checkout/pyproject.toml" 2>/dev/null ||
		die "this script must be run from a checkout of agentlock, and $checkout is not one."
}

find_folders() {
	case ${HOME-} in
	/*) ;;
	'') die "HOME is not set, so there is no place to install to." ;;
	*) die "HOME is '$HOME', which is not an absolute path." ;;
	esac
	case ${XDG_DATA_HOME-} in
	'' | /*) ;;
	*) die "XDG_DATA_HOME is '$XDG_DATA_HOME', which is not an absolute path." ;;
	esac
	bin=$HOME/.local/bin
	data=${XDG_DATA_HOME:-$HOME/.local/share}/agentlock
	venv=$data/venv
	postgres_mark='with-postgres' mcp_mark='with-mcp' board_mark='with-board'
	new=$data/venv.new.$$
	builders=$data/builders.$$
	log=$data/install.log.$$
	rustup=$data/rustup.$$
	made=$data/made-folders
}

# Makes a folder and its parents, and remembers each that it made, so that --uninstall can remove
# them.
made_now=''
make_folder() {
	[ -d "$1" ] && return 0
	make_folder "$(dirname -- "$1")"
	mkdir -- "$1" || die "cannot make the folder $1."
	made_now="$1
$made_now"
}

# Removes the empty ones of these folders; the list has the deepest first.
remove_folders() {
	while IFS= read -r folder; do
		[ -z "$folder" ] || rmdir -- "$folder" 2>/dev/null || :
	done <<FOLDERS
$1
FOLDERS
}

link_is_ours() { [ -L "$bin/$1" ] && [ "$(readlink "$bin/$1")" = "$venv/bin/$1" ]; }

# ---------------------------------------------------------------- installing

# However this run ends, it leaves no half-made environment, and no new folder if it failed.
clean_up() {
	status=$?
	trap - EXIT
	[ -z "${new-}" ] || rm -rf -- "$new" "$builders" "$log" "$rustup"
	[ "$status" -eq 0 ] || [ -f "${made:-/nonexistent}" ] || remove_folders "$made_now"
	exit "$status"
}

# Removes what a killed run left, unless that run is still at work.
sweep() {
	for leftover in "$data"/venv.new.* "$data"/venv.old.* "$data"/builders.* \
		"$data"/install.log.* "$data"/rustup.*; do
		[ -e "$leftover" ] || continue
		kill -0 "${leftover##*.}" 2>/dev/null || rm -rf -- "$leftover"
	done
}

step() { # step WHAT COMMAND...: prints the command's output only if it fails
	what=$1
	shift
	"$@" >"$log" 2>&1 </dev/null && return 0
	cat "$log" >&2
	die "$what failed, as shown above; nothing was changed."
}

# A new environment is made next to the one in use and takes its place in one step once it has
# been run. Its scripts and pyvenv.cfg name their folder, so they are rewritten for the final one.
# shellcheck disable=SC2016  # this is Python, not sh
settle='
import os, sys
new, final, old = map(os.fsencode, sys.argv[1:])
scripts = [entry.path for entry in os.scandir(os.path.join(new, b"bin"))]
for path in [*scripts, os.path.join(new, b"pyvenv.cfg")]:
    if os.path.islink(path) or not os.path.isfile(path):
        continue
    with open(path, "rb") as file:
        text = file.read()
    if new in text:
        with open(path, "wb") as file:
            file.write(text.replace(new, final))
if os.path.lexists(final):
    os.rename(final, old)
try:
    os.rename(new, final)
except OSError:
    if os.path.lexists(old):
        os.rename(old, final)
    raise
'

pip_install() {
	"$new/bin/python" -I -m pip install --quiet --no-user --no-cache-dir \
		--disable-pip-version-check "$@"
}
locked() { pip_install --require-hashes --no-deps "$@"; }

build() {
	find_python
	# The marks lie inside the environment, so that both take effect in one step.
	if [ -e "$venv/$postgres_mark" ]; then postgres=yes; fi
	if [ -e "$venv/$mcp_mark" ]; then mcp=yes; fi
	if [ -e "$venv/$board_mark" ]; then board=yes; fi
	locks=requirements.lock with=''
	[ -z "$postgres" ] || locks=requirements-postgres.lock with=" and PostgreSQL's client library"
	[ -z "$mcp" ] || locks="$locks requirements-mcp.lock" with="$with and MCP's library"
	[ -z "$board" ] || locks="$locks requirements-board.lock" with="$with and the board"
	say "installing with Python $version ($python)$with"
	make_folder "$data"
	sweep
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# pip asks rustc for its version, and rustup answers by making a folder in HOME.
	[ -e "$HOME/.rustup" ] || export RUSTUP_HOME="${RUSTUP_HOME:-$rustup}"
	step "making a virtual environment" "$python" -I -m venv --prompt agentlock "$new"
	# Only files whose SHA-256 is in a lock file are installed. The tools that build the program go
	# to a folder of their own, which is deleted afterwards.
	(
		cd -- "$checkout"
		for lock in $locks; do
			step "pip" locked --compile --requirement "$lock"
		done
		step "pip" locked --target "$builders" --requirement build.lock
		export PYTHONPATH="$builders"
		step "pip" pip_install --compile --no-index --no-deps --no-build-isolation .
	)
	[ -z "$postgres" ] || : >"$new/$postgres_mark"
	[ -z "$mcp" ] || : >"$new/$mcp_mark"
	[ -z "$board" ] || : >"$new/$board_mark"
	step "a first run of the new program" "$new/bin/python" -I -m agentlock --version
	step "putting the new environment in place" \
		"$python" -I -c "$settle" "$new" "$venv" "$data/venv.old.$$"
	rm -rf -- "$data/venv.old.$$" "$builders" "$log" "$rustup"
}

install() {
	for name in agentlock git-agentlock; do
		link_is_ours "$name" || if [ -e "$bin/$name" ] || [ -L "$bin/$name" ]; then
			die "$bin/$name was not put there by this script and is left alone; move it away, then run this again."
		fi
	done
	build
	make_folder "$bin"
	for name in agentlock git-agentlock; do
		link_is_ours "$name" || ln -s "$venv/bin/$name" "$bin/$name"
	done
	printf '%s' "$made_now" >>"$made"
	release=$("$venv/bin/agentlock" --version)
	say "version ${release##* } is installed: $bin/agentlock"
	advise_path
}

advise_path() {
	case ":${PATH-}:" in
	*":$bin:"* | *":$bin/:"*)
		first=$(command -v agentlock || :)
		[ "$first" = "$bin/agentlock" ] || [ "$first" = "$bin//agentlock" ] ||
			say "but your PATH finds '$first' first."
		;;
	*)
		say "$bin is not on your PATH; add this line to your shell's start-up file:"
		# shellcheck disable=SC2016  # for the user's shell to expand
		printf '\n    export PATH="$HOME/.local/bin:$PATH"\n\n'
		;;
	esac
}

# ---------------------------------------------------------------- uninstalling

uninstall() {
	found=''
	for name in agentlock git-agentlock; do
		if link_is_ours "$name"; then found=yes; fi
	done
	if [ -z "$found" ] && [ ! -d "$data" ]; then
		say "nothing to remove: agentlock is not installed here."
		return 0
	fi
	if [ -n "$dry_run" ]; then
		! runs || "$venv/bin/agentlock" hooks uninstall --everywhere --dry-run
		say "would remove $venv and the links to it in $bin"
		return 0
	fi
	if ! runs && grep -q '"' "$data/repositories" 2>/dev/null; then
		say "the installed program is damaged; repairing it first, because it is needed to remove the hooks"
		build
	fi
	if runs; then
		code=0
		"$venv/bin/agentlock" hooks uninstall --everywhere ${yes:+--yes} || code=$?
		[ "$code" -ne 130 ] || die "nothing was removed."
		[ "$code" -eq 0 ] ||
			die "some hooks could not be removed, as shown above; the program stays, because without it these hooks would refuse every commit."
	fi
	for name in agentlock git-agentlock; do
		if link_is_ours "$name"; then rm -- "$bin/$name"; fi
	done
	# If the list of folders is lost, the usual ones are removed, but only if they are empty.
	folders=$(LC_ALL=C sort -ru -- "$made" 2>/dev/null) || folders="$bin
$(dirname -- "$data")
$HOME/.local"
	sweep
	rm -rf -- "$venv"
	rm -f -- "$made" "$data/repositories" "$data/repositories.lock" "$data"/repositories.new-*
	if [ -d "$data" ] && ! rmdir -- "$data" 2>/dev/null; then
		say "kept $data: it holds files that this script did not put there."
	fi
	remove_folders "$folders"
	say "uninstalled."
}

runs() { "$venv/bin/python" -I -m agentlock --version >/dev/null 2>&1 </dev/null; }

# ---------------------------------------------------------------- the command line

# These variables would make Python or pip use another place than our own environment, or git
# another repository than the one it is run in.
unset CDPATH PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE __PYVENV_LAUNCHER__
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PIP_REQUIRE_VIRTUALENV PIP_NO_DEPS PIP_LOG
unset PIP_CONSTRAINT PIP_DRY_RUN PIP_REPORT PIP_NO_COMPILE PIP_NO_BUILD_ISOLATION PIP_REQUIRE_HASHES PIP_REQUIREMENT
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX
# pip starts itself again to build the program, and that run does not see our options.
export PIP_NO_CACHE_DIR=1

action=install demo='' postgres='' mcp='' board='' options='' dry_run='' yes=''
given=$#
while [ "$given" -gt 0 ]; do
	option=$1
	shift
	given=$((given - 1))
	case $option in
	--help | -h)
		usage
		exit 0
		;;
	--demo) demo=yes options=yes ;;
	--postgres) postgres=yes options=yes ;;
	--mcp) mcp=yes options=yes ;;
	--board) board=yes options=yes ;;
	--repo)
		[ "$given" -gt 0 ] || misuse "--repo needs a directory."
		set -- "$@" "$1" # after this loop, only the repositories are left in "$@"
		shift
		given=$((given - 1))
		options=yes
		;;
	--repo=*)
		set -- "$@" "${option#--repo=}"
		options=yes
		;;
	--uninstall) action=uninstall ;;
	--dry-run) dry_run=yes ;;
	--yes) yes=yes ;;
	--print-python) action=print_python ;;
	--print-pythons) action=print_pythons ;;
	*) misuse "unknown option '$option'." ;;
	esac
done
[ "$action" = install ] || [ -z "$options" ] ||
	misuse "--demo, --postgres, --mcp, --board and --repo are for installing."

[ "$action" = uninstall ] || [ -z "$dry_run$yes" ] || misuse "--dry-run and --yes are for --uninstall."

case $action in
print_python)
	find_python
	printf '%s\n' "$python"
	exit 0
	;;
print_pythons)
	print_pythons
	exit 0
	;;
esac

find_checkout
find_folders
if [ "$action" = uninstall ]; then
	uninstall
	exit 0
fi

command -v git >/dev/null 2>&1 || die "git is needed, and none was found on PATH."
for repository; do
	[ -d "$repository" ] || misuse "--repo $repository: there is no such directory."
	(cd -- "$repository" && git rev-parse --is-inside-work-tree) >/dev/null 2>&1 ||
		misuse "--repo $repository: this is not a git repository."
done
install
failed=''
if [ -n "$demo" ]; then
	"$venv/bin/agentlock" demo || failed=yes
fi
for repository; do
	(cd -- "$repository" && exec "$venv/bin/agentlock" init) || failed=yes
done
[ -z "$failed" ]
