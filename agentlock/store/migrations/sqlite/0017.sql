-- What tells the process of an agent, or of a session, from every other one: its start in ticks
-- since boot, and the boot and pid namespace in which its number means it. `at_prompt_ts`: the
-- session has ended a turn and waits for a prompt. `retired_ts` counts until the agent is active.

ALTER TABLE agents ADD COLUMN process_started INTEGER;
ALTER TABLE agents ADD COLUMN process_place TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN retired_ts INTEGER;
ALTER TABLE conversations ADD COLUMN process_started INTEGER;
ALTER TABLE conversations ADD COLUMN process_place TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN at_prompt_ts INTEGER;
