// agentlock's plugin for OpenCode. Written by `agentlock edit-hooks install`, which overwrites edits.
// A throw is the only way to stop a tool, and its message is all that the model sees. Loading must
// not depend on agentlock: a plugin that fails to load stops nothing.
import { spawn, spawnSync } from "node:child_process"

const python = "@PYTHON@"
const program = "@PROGRAM@"
const parents = new Map() // a sub-agent has a session of its own, and acts under its parent's name

function mainSession(session) {
  while (parents.has(session)) session = parents.get(session)
  return session
}

function ask(event, cwd, session, more) {
  const input = JSON.stringify({
    hook_event_name: event, session_id: mainSession(session), cwd,
    agent_id: parents.has(session) ? session : "", ...more,
  })
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

// While the agent sits at its prompt with a place in the queue, a process waits beside OpenCode. It ends
// with 102 when the agent's turn has come, and what it says then is the next prompt.
function wakeWhenItsTurnHasCome(client, cwd, session) {
  let said = ""
  const waiter = spawn(python, ["-I", "-S", program, "hook", "edit", "opencode", "wake"], {
    cwd, stdio: ["pipe", "ignore", "pipe"],
  })
  waiter.on("error", () => {}) // the program is missing: nobody is woken
  waiter.stdin.on("error", () => {})
  waiter.stdin.end(JSON.stringify({ session_id: session, cwd }))
  waiter.stderr.on("data", (data) => (said += data))
  waiter.on("close", (code) => {
    if (code !== 102 || !said) return
    const prompt = { path: { id: session }, body: { parts: [{ type: "text", text: said.trim() }] } }
    client.session.promptAsync?.(prompt)?.catch(() => {})
  })
  waiter.unref()
}

export const Agentlock = async ({ client, directory }) => ({
  "tool.execute.before": async (input, output) => {
    const ran = ask("tool.execute.before", directory, input.sessionID, {
      tool_name: input.tool, tool_input: output.args, tool_use_id: input.callID,
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
      tool_name: input.tool, tool_input: input.args ?? {}, tool_use_id: input.callID,
      failed: (output.metadata?.exit ?? 0) !== 0,
    }))
    if (told && typeof output.output === "string") output.output += `\n\n${told}`
  },
  "chat.message": async (input, output) => {
    const texts = output.parts.filter((part) => part.type === "text")
    if (texts.length === 0 || parents.has(input.sessionID)) return // nobody's prompt: the agent's own
    const prompt = texts.map((part) => part.text).join("\n")
    const text = tell(ask("chat.message", directory, input.sessionID, { prompt }))
    if (text) output.parts.push({ ...texts[0], id: "prt_zzzzzzzzagentlock", text })
  },
  // The shell's commands and commits are the session's, although OpenCode gives them no id.
  "shell.env": async (input, output) => {
    if (input.sessionID) output.env.AGENTLOCK_SESSION = `opencode:${mainSession(input.sessionID)}`
  },
  event: async ({ event }) => {
    const { info, sessionID } = event.properties ?? {}
    const session = sessionID ?? info?.id
    if (event.type === "session.created" && info?.parentID) parents.set(info.id, info.parentID)
    else if (/^session\.(created|idle|compacted|deleted)$/.test(event.type) && session && !parents.has(session))
      ask(event.type, directory, session, {})
    if (event.type === "session.idle" && !parents.has(session))
      wakeWhenItsTurnHasCome(client, directory, session)
  },
})
