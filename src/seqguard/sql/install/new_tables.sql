-- guard --new-tables: an event trigger that guards tables as they are created and
-- follows ALTER TABLE, ALTER SEQUENCE and the like. Event triggers need a superuser.
--
-- SECURITY DEFINER, because a table owner may not attach seqguard.advance() himself.
-- What it does for him is bounded by seqguard.require_rights(). It never stops DDL.
CREATE OR REPLACE FUNCTION seqguard.follow_ddl() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $function$
DECLARE
    changed regclass;
    is_new boolean;
BEGIN
    -- guarding a table is DDL, too: what it sets off in here must not start over
    IF current_setting('seqguard.following', true) = 'on' THEN
        RETURN;
    END IF;
    -- most DDL is of no interest, and the view guards takes a while in a large database
    IF NOT EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() AS d
        JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        WHERE c.relkind = 'S'
           OR EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = c.oid AND (a.atthasdef OR a.attidentity <> ''))
           OR EXISTS (SELECT FROM pg_trigger AS t
                      WHERE t.tgrelid = c.oid AND seqguard.is_guard_function(t.tgfoid))) THEN
        RETURN;
    END IF;
    -- an older snapshot tells of owners and rights that are no more
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM seqguard.warn('tables are not guarded in this isolation level', 'run seqguard guard afterwards');
        RETURN;
    END IF;
    PERFORM set_config('seqguard.following', 'on', true);
    FOR changed, is_new IN
        SELECT g.table_oid, g.state = 'missing' FROM pg_event_trigger_ddl_commands() AS d
        JOIN seqguard.guards AS g
            ON d.classid = 'pg_class'::regclass AND d.objid IN (g.table_oid, g.sequence_oid)
        JOIN pg_class AS t ON t.oid = g.table_oid
        WHERE g.state IN ('missing', 'outdated')
          AND (d.objid = g.table_oid OR pg_has_role(session_user, t.relowner, 'USAGE'))
        UNION
        SELECT s.table_oid, false FROM pg_event_trigger_ddl_commands() AS d
        JOIN seqguard.stale_guards AS s
            ON d.classid = 'pg_class'::regclass AND d.objid = s.table_oid
    LOOP
        BEGIN
            PERFORM seqguard.guard(changed);
            -- its rows are not read here, with a superuser's rights
            IF is_new AND COALESCE((SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree(changed) AS p),
                                   pg_relation_size(changed)) > 0 THEN
                PERFORM seqguard.warn(
                    format('table %s has been guarded with rows in it, which its sequence may be behind', changed),
                    'run seqguard fix, or SELECT * FROM seqguard.fix()');
            END IF;
        EXCEPTION
            WHEN OTHERS THEN
                PERFORM seqguard.warn(format('table %s is not guarded: %s', changed, SQLERRM));
        END;
    END LOOP;
    PERFORM set_config('seqguard.following', 'off', true);
EXCEPTION
    WHEN OTHERS THEN
        PERFORM seqguard.warn(format('cannot tell whether there is a table to guard: %s', SQLERRM));
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.guard_new_tables() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- whoever owns the functions that the event trigger runs could make a superuser run anything
    IF NOT (SELECT r.rolsuper FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
            WHERE p.oid = 'seqguard.follow_ddl'::regproc) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'schema seqguard does not belong to a superuser',
            HINT = 'run seqguard unguard --all, then seqguard guard --new-tables as a superuser';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'seqguard_new_tables') THEN
        CREATE EVENT TRIGGER seqguard_new_tables ON ddl_command_end
            WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
                         'ALTER SEQUENCE', 'CREATE SCHEMA', 'IMPORT FOREIGN SCHEMA')
            EXECUTE FUNCTION seqguard.follow_ddl();
    END IF;
END
$function$;
