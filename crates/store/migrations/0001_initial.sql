-- Portable on purpose (migrations/README.md): TEXT for text, identifiers and JSON; BIGINT for numbers, for
-- times (microseconds since 1970, UTC) and for booleans (0 or 1). Columns that end in _folded hold their
-- neighbour in lower case, for searching and sorting. Sealed columns say so.

CREATE TABLE key_managers (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    display_name TEXT NOT NULL,
    connector_type TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    endpoints TEXT NOT NULL,
    issuer TEXT NOT NULL,
    alias TEXT,
    certificates TEXT,
    consumer_key_claim TEXT NOT NULL,
    scopes_claim TEXT NOT NULL,
    claim_mappings TEXT NOT NULL,
    available_grant_types TEXT NOT NULL,
    capabilities TEXT NOT NULL,
    token_validation TEXT NOT NULL,
    token_type TEXT NOT NULL,
    permissions TEXT NOT NULL,
    allowed_organizations TEXT NOT NULL,
    visible_everywhere BIGINT NOT NULL CHECK (visible_everywhere IN (0, 1)),
    configuration TEXT NOT NULL,
    secrets TEXT NOT NULL, -- sealed
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT key_managers_name UNIQUE (name)
);

CREATE TABLE apis (
    id TEXT NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    context TEXT NOT NULL,
    api_version TEXT NOT NULL,
    settings TEXT NOT NULL,
    visibility TEXT NOT NULL, -- settings.visibility, for asking by it; its roles stand in api_roles
    lifecycle TEXT NOT NULL,
    last_revision BIGINT NOT NULL, -- the highest revision number that was ever given out
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    definition TEXT NOT NULL, -- up to 10 MiB: last, and read by nothing but a question for it
    CONSTRAINT apis_name_version UNIQUE (name, api_version),
    CONSTRAINT apis_context_version UNIQUE (context, api_version)
);

-- Which key managers an API names (settings.key_managers), for asking the other way round.
CREATE TABLE api_key_managers (
    key_manager_name TEXT NOT NULL,
    api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    PRIMARY KEY (key_manager_name, api_id)
);
CREATE INDEX api_key_managers_api ON api_key_managers (api_id);

-- The roles that see a restricted API (settings.visibility).
CREATE TABLE api_roles (
    api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (api_id, role)
);

CREATE TABLE revisions (
    id TEXT NOT NULL PRIMARY KEY,
    api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    description TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    definition TEXT NOT NULL, -- the API's, as it was
    CONSTRAINT revisions_api_number UNIQUE (api_id, number),
    CONSTRAINT revisions_api_id UNIQUE (api_id, id)
);

CREATE TABLE deployments (
    api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    revision_id TEXT NOT NULL,
    vhost TEXT NOT NULL,
    display_on_devportal BIGINT NOT NULL CHECK (display_on_devportal IN (0, 1)),
    deployed_at BIGINT NOT NULL,
    PRIMARY KEY (api_id, environment),
    -- Both columns, so that nobody deploys a revision of another API.
    FOREIGN KEY (api_id, revision_id) REFERENCES revisions (api_id, id)
);
CREATE INDEX deployments_revision ON deployments (api_id, revision_id);

CREATE TABLE applications (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    throttling_policy TEXT NOT NULL,
    description TEXT NOT NULL,
    token_type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    group_names TEXT NOT NULL,
    visibility TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT applications_owner_name UNIQUE (owner, name)
);

CREATE TABLE key_mappings (
    id TEXT NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id),
    key_manager_id TEXT NOT NULL REFERENCES key_managers (id),
    key_type TEXT NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL,
    consumer_key TEXT,
    consumer_secret TEXT, -- sealed
    provider_reference TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    callback_url TEXT,
    additional_properties TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT key_mappings_application UNIQUE (application_id, key_type, key_manager_id),
    CONSTRAINT key_mappings_consumer_key UNIQUE (key_manager_id, consumer_key)
);

CREATE TABLE subscriptions (
    id TEXT NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    api_id TEXT NOT NULL REFERENCES apis (id),
    throttling_policy TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT subscriptions_application_api UNIQUE (application_id, api_id)
);
CREATE INDEX subscriptions_api ON subscriptions (api_id);

CREATE TABLE provisioning_jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key_mapping_id TEXT NOT NULL REFERENCES key_mappings (id),
    key_manager_id TEXT NOT NULL REFERENCES key_managers (id),
    requested_by TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    leased_until BIGINT,
    last_failure TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX provisioning_jobs_mapping ON provisioning_jobs (key_mapping_id, created_at, id);
CREATE INDEX provisioning_jobs_key_manager ON provisioning_jobs (key_manager_id);
CREATE INDEX provisioning_jobs_recent ON provisioning_jobs (created_at, id);
-- Finished jobs pile up, unfinished ones are few: the runner asks only about these.
CREATE INDEX provisioning_jobs_unfinished ON provisioning_jobs (key_mapping_id, created_at, id)
    WHERE state NOT IN ('succeeded', 'failed');

CREATE TABLE provisioning_journal (
    job_id TEXT NOT NULL REFERENCES provisioning_jobs (id) ON DELETE CASCADE,
    sequence BIGINT NOT NULL,
    step TEXT NOT NULL,
    event TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (job_id, sequence)
);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT users_username UNIQUE (username)
);

-- Which roles somebody holds (users.roles), for asking the other way round.
CREATE TABLE user_roles (
    role TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (role, user_id)
);
CREATE INDEX user_roles_user ON user_roles (user_id);

CREATE TABLE oauth_clients (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    callback_url TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT oauth_clients_client_id UNIQUE (client_id),
    CONSTRAINT oauth_clients_owner_name UNIQUE (owner, name)
);

CREATE TABLE access_tokens (
    token_hash TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    username TEXT NOT NULL,
    scopes TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX audit_log_recorded ON audit_log (recorded_at, id);
CREATE INDEX audit_log_subject ON audit_log (subject_kind, subject_id, recorded_at);

-- One row. A transaction that writes it holds it until commit: revisions become visible in their own order.
CREATE TABLE snapshot_counter (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL,
    forgotten BIGINT NOT NULL -- changes up to this revision are gone from the log
);
INSERT INTO snapshot_counter (id, revision, forgotten) VALUES (1, 0, 0);

CREATE TABLE snapshot_changes (
    revision BIGINT NOT NULL PRIMARY KEY,
    noun TEXT NOT NULL,
    noun_id TEXT NOT NULL,
    recorded_at BIGINT NOT NULL
);

-- One known value, sealed: tells at start whether the sealing key is the right one.
CREATE TABLE sealing_check (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    known_value TEXT NOT NULL -- sealed
);
