-- Mail: a message may have many recipients, each of whom reads and acknowledges it, and belongs to a
-- thread (without a name: its own number). What agentlock told agents until now is mail without a
-- sender. A ticket is a message that expects an answer, and has that message's number. `answer_id`
-- is the message that answers it; it refers to none, because that one may have been pruned.

ALTER TABLE messages RENAME TO former_messages;
DROP INDEX messages_by_recipient;
DROP INDEX messages_unread;
DROP INDEX messages_by_time;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    sender_id INTEGER REFERENCES agents (id),
    thread_id TEXT,
    subject TEXT NOT NULL,
    body_md TEXT NOT NULL,
    importance TEXT NOT NULL DEFAULT 'normal'
        CHECK (importance IN ('low', 'normal', 'high', 'urgent')),
    ack_required INTEGER NOT NULL DEFAULT 0 CHECK (ack_required IN (0, 1)),
    created_ts INTEGER NOT NULL,
    reservation_id INTEGER
);

CREATE INDEX messages_by_time ON messages (project_id, created_ts);
CREATE INDEX messages_by_thread ON messages (project_id, thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX messages_by_reservation ON messages (reservation_id)
    WHERE reservation_id IS NOT NULL;

CREATE TABLE message_recipients (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    message_id INTEGER NOT NULL REFERENCES messages (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    kind TEXT NOT NULL DEFAULT 'to' CHECK (kind IN ('to', 'cc')),
    read_ts INTEGER,
    ack_ts INTEGER,
    UNIQUE (message_id, agent_id)
);

CREATE INDEX message_recipients_by_agent ON message_recipients (agent_id, message_id);
CREATE INDEX message_recipients_by_reading ON message_recipients (agent_id, read_ts, message_id);

INSERT INTO messages (id, project_id, sender_id, thread_id, subject, body_md, created_ts,
        reservation_id)
    SELECT id, project_id, sender_id, thread_id, subject, body_md, created_ts, reservation_id
    FROM former_messages;
INSERT INTO message_recipients (project_id, message_id, agent_id, read_ts)
    SELECT project_id, id, recipient_id, read_ts FROM former_messages
    WHERE recipient_id IS NOT NULL ORDER BY id;

-- No number of a message is given twice.
DELETE FROM sqlite_sequence WHERE name = 'messages';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'messages', seq FROM sqlite_sequence WHERE name = 'former_messages';
DROP TABLE former_messages;

CREATE TABLE tickets (
    id INTEGER PRIMARY KEY REFERENCES messages (id),
    project_id INTEGER NOT NULL REFERENCES projects (id),
    from_agent_id INTEGER NOT NULL REFERENCES agents (id),
    to_agent_id INTEGER NOT NULL REFERENCES agents (id),
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'answered', 'cancelled')),
    answer_id INTEGER,
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL,
    answered_ts INTEGER,
    CHECK ((status = 'answered') = (answered_ts IS NOT NULL))
);

CREATE INDEX tickets_by_status ON tickets (status, project_id, expires_ts);
CREATE INDEX tickets_by_receiver ON tickets (to_agent_id, status, expires_ts);
CREATE INDEX tickets_by_sender ON tickets (from_agent_id, status, expires_ts);

CREATE INDEX agents_by_last_activity ON agents (project_id, last_active_ts);
