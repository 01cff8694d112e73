"""Every environment variable that agentlock reads, with one line about each.

docs/reference/commands.md lists them from here. Every git hook loads this module, so it imports
nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT = "AGENTLOCK_AGENT"
AGENT_NAME = "AGENT_NAME"
TIMEOUT = "AGENTLOCK_TIMEOUT"
PROGRAM = "AGENTLOCK_PROGRAM"
MODEL = "AGENTLOCK_MODEL"
OWNER_KEY_FILE = "AGENTLOCK_OWNER_KEY_FILE"
READ_FIRST = "AGENTLOCK_READ_FIRST"
SKIP = "AGENTLOCK_SKIP"
PROBE = "AGENTLOCK_PROBE"

GIT_DIR = "GIT_DIR"
GIT_INDEX_FILE = "GIT_INDEX_FILE"
GIT_PREFIX = "GIT_PREFIX"
GIT_NAMESPACE = "GIT_NAMESPACE"
GIT_CONFIG_COUNT = "GIT_CONFIG_COUNT"
GIT_CONFIG_GLOBAL = "GIT_CONFIG_GLOBAL"
GIT_CONFIG_NOSYSTEM = "GIT_CONFIG_NOSYSTEM"
GIT_CONFIG_SYSTEM = "GIT_CONFIG_SYSTEM"
GIT_HEAD_PREFIX = "GITHEAD_"
FINDING_THE_REPOSITORY = (
    *(GIT_DIR, "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"),
    *("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"),
)
FRAMEWORK_PUSH = (
    *("PRE_COMMIT_REMOTE_NAME", "PRE_COMMIT_REMOTE_URL"),
    *("PRE_COMMIT_LOCAL_BRANCH", "PRE_COMMIT_REMOTE_BRANCH"),
)
HOME = "HOME"
PATH = "PATH"
PRE_COMMIT_HOME = "PRE_COMMIT_HOME"
XDG_CACHE_HOME = "XDG_CACHE_HOME"
XDG_DATA_HOME = "XDG_DATA_HOME"
UV_CACHE_DIR = "UV_CACHE_DIR"
XDG_CONFIG_HOME = "XDG_CONFIG_HOME"
CLAUDE_CONFIG_DIR = "CLAUDE_CONFIG_DIR"
CODEX_HOME = "CODEX_HOME"
COPILOT_HOME = "COPILOT_HOME"
COPILOT_CLI = "COPILOT_CLI"
CLAUDE_CODE_ENTRYPOINT = "CLAUDE_CODE_ENTRYPOINT"
SESSION = "AGENTLOCK_SESSION"
# The ids of sessions that programs give their shells, and whose they are.
SESSION_IDS = {
    "CLAUDE_CODE_SESSION_ID": "claude",
    "CODEX_THREAD_ID": "codex",
    "CODEX_SESSION_ID": "codex",
    "COPILOT_AGENT_SESSION_ID": "copilot",
}
TEMPORARY = ("TMPDIR", "TEMP", "TMP")
NO_COLOR = "NO_COLOR"
TERM = "TERM"

# A variable that every job of a CI system has.
CI_SYSTEMS = (
    *("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TEAMCITY_VERSION"),
    *(
        "BUILDKITE",
        "CIRCLECI",
        "TRAVIS",
        "APPVEYOR",
        "CODEBUILD_BUILD_ID",
        "BITBUCKET_BUILD_NUMBER",
    ),
)


def is_ci(variables: Mapping[str, str]) -> bool:
    """Whether these are the variables of a CI system's job."""
    return any(variables.get(name, "").lower() not in ("", "0", "false") for name in CI_SYSTEMS)


OURS = {
    AGENT: "The name of the agent that asks; `--agent` overrides it.",
    AGENT_NAME: "The same, if neither AGENTLOCK_AGENT nor `git config agentlock.agent` is set; "
    "ignored if it is not a valid name, and in a CI system, which sets it to its machine's name.",
    TIMEOUT: "How long a command or a hook waits for the table, like `10s`; `--timeout` overrides "
    "it (default: 30s).",
    PROGRAM: "The program the agent runs in, as `reserve --program` records it.",
    MODEL: "The agent's model, as `reserve --model` records it.",
    OWNER_KEY_FILE: "A file that holds the owner's key, for commands and hooks that need the key.",
    READ_FIRST: "Set by `run --template` for its program: the files that the template gives it to "
    "read, one on each line.",
    SKIP: "A reason for letting one git command pass although it is refused. It is for people, is "
    "recorded, and needs the owner's key if the project has one.",
    SESSION: "The program and the id of the session, like `opencode:ID`: set for the commands of "
    "programs that give them no id of their own.",
    PROBE: "Set by `agentlock doctor` while it tests a hook. A hook that sees it never lets "
    "anything pass.",
}

OTHERS = {
    f"{GIT_DIR}, {GIT_INDEX_FILE}": "Set by git for its hooks: the repository and the index of "
    "the commit that is judged.",
    GIT_PREFIX: "Set by git for its hooks: the folder the git command was typed in, for the "
    "commands in a refusal.",
    f"{GIT_HEAD_PREFIX}*": "Set by `git merge`: the commits that are being merged.",
    ", ".join(CI_SYSTEMS): "Set by CI systems: if one is set, AGENT_NAME is ignored.",
    GIT_CONFIG_COUNT: "If it sets core.hooksPath, every command says that git runs no hook of "
    "agentlock.",
    f"{PATH}, {GIT_CONFIG_GLOBAL}, {GIT_CONFIG_NOSYSTEM}, {GIT_CONFIG_SYSTEM}": "Which git is "
    "started, and which files it reads. They are read as git would read them, or git is asked.",
    GIT_NAMESPACE: "A push to a repository that is served with it is refused.",
    ", ".join(FINDING_THE_REPOSITORY[1:]): "If one is set, git is asked where the repository is; "
    "otherwise agentlock looks for itself.",
    ", ".join(FRAMEWORK_PUSH): "Set by the pre-commit framework: what is pushed, and where to.",
    f"{PRE_COMMIT_HOME}, {XDG_CACHE_HOME}": "Where the pre-commit framework puts aside what is not "
    "staged while it runs hooks.",
    f"{UV_CACHE_DIR}, {', '.join(TEMPORARY)}": "Folders that are cleaned up: `init` and `doctor` "
    "warn if the hooks would run what lies there.",
    f"{NO_COLOR}, {TERM}": "If the first is set, or the second is `dumb`, nothing is printed in "
    "colour.",
    f"{CLAUDE_CONFIG_DIR}, {CODEX_HOME}, {COPILOT_HOME}, {XDG_CONFIG_HOME}": "Where agents' "
    "programs keep their settings, for `edit-hooks`.",
    ", ".join(SESSION_IDS): "Set by agents' programs for their shells: the session that a command "
    "belongs to, and so the agent's name.",
    CLAUDE_CODE_ENTRYPOINT: "Set by Claude Code: whether it has a screen, where an agent can be "
    "woken.",
    COPILOT_CLI: "Set by Copilot CLI for its hooks, which runs the entries of Claude Code too.",
    f"{HOME}, {XDG_DATA_HOME}": (
        "Where the list of repositories is kept that agentlock was put into."
    ),
    "PGPASSFILE, PGSERVICEFILE, PGSSLROOTCERT, ...": "PostgreSQL's own variables, read by libpq.",
}
