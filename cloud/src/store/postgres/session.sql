SET search_path TO "SCHEMA_NAME";
SET client_min_messages TO warning;
-- Every statement here has one good plan, along the primary keys; statistics of a young database must not mislead.
SET enable_seqscan TO off;
SET enable_bitmapscan TO off;
SET enable_hashjoin TO off;
SET enable_mergejoin TO off;
SET max_parallel_workers_per_gather TO 0;
SET jit TO off;
SET plan_cache_mode TO force_generic_plan;
-- A process that is gone, or stopped in the midst, must not keep its locks for longer than others wait; and an acknowledged write is on disk.
SELECT set_config(setting.name, wanted.value, false)
FROM (VALUES
    ('idle_in_transaction_session_timeout', '5s'),
    ('client_connection_check_interval', '2s'),
    ('tcp_keepalives_idle', '5'),
    ('tcp_keepalives_interval', '5'),
    ('tcp_keepalives_count', '2'),
    ('tcp_user_timeout', '10s')
) AS wanted (name, value) JOIN pg_settings AS setting USING (name);
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
