"""The agents' programs that run without an account against a scripted model, pinned.

Each is set up as a person would who has no network: its own model is ours, it asks no permission,
and the folder is trusted. What its edit hooks need is `agentlock edit-hooks install`'s work.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agents.formats import Step

KEY = "test"


class Setting(NamedTuple):
    """Where a program is started: the project's folder, HOME, the model's port and its name."""

    project: Path
    home: Path
    port: int
    model: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Program(NamedTuple):
    """A program: its package, its command, and how its tools are called.

    ``start`` writes its settings, and gives the words and the variables of a run. ``patch_model``
    is a model that gets a tool for patches ("" if none does), ``folder`` what the shell tool calls
    the folder in which it runs a command.
    """

    name: str
    title: str
    package: str
    version: str
    command: str
    model: str
    patch_model: str
    start: Callable[[Setting], tuple[list[str], dict[str, str]]]
    edit: Callable[..., list[Step]]  # the file, and what it has and gets: OLD and NEW
    create: Callable[[str], list[Step]]
    bash: Callable[[str], Step]
    patch: Callable[[str], Step] | None = None
    folder: str = ""


OLD, NEW = "x = 1", "x = 2"
CREATED = "new = 1\n"


def update(file: str, old: str = OLD, new: str = NEW) -> str:
    return _patched(f"*** Update File: {file}\n@@\n-{old}\n+{new}")


def added(file: str) -> str:
    return _patched(f"*** Add File: {file}\n+{CREATED.rstrip()}")


def deleted(file: str) -> str:
    return _patched(f"*** Delete File: {file}")


def moved(file: str, target: str) -> str:
    return _patched(f"*** Update File: {file}\n*** Move to: {target}\n@@\n-{OLD}\n+{NEW}")


def _patched(body: str) -> str:
    return f"*** Begin Patch\n{body}\n*** End Patch"


def _call(tool: str, **arguments: Any) -> Step:
    return {"tool": tool, "args": arguments}


def _write(path: Path, text: str | Mapping[str, Any]) -> None:
    if not path.exists():  # what an earlier run or `edit-hooks install` wrote there stays
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")


def _claude(where: Setting) -> tuple[list[str], dict[str, str]]:
    words = ["-p", "go", "--permission-mode", "acceptEdits"]
    words += ["--allowedTools", "Bash,Edit,Write,Read,NotebookEdit,Agent", "--model", where.model]
    words += ["--output-format", "stream-json", "--verbose"]
    quiet = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER")
    given = {"ANTHROPIC_BASE_URL": where.address, "ANTHROPIC_API_KEY": KEY}
    return words, given | dict.fromkeys(quiet, "1")


_CODEX = """\
model = "{model}"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:1/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false

[projects."{project}"]
trust_level = "trusted"
"""


def _codex(where: Setting) -> tuple[list[str], dict[str, str]]:
    settings = _CODEX.format(model=where.model, project=where.project)
    _write(where.home / ".codex/config.toml", settings)
    address = f'model_providers.scripted.base_url="{where.address}/v1"'
    return ["exec", "--json", "-c", address, "go"], {"SCRIPTED_KEY": KEY}


def _gemini(where: Setting) -> tuple[list[str], dict[str, str]]:
    path = where.home / ".gemini/settings.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    settings["security"] = {"auth": {"selectedType": "gemini-api-key"}}
    settings["privacy"] = {"usageStatisticsEnabled": False}
    settings["general"] = {"enableAutoUpdate": False}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings), encoding="utf-8")
    given = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": where.address}
    given["GEMINI_CLI_TRUST_WORKSPACE"] = "true"
    return ["-p", "go", "--yolo", "-m", where.model], given


def _copilot(where: Setting) -> tuple[list[str], dict[str, str]]:
    given = {"COPILOT_OFFLINE": "true", "COPILOT_MODEL": where.model}
    given |= {"COPILOT_PROVIDER_BASE_URL": f"{where.address}/v1", "COPILOT_PROVIDER_API_KEY": KEY}
    return ["-p", "go", "--allow-all-tools", "--no-color", "--trust-folder"], given


def _opencode(where: Setting) -> tuple[list[str], dict[str, str]]:
    model: dict[str, Any] = {"name": where.model, "tool_call": True}
    model["limit"] = {"context": 100_000, "output": 4_000}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "scripted",
        "models": {where.model: model},
    }
    provider["options"] = {"baseURL": f"{where.address}/v1", "apiKey": KEY}
    settings: dict[str, Any] = {
        "model": f"scripted/{where.model}",
        "small_model": f"scripted/{where.model}",
    }
    settings |= {"autoupdate": False, "share": "disabled", "permission": "allow"}
    settings["provider"] = {"scripted": provider}
    path = where.home / f"opencode-{where.port}.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    quiet = ("MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD")
    given = {f"OPENCODE_DISABLE_{name}": "1" for name in quiet}
    given["OPENCODE_CONFIG"] = str(path)
    # Two that start at once in a new home both make its database, and one fails.
    given["XDG_DATA_HOME"] = str(where.home / f"opencode-{where.port}")
    # Any plugin makes it ask a registry for its library; a 404 ends that at once.
    given["npm_config_registry"] = f"{where.address}/"
    return ["run", "--print-logs", "--log-level", "WARN", "go"], given


def _described(command: str) -> Step:
    return _call("bash", command=command, description="run")


PROGRAMS = {
    one.name: one
    for one in (
        Program(
            *("claude", "Claude Code", "@anthropic-ai/claude-code", "2.1.197", "claude"),
            *("claude-sonnet-4-5", "", _claude),
            edit=lambda file, old=OLD, new=NEW: [
                _call("Read", file_path=file),
                _call("Edit", file_path=file, old_string=old, new_string=new),
            ],
            create=lambda file: [_call("Write", file_path=file, content=CREATED)],
            bash=lambda command: _call("Bash", command=command, description="run"),
        ),
        Program(
            *("codex", "Codex", "@openai/codex", "0.171.0", "codex"),
            *("gpt-5.5", "gpt-5.5", _codex),
            edit=lambda file, old=OLD, new=NEW: [
                {"custom": "apply_patch", "input": update(file, old, new)}
            ],
            create=lambda file: [{"custom": "apply_patch", "input": added(file)}],
            bash=lambda command: _call("exec_command", cmd=command, yield_time_ms=30_000),
            patch=lambda text: {"custom": "apply_patch", "input": text},
            folder="workdir",
        ),
        Program(
            *("gemini", "Gemini CLI", "@google/gemini-cli", "0.61.0", "gemini"),
            *("gemini-2.5-flash", "", _gemini),
            edit=lambda file, old=OLD, new=NEW: [
                _call("replace", file_path=file, old_string=old, new_string=new, instruction="set")
            ],
            create=lambda file: [_call("write_file", file_path=file, content=CREATED)],
            bash=lambda command: _call("run_shell_command", command=command),
            folder="dir_path",
        ),
        Program(
            *("copilot", "Copilot CLI", "@github/copilot", "1.0.102", "copilot"),
            *("gpt-4.1", "gpt-5.4", _copilot),
            edit=lambda file, old=OLD, new=NEW: [
                _call("view", path=file),
                _call("edit", path=file, old_str=old, new_str=new),
            ],
            create=lambda file: [_call("create", path=file, file_text=CREATED)],
            bash=_described,
            patch=lambda text: _call("apply_patch", input=text),
        ),
        Program(
            *("opencode", "OpenCode", "opencode-ai", "1.18.33", "opencode"),
            *("scripted", "gpt-5-scripted", _opencode),
            edit=lambda file, old=OLD, new=NEW: [
                _call("read", filePath=file),
                _call("edit", filePath=file, oldString=old, newString=new),
            ],
            create=lambda file: [_call("write", filePath=file, content=CREATED)],
            bash=_described,
            patch=lambda text: _call("apply_patch", patchText=text),
            folder="workdir",
        ),
    )
}
