-- The throttling policies of every level. Others name them (applications, subscriptions, APIs and their revisions),
-- so a name never changes. The built-in ones are those of domain::throttling_policy::BUILT_IN.

CREATE TABLE throttling_policies (
    id TEXT NOT NULL PRIMARY KEY,
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    is_built_in BIGINT NOT NULL CHECK (is_built_in IN (0, 1)),
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CONSTRAINT throttling_policies_level_name UNIQUE (level, name)
);

-- Who names a policy is asked before it goes.
CREATE INDEX applications_throttling_policy ON applications (throttling_policy);
CREATE INDEX subscriptions_throttling_policy ON subscriptions (throttling_policy);

INSERT INTO throttling_policies
    (id, level, name, name_folded, is_built_in, settings, created_at, updated_at, version)
VALUES
    ('00000000-0000-7000-8000-000000000001', 'api', '50KPerMin', '50kpermin', 1,
     '{"name":"50KPerMin","display_name":"50KPerMin","description":"Allows 50000 requests per minute","quota":{"amount":{"requests":50000},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000002', 'api', '20KPerMin', '20kpermin', 1,
     '{"name":"20KPerMin","display_name":"20KPerMin","description":"Allows 20000 requests per minute","quota":{"amount":{"requests":20000},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000003', 'api', '10KPerMin', '10kpermin', 1,
     '{"name":"10KPerMin","display_name":"10KPerMin","description":"Allows 10000 requests per minute","quota":{"amount":{"requests":10000},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000004', 'api', 'Unlimited', 'unlimited', 1,
     '{"name":"Unlimited","display_name":"Unlimited","description":"Allows unlimited requests","quota":null,"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000005', 'application', '50PerMin', '50permin', 1,
     '{"name":"50PerMin","display_name":"50PerMin","description":"Allows 50 requests per minute","quota":{"amount":{"requests":50},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000006', 'application', '20PerMin', '20permin', 1,
     '{"name":"20PerMin","display_name":"20PerMin","description":"Allows 20 requests per minute","quota":{"amount":{"requests":20},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000007', 'application', '10PerMin', '10permin', 1,
     '{"name":"10PerMin","display_name":"10PerMin","description":"Allows 10 requests per minute","quota":{"amount":{"requests":10},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000008', 'application', 'Unlimited', 'unlimited', 1,
     '{"name":"Unlimited","display_name":"Unlimited","description":"Allows unlimited requests","quota":null,"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000009', 'subscription', 'Gold', 'gold', 1,
     '{"name":"Gold","display_name":"Gold","description":"Allows 5000 requests per minute","quota":{"amount":{"requests":5000},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000010', 'subscription', 'Silver', 'silver', 1,
     '{"name":"Silver","display_name":"Silver","description":"Allows 2000 requests per minute","quota":{"amount":{"requests":2000},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000011', 'subscription', 'Bronze', 'bronze', 1,
     '{"name":"Bronze","display_name":"Bronze","description":"Allows 1000 requests per minute","quota":{"amount":{"requests":1000},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000012', 'subscription', 'Unauthenticated', 'unauthenticated', 1,
     '{"name":"Unauthenticated","display_name":"Unauthenticated","description":"Allows 500 requests per minute","quota":{"amount":{"requests":500},"window":{"count":1,"unit":"minute"}},"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1),
    ('00000000-0000-7000-8000-000000000013', 'subscription', 'Unlimited', 'unlimited', 1,
     '{"name":"Unlimited","display_name":"Unlimited","description":"Allows unlimited requests","quota":null,"burst":null,"stop_on_quota_reach":true,"billing_plan":"FREE","attributes":{}}', 1767225600000000, 1767225600000000, 1);
