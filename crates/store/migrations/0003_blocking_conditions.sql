-- What gateways refuse however good its credentials (WSO2's deny policies).
CREATE TABLE blocking_conditions (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL, -- JSON; equal subjects have equal texts
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT blocking_conditions_subject UNIQUE (subject)
);
