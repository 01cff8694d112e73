// agentlock's plugin for OpenCode. Written by `agentlock edit-hooks install`, which overwrites edits.
// A throw is the only way to stop a tool, and its message is all that the model sees. Loading must
// not depend on agentlock: a plugin that fails to load stops nothing.
import { spawnSync } from "node:child_process"

const python = "@PYTHON@"
const program = "@PROGRAM@"

function ask(event, cwd, session, more) {
  const input = JSON.stringify({ hook_event_name: event, session_id: session, cwd, ...more })
  return spawnSync(python, ["-I", "-S", program, "hook", "edit", "opencode", event], {
    input, cwd, encoding: "utf8", timeout: 30000,
  })
}

function tell(ran) {
  try {
    return JSON.parse(ran.stdout).tell
  } catch {
    return undefined // silence, or no answer: nothing to tell
  }
}

function isGuarded(cwd) {
  const asked = spawnSync("git", ["config", "agentlock.database"], { cwd, encoding: "utf8" })
  return asked.status === 0
}

export const Agentlock = async ({ directory }) => ({
  "tool.execute.before": async (input, output) => {
    const ran = ask("tool.execute.before", directory, input.sessionID, {
      tool_name: input.tool, tool_input: output.args,
    })
    if (ran.status === 100) return
    if (ran.status === 101) throw new Error((ran.stderr || "agentlock: edit refused").trim())
    if (isGuarded(directory))
      throw new Error(
        `agentlock: edit refused: the program that answers for agentlock gave no answer (${program}). ` +
        "Install agentlock again, or remove its plugin agentlock.js")
  },
  "tool.execute.after": async (input, output) => {
    const told = tell(ask("tool.execute.after", directory, input.sessionID, {
      tool_name: input.tool, tool_input: input.args ?? {},
    }))
    if (told && typeof output.output === "string") output.output += `\n\n${told}`
  },
})
