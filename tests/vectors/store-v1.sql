-- A store as version 1 wrote it.
PRAGMA application_id = 1346847060;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE allocation (panel TEXT PRIMARY KEY, slots TEXT NOT NULL);
INSERT INTO "allocation" VALUES('lobby','{"91c615e3-1040-4815-8ecb-000000000001":[0],"91c615e3-1040-4815-8ecb-000000000002":[1,2]}');
CREATE TABLE binding (link_id TEXT PRIMARY KEY, panels TEXT NOT NULL);
INSERT INTO "binding" VALUES('91c615e3-1040-4815-8ecb-000000000001','["gate:3","@doors"]');
CREATE TABLE desired (
        link_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, generation INTEGER NOT NULL, revision INTEGER NOT NULL,
        profile TEXT, body BLOB NOT NULL, changed_at REAL NOT NULL);
INSERT INTO "desired" VALUES('91c615e3-1040-4815-8ecb-000000000001',1,1,1,'{"link_id":"91c615e3-1040-4815-8ecb-000000000001","name":"Work week","is_all_day":false,"date_from":1793602800,"date_to":1793635200,"repeat":{"frequency":"month","interval":2,"custom":true,"months":[1,7],"nth":{"order":-1,"day_type":"DAY_OFF"}}}',X'7B226E616D65223A22576F726B207765656B227D',1000.5);
INSERT INTO "desired" VALUES('91c615e3-1040-4815-8ecb-000000000002',2,2,2,'{"link_id":"91c615e3-1040-4815-8ecb-000000000002","name":"Work week","is_all_day":false,"date_from":1793602800,"date_to":1793635200,"repeat":{"frequency":"month","interval":2,"custom":true,"months":[1,7],"nth":{"order":-1,"day_type":"DAY_OFF"}}}',X'7B226E616D65223A22576F726B207765656B227D',1000.5);
CREATE TABLE observed (panel TEXT PRIMARY KEY, state TEXT NOT NULL);
INSERT INTO "observed" VALUES('lobby','{"image":{"slots":[[0,{"link_ids":["91c615e3-1040-4815-8ecb-000000000001"],"periods":[{"days":31,"start":480,"end":1020}]}],[1,{"link_ids":["91c615e3-1040-4815-8ecb-000000000002"],"periods":[{"days":31,"start":480,"end":1020}]}]],"allocation":{"91c615e3-1040-4815-8ecb-000000000001":[0],"91c615e3-1040-4815-8ecb-000000000002":[1]},"generations":{"91c615e3-1040-4815-8ecb-000000000001":1,"91c615e3-1040-4815-8ecb-000000000002":1},"outcomes":{"91c615e3-1040-4815-8ecb-000000000001":{"outcome":"exact"},"91c615e3-1040-4815-8ecb-000000000002":{"outcome":"exact"}}},"possible":[{"slots":[[0,{"link_ids":["91c615e3-1040-4815-8ecb-000000000001"],"periods":[{"days":31,"start":480,"end":1020}]}],[1,{"link_ids":["91c615e3-1040-4815-8ecb-000000000002"],"periods":[{"days":31,"start":480,"end":1020}]}]],"allocation":{"91c615e3-1040-4815-8ecb-000000000001":[0],"91c615e3-1040-4815-8ecb-000000000002":[1]},"generations":{"91c615e3-1040-4815-8ecb-000000000001":1,"91c615e3-1040-4815-8ecb-000000000002":1},"outcomes":{"91c615e3-1040-4815-8ecb-000000000001":{"outcome":"exact"},"91c615e3-1040-4815-8ecb-000000000002":{"outcome":"exact"}}}],"outcomes":{"91c615e3-1040-4815-8ecb-000000000001":{"outcome":"exact"},"91c615e3-1040-4815-8ecb-000000000002":{"outcome":"exact"}},"failures":{"91c615e3-1040-4815-8ecb-000000000009":2},"capacity":{"max_schedules":64},"reset_count":3,"uptime_s":100,"seen_at":1.5,"drifts":1,"resets":2}');
CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        revision INTEGER NOT NULL, sequence INTEGER NOT NULL, last_write_at REAL NOT NULL,
        used_by TEXT NOT NULL, writes INTEGER NOT NULL);
INSERT INTO "state" VALUES(1,2,2,1001.0,'',0);
CREATE UNIQUE INDEX desired_by_revision ON desired (revision);
COMMIT;
