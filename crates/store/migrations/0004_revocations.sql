-- Access tokens that end before their time. Holds digests and names of tokens, never a token.
CREATE TABLE revocations (
    id TEXT NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL, -- what subject concerns, without its instant
    subject TEXT NOT NULL,
    expires_at BIGINT, -- null: kept until somebody deletes it
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT revocations_subject_key UNIQUE (subject_key)
);
CREATE INDEX revocations_expires_at ON revocations (expires_at);
