-- seqguard 0.1.0: keeps sequences ahead of the columns that they feed.
--
--     psql -d mydb -f auto-sync-sequences.sql
--
-- Installs schema seqguard, guards every table whose column a sequence feeds, and
-- moves forward what is behind. Safe to run again. Each table is locked against
-- writes for an instant, for at most a second of waiting, and in a transaction of
-- its own: do not run it with psql --single-transaction.
--
-- Afterwards:
--     SELECT * FROM seqguard.check() WHERE status <> 'ok';   what is behind, and why
--     SELECT * FROM seqguard.fix();                          move it forward
--     SELECT * FROM seqguard.guards;                         the guard on each column
--     SELECT seqguard.guard('public.users');                 guard one table
--     SELECT seqguard.unguard('public.users');               remove its guards
--     DROP SCHEMA seqguard CASCADE;                          remove everything

\set ON_ERROR_STOP on

-- The installation is one transaction, settings and lock included: it works, and leaves nothing
-- behind, through a pooler that gives each transaction another server connection.
BEGIN;

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL quote_all_identifiers = off;

-- Two installers take turns; one that waits for more than a minute goes on without.
SET LOCAL lock_timeout = '1min';
DO $do$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(8317985137926545);
EXCEPTION
    WHEN lock_not_available THEN
        RAISE WARNING 'seqguard: somebody else has been installing for a minute: going on';
END
$do$;
SET LOCAL lock_timeout = DEFAULT;

-- The schema that holds everything seqguard installs. 0.1.0+661f82a4bf88 ends in a hash of it all.
-- An older version goes first, because CREATE OR REPLACE cannot change what a view or a
-- function returns. The functions that guards run stay: inserts go on meanwhile.
DO $do$
DECLARE
    old pg_catalog.text;
BEGIN
    IF pg_catalog.to_regnamespace('seqguard') IS NULL THEN
        CREATE SCHEMA seqguard;
    ELSIF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS owner ON owner.oid = n.nspowner
        JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
        WHERE n.nspname = 'seqguard' AND (owner.oid = me.oid OR (owner.rolsuper AND me.rolsuper))) THEN
        -- an exception would not stop psql from running the rest with functions of a stranger
        RAISE WARNING 'schema seqguard belongs to another role: run this as that role';
        PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid());
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL (
            SELECT p.proowner AS oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = n.oid
            UNION ALL
            SELECT c.relowner FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid
            UNION ALL
            SELECT y.typowner FROM pg_catalog.pg_type AS y WHERE y.typnamespace = n.oid
            UNION ALL
            SELECT a.grantee FROM pg_catalog.aclexplode(n.nspacl) AS a WHERE a.privilege_type = 'CREATE') AS other
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = other.oid
        WHERE n.nspname = 'seqguard' AND other.oid <> n.nspowner AND r.rolsuper IS NOT TRUE) THEN
        RAISE WARNING 'others have objects in schema seqguard, or may create some: take them out first';
        PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid());
    ELSIF pg_catalog.to_regprocedure('seqguard.version()') IS NOT NULL THEN
        EXECUTE 'SELECT seqguard.version()' INTO old;
        IF old <> '0.1.0+661f82a4bf88' THEN
            FOR old IN SELECT pg_catalog.format('DROP ROUTINE %s', p.oid::pg_catalog.regprocedure)
                       FROM pg_catalog.pg_proc AS p
                       WHERE p.pronamespace = 'seqguard'::pg_catalog.regnamespace
                         AND p.proname NOT LIKE 'advanc%'
                         AND p.proname NOT IN ('guarded', 'is_guard_function', 'is_alone', 'furthest', 'most_steps', 'take_turn', 'warn',
                                               'require_planning',
                                               'follow_ddl') LOOP
                EXECUTE old;
            END LOOP;
            DROP VIEW IF EXISTS seqguard.stale_guards, seqguard.guards, seqguard.fed_columns;
        END IF;
    END IF;
END
$do$;

COMMENT ON SCHEMA seqguard IS 'seqguard: keeps sequences ahead of the columns that they feed';

CREATE OR REPLACE FUNCTION seqguard.version() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$SELECT '0.1.0+661f82a4bf88'$function$;

-- Every sequence, every column that it feeds, and the guard on it.
CREATE OR REPLACE VIEW seqguard.fed_columns AS
-- Every sequence of this database, one row for each column that it feeds, and
-- one row without a table for a sequence that feeds no column, in no order.
--
-- Parameters: none. Needs no privilege beyond reading the catalogs, takes no
-- lock on any table, and runs on a standby.
--
-- Left out: what an extension owns, system schemas, temporary relations of other
-- sessions, and partitions whose parent is fed by the same sequence (reading the
-- parent reads them). Defaults are found by the oid of nextval in their parse
-- tree, because nextval('name'::text) leaves no dependency behind.
--
-- furthest_query reads the value furthest along the sequence's direction, or NaN where
-- the column has got another type meanwhile, with casts of another owner's: of a table and
-- schema of one's own that is not asked. It is NULL where unjudged says why the column cannot
-- be judged. Where is_own is not true, install/planning.sql comes before it, and a lock on locked_as before that. state is an expression for the sequence's last_value and is_called: reading the
-- sequence as a relation takes twice as long as the function that PostgreSQL 18 has for it.
WITH user_class AS (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relowner, c.relispartition, c.relpages,
           n.oid AS nspoid, n.nspname, n.nspowner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'S')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'seqguard', 'seqguard_sync')
      AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
      AND c.oid NOT IN (  -- hashed, however few the planner expects
          SELECT e.objid FROM pg_catalog.pg_depend AS e
          WHERE e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.deptype = 'e')
), feeding_domain AS MATERIALIZED (
    SELECT y.oid, y.typdefaultbin
    FROM pg_catalog.pg_type AS y
    WHERE y.typtype = 'd' AND y.typdefaultbin::pg_catalog.text LIKE '%:funcid 1574 %'
), column_default AS MATERIALIZED (
    SELECT d.classid, d.oid, d.adrelid, d.adnum, x.expression, p.part,
           COALESCE(pg_catalog.replace(p.part[2], '''''', ''''),
                    pg_catalog.replace(p.part[3], '''''', '''')) AS written_name,
           p.part[2] IS NOT NULL AS by_text
    FROM (
        SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass AS classid, d.oid, d.adrelid, d.adnum, d.adbin,
               d.adbin::pg_catalog.text AS tree
        FROM pg_catalog.pg_attrdef AS d
        WHERE d.adbin::pg_catalog.text LIKE '%:funcid 1574 %'
        UNION ALL
        -- a domain's default, of columns that have none of their own
        SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid, a.attrelid, a.attnum, y.typdefaultbin,
               y.typdefaultbin::pg_catalog.text
        FROM feeding_domain AS y
        JOIN pg_catalog.pg_attribute AS a ON a.atttypid = y.oid AND a.attnum > 0
        JOIN user_class AS t ON t.oid = a.attrelid AND t.relkind IN ('r', 'p', 'f')
        WHERE EXISTS (SELECT FROM feeding_domain)  -- else the columns are not looked through
          AND NOT a.atthasdef AND a.attidentity = '' AND NOT a.attisdropped
    ) AS d
    CROSS JOIN LATERAL (
        -- nextval of a constant in nothing but an implicit cast, as serial makes it: told by its tree,
        -- because its text takes three times as long, and the pattern a hundred times
        SELECT CASE WHEN d.tree LIKE '{FUNCEXPR :funcid 1574 %:args ({CONST %' THEN d.tree NOT LIKE '%{%{%{%'
                    ELSE d.tree LIKE '{FUNCEXPR :funcid % :funcformat 2 %({FUNCEXPR :funcid 1574 %:args ({CONST %'
                         AND d.tree NOT LIKE '%{%{%{%{%' END AS is_plain
        LIMIT ALL OFFSET 0) AS n
    CROSS JOIN LATERAL (
        -- 0, because it would wait for a lock on the table; a default has no column in it
        SELECT CASE WHEN NOT n.is_plain THEN pg_catalog.pg_get_expr(d.adbin, 0) END AS expression
        LIMIT ALL OFFSET 0) AS x
    CROSS JOIN LATERAL (
        -- before, the sequence named as text, the sequence named as regclass, after:
        -- nothing but constants, ||, concat and casts may surround one nextval
        SELECT CASE WHEN n.is_plain THEN ARRAY['', NULL, '', ''] ELSE pg_catalog.regexp_match(x.expression,
                '^((?:[() ]|\|\||concat\(|, |''(?:[^'']|'''')*''|::text|::character varying)*)'
                'nextval\((?:\(''((?:[^'']|'''')*)''::text\)::regclass|''((?:[^'']|'''')*)''::regclass)\)'
                '((?:[() ]|\|\||, |''(?:[^'']|'''')*''|::text|::character varying\(\d+\)|::character varying'
                '|::bigint|::integer|::smallint|::numeric)*)$')
            END AS part
        LIMIT ALL OFFSET 0) AS p
), feeding AS (
    SELECT d.objid AS sequence_oid, d.refobjid AS table_oid, d.refobjsubid::pg_catalog.int2 AS attnum,
           'identity'::pg_catalog.text AS kind, NULL::pg_catalog.text AS pattern,
           true AS parsed, false AS ambiguous, NULL::pg_catalog.text AS expression, 0 AS constant_length
    FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.deptype = 'i' AND d.refobjsubid > 0
    UNION ALL
    SELECT s.sequence_oid, f.adrelid, f.adnum,
           CASE WHEN f.part IS NULL OR l.quoted THEN 'expression'
                WHEN o.objid IS NOT NULL THEN 'serial'
                ELSE 'default' END,
           CASE WHEN l.quoted THEN
               '^' || pg_catalog.regexp_replace(l.before, '([\\.^$*+?()\[\]{}|])', '\\\1', 'g')
               || '(-?[0-9]{1,30})'
               || pg_catalog.regexp_replace(l.after, '([\\.^$*+?()\[\]{}|])', '\\\1', 'g') || '$'
           END,
           f.part IS NOT NULL,
           s.ambiguous,
           f.expression,
           COALESCE(pg_catalog.length(l.before) + pg_catalog.length(l.after), 0)
    FROM column_default AS f
    JOIN LATERAL (
        SELECT d.refobjid AS sequence_oid, false AS ambiguous
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = f.classid AND d.objid = f.oid
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid = 0
        UNION ALL
        -- named as text: the search_path of whoever inserts finds it, so that any sequence of the name may be meant
        SELECT c.oid, pg_catalog.count(*) OVER () > 1
        FROM pg_catalog.pg_class AS c
        WHERE f.by_text AND f.written_name ~ '^("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)$'
          AND c.relname = (pg_catalog.parse_ident(f.written_name))[1] AND c.relkind = 'S'
          AND NOT pg_catalog.pg_is_other_temp_schema(c.relnamespace)
        UNION ALL
        SELECT pg_catalog.to_regclass(f.written_name)::pg_catalog.oid, false
        WHERE f.by_text
          AND f.written_name ~ '^("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)\.("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)$'
    ) AS s ON s.sequence_oid IS NOT NULL
    LEFT JOIN pg_catalog.pg_depend AS o
        ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = s.sequence_oid
       AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND o.refobjid = f.adrelid AND o.refobjsubid = f.adnum AND o.deptype = 'a'
    LEFT JOIN LATERAL (
        -- the constants on either side of nextval
        SELECT true AS quoted,
               (SELECT pg_catalog.replace(COALESCE(pg_catalog.string_agg(b.m[1], ''), ''), '''''', '''')
                FROM pg_catalog.regexp_matches(f.part[1], '''((?:[^'']|'''')*)''', 'g') AS b (m)) AS before,
               (SELECT pg_catalog.replace(COALESCE(pg_catalog.string_agg(a.m[1], ''), ''), '''''', '''')
                FROM pg_catalog.regexp_matches(f.part[4], '''((?:[^'']|'''')*)''', 'g') AS a (m)) AS after
        WHERE f.part[1] || f.part[4] ~ ''''
        LIMIT ALL OFFSET 0) AS l ON true
), typed AS (
    SELECT f.*, n.type_name, a.attname, a.atttypid,
           n.type_name IN ('text', 'varchar', 'bpchar') AS is_text,
           -- how many digits numeric(p, s), varchar(n) and char(n) have room for
           CASE WHEN m.typmod < 4 THEN NULL
                WHEN n.type_name = 'numeric' THEN (m.typmod - 4) / 65536 - (m.typmod - 4) % 2048
                WHEN n.type_name IN ('varchar', 'bpchar') THEN m.typmod - 4 - f.constant_length
           END AS digits,
           CASE WHEN n.type_name IN ('text', 'varchar', 'bpchar')
                THEN COALESCE(f.pattern, '^(-?[0-9]{1,30})$') ELSE f.pattern END AS number_pattern,
           n.type_name NOT IN ('text', 'varchar', 'bpchar') AND f.pattern IS NULL AND EXISTS (
               SELECT FROM pg_catalog.pg_index AS i
               JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
                   AND ic.relam = (SELECT am.oid FROM pg_catalog.pg_am AS am WHERE am.amname = 'btree')
               WHERE i.indrelid = f.table_oid AND i.indkey[0] = f.attnum
                 AND i.indisvalid AND i.indpred IS NULL) AS indexed
    FROM feeding AS f
    CROSS JOIN LATERAL (
        -- by its index: hashing the columns of all tables takes longer
        SELECT a.attname, a.atttypid, a.atttypmod
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = f.table_oid AND a.attnum = f.attnum
        LIMIT ALL OFFSET 0) AS a
    JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
    JOIN pg_catalog.pg_type AS b ON b.oid = CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE y.oid END
    JOIN pg_catalog.pg_namespace AS bn ON bn.oid = b.typnamespace
    CROSS JOIN LATERAL (
        -- a user's own type of the name "text" would bring his own cast with it
        SELECT CASE WHEN bn.nspname = 'pg_catalog' THEN b.typname::pg_catalog.text
                    ELSE pg_catalog.format('%I.%I', bn.nspname, b.typname) END AS type_name) AS n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN y.typtype = 'd' THEN y.typtypmod ELSE a.atttypmod END AS typmod) AS m
), fed AS (
    SELECT f.*, t.relname AS table_name, t.nspname AS table_schema, t.nspoid AS table_nspoid,
           t.nspowner AS table_nspowner, t.relkind, t.relowner AS table_owner, t.relpersistence AS table_persistence, t.relpages,
           t.relname || CASE WHEN pg_catalog.count(*) OVER (PARTITION BY f.table_oid) > 1
                             THEN '_' || f.attname ELSE '' END AS guard_stem,
           f.atttypid IN ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype,
                          'pg_catalog.int8'::pg_catalog.regtype) AS is_integer
    FROM typed AS f
    JOIN user_class AS t ON t.oid = f.table_oid AND t.relkind <> 'S'
    WHERE NOT t.relispartition OR (f.table_oid, f.sequence_oid, f.attname) NOT IN (
        -- hashed: thousands of partitions would each search all columns
        SELECT i.inhrelid, parent.sequence_oid, parent.attname
        FROM pg_catalog.pg_inherits AS i
        JOIN typed AS parent ON parent.table_oid = i.inhparent)
), others_function AS (
    -- of neither a superuser nor oneself
    SELECT p.oid, pg_catalog.format('%I.%I', n.nspname, p.proname) AS function
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_roles AS o ON o.oid = p.proowner AND NOT o.rolsuper AND o.rolname <> current_user
), planner_runs AS (
    -- Planning a query works out what is constant in the index expressions, partition keys and
    -- extended statistics of its tables, with the rights of whoever asks: a table owner's way to
    -- have a function of his run. Functions of superusers and of one's own are no matter.
    SELECT r.oid AS table_oid, pg_catalog.min(used.function) AS function,
           -- making a trigger on a partitioned table works out its partition key
           pg_catalog.bool_or(i.indrelid IS NULL AND e.stxrelid IS NULL) AS in_key
    FROM (
        SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass AS classid, p.oid, p.function FROM others_function AS p
        UNION ALL
        SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, q.oid, p.function
        FROM others_function AS p
        JOIN pg_catalog.pg_operator AS q ON q.oprcode = p.oid
    ) AS used
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = used.classid AND d.refobjid = used.oid
    LEFT JOIN pg_catalog.pg_index AS i
        ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid
    LEFT JOIN pg_catalog.pg_statistic_ext AS e
        ON d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND e.oid = d.objid
    CROSS JOIN LATERAL (
        SELECT COALESCE(i.indrelid, e.stxrelid, d.objid) AS oid
        UNION
        SELECT pg_catalog.pg_partition_ancestors(COALESCE(i.indrelid, e.stxrelid, d.objid))
    ) AS r
    WHERE d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
    GROUP BY r.oid
), guard AS (
    SELECT g.tgrelid, g.tgname, g.tgenabled, clone.astray, c.refobjsubid AS attnum, s.refobjid AS sequence_oid,
           pg_catalog.obj_description(g.oid, 'pg_trigger') AS comment
    FROM pg_catalog.pg_trigger AS g
    JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'seqguard'
    JOIN pg_catalog.pg_class AS r ON r.oid = g.tgrelid
    -- laterals, that each may look up its index: a planner that expects few guards would join thousands in a loop
    LEFT JOIN LATERAL (
        SELECT c.refobjsubid
        FROM pg_catalog.pg_depend AS c
        WHERE c.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND c.objid = g.oid
          AND c.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND c.refobjid = g.tgrelid AND c.refobjsubid > 0
        LIMIT 1) AS c ON true  -- UPDATE OF and WHEN name the same column
    LEFT JOIN LATERAL (
        SELECT s.refobjid
        FROM pg_catalog.pg_depend AS s
        WHERE s.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND s.objid = g.oid
          AND s.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND s.refobjid <> g.tgrelid
        LIMIT ALL OFFSET 0) AS s ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.relkind = 'p' THEN EXISTS (
            SELECT FROM pg_catalog.pg_partition_tree(g.tgrelid) AS tree
            CROSS JOIN LATERAL (
                SELECT FROM pg_catalog.pg_trigger AS k
                WHERE k.tgrelid = tree.relid AND k.tgname = g.tgname AND k.tgparentid <> 0 AND k.tgenabled <> 'A'
                LIMIT ALL OFFSET 0) AS clones)
            ELSE false END AS astray
    ) AS clone
    WHERE g.tgparentid = 0
)
SELECT
    s.oid AS sequence_oid,
    s.nspname::pg_catalog.text AS sequence_schema,
    s.relname::pg_catalog.text AS sequence_name,
    pg_catalog.format('%I.%I', s.nspname, s.relname) AS sequence,
    CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 180000
         THEN pg_catalog.format('pg_catalog.pg_get_sequence_data(''%s'')', s.oid)
         ELSE pg_catalog.format(
             '(SELECT ROW (COALESCE(pg_catalog.pg_sequence_last_value(%1$L), last_value), is_called) FROM %1$s)',
             pg_catalog.format('%I.%I', s.nspname, s.relname))
    END AS state,
    pg_catalog.pg_get_userbyid(s.relowner)::pg_catalog.text AS sequence_owner,
    q.seqincrement AS increment,
    q.seqmin AS minimum,
    q.seqmax AS maximum,
    q.seqcache AS cache,
    q.seqcycle AS cycle,
    pg_catalog.pg_has_role(s.relowner, 'USAGE') AS is_owner,
    CASE WHEN pg_catalog.pg_is_in_recovery() AND s.relpersistence <> 'p' THEN 'unlogged on a standby'
         WHEN NOT pg_catalog.has_schema_privilege(s.nspoid, 'USAGE') THEN
             pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', s.nspname, current_user)
         WHEN NOT pg_catalog.has_sequence_privilege(s.oid, 'SELECT') THEN
             pg_catalog.format('GRANT SELECT ON SEQUENCE %I.%I TO %I', s.nspname, s.relname, current_user)
    END AS sequence_unreadable,
    f.table_oid,
    f.table_schema::pg_catalog.text,
    f.table_name::pg_catalog.text,
    CASE WHEN f.table_oid IS NOT NULL THEN pg_catalog.format('%I.%I', f.table_schema, f.table_name) END AS "table",
    f.attname::pg_catalog.text AS column_name,
    pg_catalog.quote_ident(f.attname) AS "column",
    f.kind,
    f.number_pattern,
    room.type_maximum,
    COALESCE(f.indexed, false) AS indexed,
    f.relpages AS pages,
    COALESCE(own.table, true) AND s.relowner = me.oid AS is_own,
    CASE WHEN NOT own.table AND f.relkind IN ('r', 'p') AND pg_catalog.has_table_privilege(f.table_oid, 'SELECT') THEN
        pg_catalog.format(CASE f.relkind WHEN 'r' THEN 'ONLY %I.%I' ELSE '%I.%I' END, f.table_schema, f.table_name)
    END AS locked_as,
    u.unjudged,
    CASE WHEN f.table_oid IS NULL OR u.unjudged IS NOT NULL THEN NULL
         WHEN planner_runs.function IS NULL AND me.is_superuser THEN NULL
         WHEN NOT pg_catalog.has_schema_privilege(f.table_nspoid, 'USAGE') THEN
             pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', f.table_schema, current_user)
         WHEN NOT pg_catalog.has_column_privilege(f.table_oid, f.attnum, 'SELECT') THEN
             pg_catalog.format('GRANT SELECT (%I) ON TABLE %I.%I TO %I',
                               f.attname, f.table_schema, f.table_name, current_user)
         WHEN pg_catalog.row_security_active(f.table_oid) THEN
             pg_catalog.format('ALTER ROLE %I BYPASSRLS', current_user)
         WHEN planner_runs.function IS NOT NULL THEN
             pg_catalog.format('planning a query on table %I.%I may run function %s: trust it, and run this as %I',
                               f.table_schema, f.table_name, planner_runs.function,
                               pg_catalog.pg_get_userbyid(f.table_owner))
    END AS column_unreadable,
    CASE WHEN f.table_oid IS NOT NULL AND u.unjudged IS NULL THEN pg_catalog.format(
        CASE WHEN own.table THEN '' ELSE
            'SELECT CASE WHEN pg_catalog.pg_typeof((NULL::%4$I.%5$I).%2$I)::pg_catalog.oid = %7$s THEN (' END
        || CASE WHEN f.indexed AND f.type_name IN ('int2', 'int4', 'int8')  -- planned faster than max() and min()
                    THEN 'SELECT %2$I FROM %3$s%4$I.%5$I WHERE %2$I IS NOT NULL ORDER BY %2$I %8$s LIMIT 1'
                WHEN f.number_pattern IS NULL AND f.type_name IN ('int2', 'int4', 'int8')
                    THEN 'SELECT %1$s(%2$I) FROM %3$s%4$I.%5$I'
                WHEN f.number_pattern IS NULL  -- by their text, for float4::numeric keeps six digits
                    THEN 'SELECT (%1$s(%2$I))::text FROM %3$s%4$I.%5$I WHERE %2$I BETWEEN ''-1e30'' AND ''1e30'''
                ELSE 'SELECT %1$s(substring(%2$I::text COLLATE pg_catalog."C", %6$L)::numeric) FROM %3$s%4$I.%5$I' END
        || CASE WHEN own.table THEN '' ELSE ')::pg_catalog.numeric ELSE ''NaN'' END' END,
        CASE WHEN q.seqincrement > 0 THEN 'max' ELSE 'min' END,
        f.attname,
        CASE WHEN f.relkind = 'r' THEN 'ONLY ' ELSE '' END,
        f.table_schema, f.table_name,
        f.number_pattern,
        f.atttypid,
        CASE WHEN q.seqincrement > 0 THEN 'DESC' ELSE 'ASC' END)
    END AS furthest_query,
    w.unguardable,
    -- the trigger's name or the one that it would get; past 63 bytes the middle makes way for a hash
    CASE WHEN g.tgname IS NOT NULL THEN g.tgname::pg_catalog.text
         WHEN f.table_oid IS NULL OR w.unguardable IS NOT NULL THEN NULL
         WHEN pg_catalog.octet_length(f.guard_stem) <= 49 THEN 'sync_' || f.guard_stem || '_sequence'
         ELSE 'sync_' || (SELECT pg_catalog.left(f.guard_stem, n) FROM pg_catalog.generate_series(40, 1, -1) AS n
                          WHERE pg_catalog.octet_length(pg_catalog.left(f.guard_stem, n)) <= 40 LIMIT 1)
              || '_' || pg_catalog.left(pg_catalog.md5(f.guard_stem), 8) || '_sequence'
    END AS guard_name,
    CASE WHEN f.table_oid IS NOT NULL THEN shape.text END AS guard_shape,
    CASE WHEN f.table_oid IS NULL THEN NULL WHEN fast.usable THEN fast.function ELSE 'advance' END AS guard_function,
    CASE WHEN f.table_oid IS NOT NULL THEN
        CASE WHEN fast.usable THEN fast.arguments
             ELSE pg_catalog.quote_literal(COALESCE(f.number_pattern, '')) END
        || ', ' || pg_catalog.quote_literal(COALESCE(
            CASE WHEN q.seqincrement > 0 THEN room.type_maximum ELSE -room.type_maximum - 1 END::pg_catalog.text, ''))
    END AS guard_arguments,
    CASE WHEN f.table_oid IS NULL THEN NULL
         WHEN g.tgenabled = 'D' THEN 'disabled'
         WHEN g.tgname IS NULL AND w.unguardable IS NULL THEN 'missing'
         WHEN g.tgname IS NULL THEN 'unguardable'
         WHEN g.tgenabled <> 'A' OR g.astray OR w.unguardable IS NOT NULL OR (g.comment IS DISTINCT FROM shape.text)
             THEN 'outdated'
         ELSE 'installed'
    END AS guard_state
FROM user_class AS s
CROSS JOIN (
    -- subqueries, which are asked once: a planner that expects few sequences would join the roles to each.
    -- database_owner: role pg_database_owner, where this role is what it stands for
    SELECT (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user) AS oid,
           (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user) AS is_superuser,
           (SELECT o.oid
            FROM pg_catalog.pg_database AS b
            JOIN pg_catalog.pg_roles AS o ON o.rolname = 'pg_database_owner'
            JOIN pg_catalog.pg_roles AS r ON r.oid = b.datdba AND r.rolname = current_user
            WHERE b.datname = pg_catalog.current_database()) AS database_owner) AS me
JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = s.oid
LEFT JOIN fed AS f ON f.sequence_oid = s.oid
LEFT JOIN guard AS g
    ON g.tgrelid = f.table_oid AND g.attnum = f.attnum AND g.sequence_oid = s.oid
LEFT JOIN planner_runs ON planner_runs.table_oid = f.table_oid
-- The laterals below are worked out where they are used, and only for the rows that need them.
CROSS JOIN LATERAL (
    -- of a descending sequence the limit is -type_maximum - 1; the sign takes the place of a digit in a text
    SELECT CASE
        WHEN f.type_name = 'int2' THEN 32767
        WHEN f.type_name = 'int4' THEN 2147483647
        WHEN f.digits BETWEEN 0 AND 18 AND q.seqincrement > 0 THEN pg_catalog.power(10::pg_catalog.numeric, f.digits) - 1
        WHEN f.digits BETWEEN 0 AND 18 THEN
            pg_catalog.power(10::pg_catalog.numeric, f.digits - CASE WHEN f.is_text AND f.digits > 0 THEN 1 ELSE 0 END) - 2
    END::pg_catalog.int8 AS type_maximum) AS room
CROSS JOIN LATERAL (
    -- see install/fast_path.sql
    SELECT pg_catalog.concat('advance_', CASE WHEN q.seqincrement > 0 THEN 'up' ELSE 'down' END, '_', f.attname)
               AS function,
           pg_catalog.format('%L, %L, %L, %L', pg_catalog.format('%I.%I', s.nspname, s.relname), s.oid,
                             f.table_owner, f.attnum) AS arguments,
           f.is_integer AND f.relkind = 'r' AND f.table_owner = s.relowner AND q.seqincrement IN (1, -1)
               AND q.seqcache = 1
               AND pg_catalog.octet_length(f.attname::pg_catalog.text)
                   + CASE WHEN q.seqincrement > 0 THEN 11 ELSE 13 END <= 63 AS usable) AS fast
CROSS JOIN LATERAL (
    -- what a guard depends on apart from names, kept as the trigger's comment: count up
    -- the figure when seqguard.install_guard() makes another trigger
    SELECT 'seqguard guard ' || pg_catalog.md5(pg_catalog.concat_ws(' ', 6, q.seqincrement > 0, f.number_pattern,
        pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 180000,
        CASE WHEN fast.usable THEN fast.function END, CASE WHEN fast.usable THEN fast.arguments END,
        room.type_maximum)) AS text) AS shape
CROSS JOIN LATERAL (
    -- whoever owns the schema, or the database where that is its owner, can put another table there
    SELECT f.table_owner = me.oid
           AND (f.table_nspowner = me.oid OR COALESCE(f.table_nspowner = me.database_owner, false)) AS "table") AS own
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN f.table_oid IS NULL THEN NULL
        -- a text of digits that becomes a number loses the zeros at its beginning
        WHEN NOT f.parsed OR NOT f.is_text AND f.pattern !~ '^\^([1-9][0-9]*)?\(-\?\[0-9\]\{1,30\}\)[0-9]*\$$'
            THEN 'cannot judge the default ' || f.expression
        WHEN f.ambiguous THEN pg_catalog.format(
            'several sequences have the name in %s: name its schema', f.expression)
        WHEN f.relkind = 'v' THEN 'a view: judge the table behind it'
        WHEN f.kind <> 'identity' AND f.table_owner <> s.relowner
             AND NOT pg_catalog.has_sequence_privilege(f.table_owner, s.oid, 'UPDATE')
            THEN pg_catalog.format('the owner of the table may not move the sequence: GRANT UPDATE ON SEQUENCE %I.%I TO %I',
                                   s.nspname, s.relname, pg_catalog.pg_get_userbyid(f.table_owner))
        WHEN f.type_name NOT IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8',
                                 'text', 'varchar', 'bpchar')
            THEN 'cannot judge a column of type ' || f.type_name
    END AS unjudged) AS u
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN u.unjudged IS NOT NULL THEN u.unjudged
        WHEN f.relkind = 'f' THEN 'a foreign table takes no guard'
        WHEN f.table_persistence = 't' THEN 'a temporary table takes no guard'
        WHEN q.seqcycle THEN 'a sequence that cycles takes no guard'
        WHEN f.relkind = 'p' AND planner_runs.in_key THEN
            pg_catalog.format('its partition key calls function %s: trust it, and run guard as %I',
                              planner_runs.function, pg_catalog.pg_get_userbyid(f.table_owner))
    END AS unguardable) AS w
WHERE s.relkind = 'S';

-- The rules. seqguard/rules.py holds the same ones for use without this schema;
-- a property-based test proves the two equal.
--
-- Ascending is written out; descending is its mirror image. All arithmetic is
-- numeric, because next values can lie beyond bigint.
--   type_maximum  largest value of the narrowest fed column, or NULL
--   furthest      value furthest along in any fed column, or NULL for no rows
--   margin        values to leave free beyond the data
-- target is the last_value that repairs the sequence: the last value of its grid
-- before the next one that is beyond all data. It is NULL unless behind.
CREATE OR REPLACE FUNCTION seqguard.judge(
    increment bigint, minimum bigint, maximum bigint, cycle boolean, last_value bigint,
    is_called boolean, type_maximum bigint, furthest numeric, margin bigint,
    OUT next_value numeric, OUT target numeric, OUT status text)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    direction constant numeric := sign(increment::numeric);
    sequence_limit constant numeric := CASE WHEN increment > 0 THEN maximum ELSE minimum END;
    type_limit constant numeric := CASE WHEN increment > 0 THEN type_maximum ELSE -type_maximum - 1 END;
    nearest_limit constant numeric := direction * LEAST(direction * sequence_limit, direction * type_limit);
    upcoming numeric := last_value + CASE WHEN is_called THEN increment::numeric ELSE 0 END;
    steps numeric;
BEGIN
    IF direction * (upcoming - sequence_limit) > 0 AND cycle THEN
        upcoming := CASE WHEN increment > 0 THEN minimum ELSE maximum END;
    END IF;
    IF direction * (upcoming - sequence_limit) <= 0 THEN
        next_value := upcoming;
    END IF;
    steps := div(direction * (furthest - upcoming), abs(increment::numeric)) + 1;
    IF furthest IS NULL OR direction * (furthest - upcoming) < 0 THEN
        status := CASE WHEN direction * (upcoming - nearest_limit) > 0 THEN 'exhausted' ELSE 'ok' END;
    ELSIF cycle AND is_called
          AND direction * (sequence_limit - furthest) <= direction * (furthest - upcoming) THEN
        status := 'unjudged';
    ELSIF direction * (upcoming + steps * increment - nearest_limit) > 0 THEN
        status := 'exhausted';
    ELSE
        status := 'behind';
        margin := LEAST(margin, div(direction * (nearest_limit - upcoming), abs(increment::numeric)) - steps);
        target := upcoming + (steps + margin - 1) * increment;
    END IF;
END
$function$;

-- Refuse what would run somebody else's function with the rights of whoever reads.
--
-- Parameters: relations and names, what is about to be read, each by its oid and by the name that the query has for
-- it. Raises 42501 (insufficient_privilege), or 42P01 (undefined_table) where a name means another relation by now.
--
-- Planning a query works out what is constant in the index expressions, extended statistics and partition keys of its
-- tables. Whoever owns a table can add some at any moment, also while the query waits for a lock. So locks come
-- first, then this, then the query: all that is left in between is the time from one statement to the next.
CREATE OR REPLACE FUNCTION seqguard.require_planning(relations oid[], names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    named pg_catalog.text;
    tables pg_catalog.oid[];
    objects pg_catalog.oid[];
    used pg_catalog.oid[];
    called pg_catalog.regprocedure;
BEGIN
    -- a sequence that has been looked at by its oid keeps its name
    PERFORM pg_catalog.pg_sequence_last_value(q.seqrelid)
    FROM pg_catalog.pg_sequence AS q WHERE q.seqrelid = ANY (relations);
    SELECT r.name INTO named
    FROM ROWS FROM (pg_catalog.unnest(relations), pg_catalog.unnest(names)) AS r (oid, name)
    WHERE pg_catalog.to_regclass(r.name) IS DISTINCT FROM r.oid
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = named || ' was renamed meanwhile: run again';
    END IF;
    -- step by step, so that each looks its rows up by an index, whatever the planner is allowed to do
    tables := relations || ARRAY(
        SELECT t.relid::pg_catalog.oid
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS t
        WHERE c.oid = ANY (relations) AND c.relkind = 'p');
    objects := tables
        || ARRAY(SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = ANY (tables))
        || ARRAY(SELECT e.oid FROM pg_catalog.pg_statistic_ext AS e WHERE e.stxrelid = ANY (tables));
    used := ARRAY(
        SELECT d.refobjid FROM pg_catalog.pg_depend AS d
        WHERE d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
          AND d.objid = ANY (objects)
          AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass));
    SELECT p.oid INTO called
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_roles AS w ON w.oid = p.proowner AND NOT w.rolsuper AND w.rolname <> current_user
    WHERE p.oid = ANY (used || ARRAY(SELECT q.oprcode::pg_catalog.oid FROM pg_catalog.pg_operator AS q WHERE q.oid = ANY (used)))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('planning a query may run function %s', called),
            HINT = 'trust it, and run this as the owner of the table';
    END IF;
END
$function$;

-- check for psql users: SELECT * FROM seqguard.check() WHERE status <> 'ok';
--
-- What one column needs to be read stays locked no longer than that: the exception, raised and
-- caught at once, rolls the locks back. Thousands of tables would fill the lock table.
-- Until the end of the (sub)transaction: a table may have given way to a view of that name, whose
-- functions must not run with the rights of whoever checks. Old minor releases have no such setting.
CREATE OR REPLACE FUNCTION seqguard.refuse_views() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT set_config('restrict_nonsystem_relation_kind', 'view', true)
    WHERE current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
$function$;

CREATE OR REPLACE FUNCTION seqguard.read_furthest(
    furthest_query text, increment bigint, is_own boolean, locked_as text, table_oid oid, table_name text,
    OUT value numeric, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET row_security = off SET constraint_exclusion = off SET lock_timeout = '1s' SET extra_float_digits = 1
AS $function$
BEGIN
    PERFORM seqguard.refuse_views();
    IF furthest_query IS NOT NULL THEN
        IF NOT is_own THEN
            IF locked_as IS NOT NULL THEN
                EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', locked_as);
            END IF;
            PERFORM seqguard.require_planning(ARRAY[table_oid], ARRAY[table_name]);
        END IF;
        EXECUTE furthest_query INTO value;
        IF value = 'NaN' THEN
            value := NULL;
            RAISE undefined_column USING MESSAGE = 'the column changed while it was read';
        END IF;
        value := CASE WHEN increment > 0 THEN floor(value) ELSE ceil(value) END;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
    WHEN OTHERS THEN  -- whatever one table has, the others are read all the same
        value := NULL;
        problem := SQLERRM;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.read_state(
    sequence_oid oid, sequence text, is_own boolean,
    OUT last_value bigint, OUT is_called boolean, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE 'SELECT last_value, is_called FROM pg_get_sequence_data($1)' INTO last_value, is_called USING sequence_oid::regclass;
        problem := CASE WHEN last_value IS NULL THEN format('permission denied for sequence %s', sequence) END;
    ELSE
        PERFORM seqguard.refuse_views();
        IF NOT is_own THEN
            PERFORM seqguard.require_planning(ARRAY[sequence_oid], ARRAY[sequence]);
        END IF;
        EXECUTE format('SELECT COALESCE(pg_sequence_last_value(%1$L), last_value), is_called FROM %1$s', sequence)
        INTO last_value, is_called;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
    WHEN OTHERS THEN
        last_value := NULL;
        problem := SQLERRM;
END
$function$;

-- One row for each sequence that feeds a column, or for those given.
CREATE OR REPLACE FUNCTION seqguard.check(sequences regclass[] DEFAULT NULL, margin bigint DEFAULT 0)
RETURNS TABLE (sequence regclass, status text, next_value numeric, furthest numeric,
               target numeric, last_value bigint, is_called boolean, guarded boolean, problem text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $function$
    WITH data AS MATERIALIZED (
        SELECT f.sequence_oid, f.sequence, f.increment, f.minimum, f.maximum, f.cycle,
               min(f.type_maximum) AS type_maximum,
               CASE WHEN f.increment > 0 THEN max(r.value) ELSE min(r.value) END AS furthest,
               bool_and(f.is_own) AS is_own,
               bool_and(f.guard_state IN ('installed', 'outdated')) AS guarded,
               string_agg(f.unjudged, '; ') AS unjudged,
               COALESCE(f.sequence_unreadable,
                        string_agg(COALESCE(f.column_unreadable, r.problem), '; ')) AS unreadable
        FROM seqguard.fed_columns AS f
        CROSS JOIN LATERAL seqguard.read_furthest(
            CASE WHEN f.column_unreadable IS NULL THEN f.furthest_query END, f.increment,
            f.is_own, f.locked_as, f.table_oid, f."table") AS r
        WHERE f.table_oid IS NOT NULL
          AND (sequences IS NULL OR f.sequence_oid = ANY (sequences::oid[]))
        GROUP BY f.sequence_oid, f.sequence, f.increment, f.minimum, f.maximum, f.cycle, f.sequence_unreadable
    ), verdict AS (
        -- The data was read first: a sequence read after it can only be further along.
        SELECT d.*, s.last_value, s.is_called, j.next_value, j.target, COALESCE(d.unreadable, s.problem) AS unread,
               CASE WHEN s.last_value IS NULL THEN 'unreadable'
                    WHEN j.status IN ('behind', 'exhausted') THEN j.status
                    WHEN COALESCE(d.unreadable, s.problem) IS NOT NULL THEN 'unreadable'
                    WHEN d.unjudged IS NOT NULL THEN 'unjudged'
                    ELSE j.status END AS status
        FROM data AS d
        CROSS JOIN LATERAL seqguard.read_state(d.sequence_oid, d.sequence, d.is_own) AS s
        LEFT JOIN LATERAL seqguard.judge(
            d.increment, d.minimum, d.maximum, d.cycle, s.last_value, s.is_called,
            d.type_maximum, d.furthest, margin) AS j ON s.last_value IS NOT NULL
    )
    SELECT v.sequence_oid::regclass, v.status, v.next_value, v.furthest, v.target, v.last_value,
           v.is_called, v.guarded, COALESCE(v.unread, v.unjudged)
    FROM verdict AS v
    ORDER BY v.status = 'ok', v.sequence
$function$;

-- Move a sequence forward to a last_value, exactly, while others use it.
--
-- Parameters: moving, the sequence; target, the last_value to reach, on its grid.
-- Raises 55P03 (lock_not_available) when open transactions that have used the
-- sequence do not end within lock_timeout, 42501 for one who does not own it.
--
-- ALTER SEQUENCE ... OWNER TO its own owner changes nothing, but takes a lock that
-- stops nextval and setval. Under it the state is read again, so that nobody can
-- have moved the sequence in between. setval is not undone by a rollback, the lock
-- is released by it: hence the exception that is raised and caught at once.
-- Sessions that cached values (CACHE above 1) drop them only when the sequence is
-- rewritten, which RESTART does; there the lock lasts until the transaction ends.
CREATE OR REPLACE FUNCTION seqguard.move_forward(moving regclass, target bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $function$
DECLARE
    definition pg_catalog.pg_sequence;
    upcoming numeric;
    named constant pg_catalog.text := moving;
BEGIN
    EXECUTE pg_catalog.format('ALTER SEQUENCE %s OWNER TO %I', named,
        (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c WHERE c.oid = moving));
    IF pg_catalog.to_regclass(named) IS DISTINCT FROM moving THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = named || ' was renamed meanwhile: run again';
    END IF;
    SELECT s.* INTO definition FROM pg_catalog.pg_sequence AS s WHERE s.seqrelid = moving;
    -- not FROM the sequence: by now its schema may have another name, and a view its own
    upcoming := COALESCE(pg_catalog.pg_sequence_last_value(moving) + definition.seqincrement::pg_catalog.numeric,
                         pg_catalog.nextval(moving));
    IF pg_catalog.sign(definition.seqincrement::numeric) * (target - upcoming) >= 0 THEN
        IF definition.seqcache > 1 THEN
            EXECUTE pg_catalog.format('ALTER SEQUENCE %s RESTART WITH %s', moving,
                                      target + definition.seqincrement);
            RETURN;
        END IF;
        PERFORM pg_catalog.setval(moving, target);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
END
$function$;

-- fix for psql users: SELECT * FROM seqguard.fix();
CREATE OR REPLACE FUNCTION seqguard.try_to_move_forward(
    moving regclass, target bigint, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM seqguard.move_forward(moving, target);
EXCEPTION
    WHEN lock_not_available THEN
        problem := 'in use by open transactions: run again when they have ended';
    WHEN insufficient_privilege OR undefined_table OR undefined_object
         OR object_not_in_prerequisite_state OR deadlock_detected THEN
        problem := SQLERRM;
END
$function$;

-- One row for each sequence that was behind, or that could not be judged:
-- where it stands now, and why it was left where that is not ok.
CREATE OR REPLACE FUNCTION seqguard.fix(sequences regclass[] DEFAULT NULL, margin bigint DEFAULT 0)
RETURNS TABLE (sequence regclass, status text, next_value numeric, problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    verdict record;
    attention regclass[] := ARRAY[]::regclass[];
    problems jsonb := jsonb_build_object();
BEGIN
    IF margin < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'margin must not be negative';
    END IF;
    FOR verdict IN SELECT c.* FROM seqguard.check(sequences, margin) AS c WHERE c.status <> 'ok' LOOP
        attention := attention || verdict.sequence;
        IF verdict.status = 'behind' THEN
            problems := problems || jsonb_build_object(verdict.sequence::oid::text,
                seqguard.try_to_move_forward(verdict.sequence, verdict.target::bigint));
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT c.sequence, c.status, c.next_value, COALESCE(problems ->> c.sequence::oid::text, c.problem)
        FROM seqguard.check(attention) AS c;
END
$function$;

-- What guards run. A guard's trigger calls its function only for a row whose id may be
-- ahead of the sequence: the WHEN clause has turned the others away.
--
-- seqguard.advance() serves every guard. It finds its column and its sequence through the
-- dependencies of the WHEN clause, because those follow every RENAME and survive pg_dump. That
-- costs some twenty microseconds. Guards on plain integer columns have a quicker function, from
-- fast_path.sql, which does what advance() does where anything is not as it was when the guard was installed.
--
-- SECURITY DEFINER: inserting into an identity column needs no privilege on its
-- sequence, moving the sequence does. Only the owner may attach them to a table. The owner
-- of a guarded table is not trusted: a query sees the catalogs as of the transaction's
-- snapshot, which in REPEATABLE READ may be older than the table that is inserted into.
-- So the column's name comes from the system cache, no value is cast but an integer or through its
-- type's own output function, and the rights are looked at again before the move.

-- Warns, and stays silent where the client's encoding has no place for a name: that would be an error.
CREATE OR REPLACE FUNCTION seqguard.warn(message text, hint text DEFAULT '') RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE WARNING USING MESSAGE = 'seqguard: ' || message, HINT = hint;
EXCEPTION
    WHEN untranslatable_character OR character_not_in_repertoire THEN
        RETURN;
END
$function$;

-- Every trigger function in this schema is a guard's.
CREATE OR REPLACE FUNCTION seqguard.is_guard_function(function oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT EXISTS (SELECT FROM pg_proc AS p
                   WHERE p.oid = function AND p.prorettype = 'trigger'::regtype
                     AND p.pronamespace = 'seqguard'::regnamespace)
$function$;

-- The guard that a trigger is, or, for its clone on a partition, that it was cloned from:
-- the column's present name, the sequence, and the owner of the table. No row where the
-- snapshot does not show it.
CREATE OR REPLACE FUNCTION seqguard.guarded(
    table_oid oid, trigger_name name, OUT column_name name, OUT sequence_oid oid, OUT table_owner oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard oid;
    parent oid;
BEGIN
    SELECT t.oid, t.tgparentid INTO guard, parent
    FROM pg_trigger AS t
    WHERE t.tgrelid = table_oid AND t.tgname = trigger_name AND seqguard.is_guard_function(t.tgfoid);
    WHILE parent <> 0 LOOP
        guard := parent;
        SELECT t.tgparentid INTO parent FROM pg_trigger AS t WHERE t.oid = guard;
    END LOOP;
    SELECT (pg_identify_object_as_address(c.refclassid, c.refobjid, c.refobjsubid)).object_names[3],
           t.relowner, s.seqrelid
    INTO column_name, table_owner, sequence_oid
    FROM pg_depend AS c
    JOIN pg_class AS t ON t.oid = c.refobjid
    JOIN pg_depend AS d ON d.classid = c.classid AND d.objid = c.objid AND d.refclassid = c.refclassid
    JOIN pg_sequence AS s ON s.seqrelid = d.refobjid
    WHERE c.classid = 'pg_trigger'::regclass AND c.objid = guard
      AND c.refclassid = 'pg_class'::regclass AND c.refobjsubid > 0
      -- a WHEN clause can name a column of another table, too, in a value of that table's type
      AND c.refobjid = (SELECT t.tgrelid FROM pg_trigger AS t WHERE t.oid = guard);
END
$function$;

-- So far a guard goes with nextval: some 0.2 milliseconds, and 3 kB of WAL.
CREATE OR REPLACE FUNCTION seqguard.most_steps() RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$SELECT 1000$function$;

-- Guards that are about to call setval take turns. A table, because anybody may hold an advisory
-- lock for ever; where somebody holds this one for long, the guard goes on without its turn. Unlogged,
-- because a publication FOR ALL TABLES leaves that out.
DO $do$
BEGIN
    CREATE UNLOGGED TABLE seqguard.turn ();
EXCEPTION
    WHEN duplicate_table THEN
        RETURN;
END
$do$;

CREATE OR REPLACE FUNCTION seqguard.take_turn() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    LOCK TABLE seqguard.turn IN SHARE ROW EXCLUSIVE MODE;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN;
END
$function$;

-- A sequence's one step to target, in turn. Nothing is sent to the client meanwhile: one that does not read
-- what it is sent would keep the turn for ever.
CREATE OR REPLACE FUNCTION seqguard.advance_at_once(sequence_oid regclass, increment bigint, target bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = 'error'
AS $function$
BEGIN
    PERFORM seqguard.take_turn();
    PERFORM CASE
        WHEN increment > 0 AND COALESCE(pg_sequence_last_value(sequence_oid) < target, true)
          OR increment < 0 AND COALESCE(pg_sequence_last_value(sequence_oid) > target, true)
        THEN setval(sequence_oid, target) END;
    RAISE EXCEPTION USING ERRCODE = 'SQG00', MESSAGE = 'release the lock';
EXCEPTION
    WHEN SQLSTATE 'SQG00' THEN
        RETURN;
END
$function$;

-- Moves a sequence to the last value of its grid that is not beyond value, never back, and not
-- for a value that would leave none to draw, of the sequence or of the column's type.
--
-- It goes by nextval, which cannot move a sequence backwards. A longer way than most_steps()
-- is one setval, in the same expression as the test that it goes forward; guards
-- take turns at it. nextval by ordinary inserts cannot be made to wait here: see
-- docs/guard.md for what is left of the race.
CREATE OR REPLACE FUNCTION seqguard.advance_to(sequence_oid regclass, value numeric, type_limit numeric) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    start bigint;
    increment bigint;
    minimum bigint;
    maximum bigint;
    cache bigint;
    origin bigint;
    called boolean := true;
    steps numeric;
    target bigint;
    reached bigint;
BEGIN
    SELECT s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache
    INTO start, increment, minimum, maximum, cache
    FROM pg_sequence AS s WHERE s.seqrelid = sequence_oid;
    IF increment > 0 THEN
        maximum := LEAST(maximum, type_limit);
    ELSE
        minimum := GREATEST(minimum, type_limit);
    END IF;
    IF value NOT BETWEEN minimum AND maximum THEN
        RETURN;
    END IF;
    origin := pg_sequence_last_value(sequence_oid);
    IF origin IS NULL THEN
        -- never called: where it stands is read by its oid or not at all, for by its name another
        -- relation might be read; before 18 its first value is drawn
        IF current_setting('server_version_num')::integer >= 180000 THEN
            EXECUTE 'SELECT last_value, is_called FROM pg_get_sequence_data($1)' INTO origin, called USING sequence_oid;
            IF origin IS NULL THEN
                RAISE insufficient_privilege USING MESSAGE = format('permission denied for sequence %s', sequence_oid);
            END IF;
        ELSIF sign(increment::numeric) * (value - start) >= 0 THEN
            origin := nextval(sequence_oid);
        END IF;
    END IF;
    steps := div(value - origin, increment::numeric) + CASE WHEN called THEN 0 ELSE 1 END;
    IF steps IS NULL OR steps <= 0 OR (value - origin) * sign(increment::numeric) < 0 THEN
        RETURN;
    END IF;
    target := origin + (steps - CASE WHEN called THEN 0 ELSE 1 END) * increment;
    IF target::numeric + increment NOT BETWEEN minimum AND maximum THEN
        RETURN;  -- no value would be left: one stray id, rolled back even, would stop every ordinary insert
    END IF;
    IF steps <= seqguard.most_steps() AND cache = 1 THEN
        FOR step IN 1 .. steps LOOP
            reached := nextval(sequence_oid);
            EXIT WHEN CASE WHEN increment > 0 THEN reached >= target ELSE reached <= target END;
        END LOOP;
        RETURN;
    END IF;
    PERFORM seqguard.advance_at_once(sequence_oid, increment, target);
EXCEPTION
    -- out of range: a snapshot that is older than the sequence's limits, or a numeric of 131072 digits
    WHEN sequence_generator_limit_exceeded OR numeric_value_out_of_range THEN
        RETURN;
    WHEN insufficient_privilege THEN
        PERFORM seqguard.warn(format('%s cannot move sequence %s: %s', current_user, sequence_oid, SQLERRM),
                              format('GRANT ALL ON SEQUENCE %s TO %I', sequence_oid, current_user));
END
$function$;

-- The statement that moves a guard's sequence for the row $1, of the guarded table.
CREATE OR REPLACE FUNCTION seqguard.advancing(table_oid oid, trigger_name name, pattern text, type_limit text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    nothing constant text := 'SELECT';
    guard record := seqguard.guarded(table_oid, trigger_name);
BEGIN
    IF guard.column_name IS NULL THEN
        PERFORM seqguard.warn(format('this transaction is older than guard %s on %s: the sequence stays',
                                     trigger_name, table_oid::regclass));
        RETURN nothing;
    ELSIF NOT has_sequence_privilege(guard.table_owner, guard.sequence_oid, 'UPDATE') THEN
        PERFORM seqguard.warn(format('the owner of table %s may not move sequence %s',
                                     table_oid::regclass, guard.sequence_oid::regclass),
                              format('GRANT UPDATE ON SEQUENCE %s TO %I', guard.sequence_oid::regclass,
                                     pg_get_userbyid(guard.table_owner)));
        RETURN nothing;
    END IF;
    -- fails where the table, or the partition, has no such column: ($1).name would call a function
    PERFORM has_column_privilege(table_oid, guard.column_name, 'INSERT');
    RETURN format('SELECT seqguard.advance_for(%s, %L, %L, format(''%%s'', ($1).%I))',
        guard.sequence_oid, pattern, type_limit, guard.column_name);
EXCEPTION
    WHEN undefined_column THEN
        PERFORM seqguard.warn(format('this transaction is older than guard %s on %s: the sequence stays',
                                     trigger_name, table_oid::regclass));
        RETURN nothing;
END
$function$;

-- Moves a sequence for a value as its type writes it; pattern's group is the numeric part of a text.
CREATE OR REPLACE FUNCTION seqguard.advance_for(sequence_oid oid, pattern text, type_limit text, written text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    number constant text := CASE WHEN pattern IS NULL THEN written ELSE substring(written COLLATE "C" FROM pattern) END;
BEGIN
    IF number COLLATE "C" ~ '^-?[0-9]+([.][0-9]+)?(e[+-][0-9]+)?$' THEN
        PERFORM seqguard.advance_to(sequence_oid, number::numeric, type_limit::numeric);
    END IF;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.advance() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $function$
BEGIN
    EXECUTE seqguard.advancing(TG_RELID, TG_NAME, NULLIF(TG_ARGV[0], ''), NULLIF(TG_ARGV[1], '')) USING NEW;
    RETURN NULL;
END
$function$;

-- The fast path: guards on columns of a plain integer type, fed one by one, call a function that has the
-- column's name written out; one function serves every such column of that name.
--
-- Its triggers' arguments are the sequence's name, its oid, the oid of the table's owner, whose right to
-- move the sequence is tested for every row, the column's number, and how far its type reaches. After a RENAME, and after a dump was
-- restored elsewhere, one of them does not fit any more. Then seqguard.advancing() finds out what to do.
--
-- No expression but pg_typeof() is made with a value that is not a plain integer: the cast of another
-- type may be a function of its owner's, and run as soon as the expression is planned. The arguments
-- are trusted, so that nobody else may attach the function to a table: partitioned tables, whose
-- owners need that right to add partitions, take advance().
--
-- The first row of a statement of several leaves word, until the end of the transaction, that all this has been tested: the
-- rows that it has led the sequence beyond are not tested again. A column that is renamed in the same transaction
-- takes the word back, because that is an update of pg_attribute. Who forges it keeps his own rows from being followed.

-- Whether the statement that is being looked at has written no row but this one, as far as the statistics can tell:
-- only one row was inserted since this session's last look. What they hold is kept in a setting; who
-- forges it has the sequence follow his own rows one by one.
CREATE OR REPLACE FUNCTION seqguard.is_alone(table_oid oid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    inserted constant bigint := pg_stat_get_tuples_inserted(table_oid) + pg_stat_get_xact_tuples_inserted(table_oid);
    before constant text := current_setting('seqguard.inserted', true);
    now constant text := set_config('seqguard.inserted', concat(table_oid, ' ', inserted), false);
BEGIN
    RETURN now IS NOT NULL AND before IS NOT DISTINCT FROM concat(table_oid, ' ', inserted - 1);
END
$function$;

-- The value of a column that is furthest beyond value and before the sequence's limit. A statement's first row
-- leads the sequence beyond all its rows at once, for another session could draw the ids of those that
-- follow. Only where an index has it, and only of a table of this function's owner, in a schema of
-- his: planning a query can run functions of the table's owner, and the schema's owner can put
-- another table in its place. And only with a fresh snapshot, which is what tells the owners of now.
CREATE OR REPLACE FUNCTION seqguard.furthest(
    table_oid regclass, column_number integer, column_name name, value bigint, sequence_limit bigint, up boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET constraint_exclusion = off
AS $function$
DECLARE
    furthest bigint;
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' AND EXISTS (
        SELECT FROM pg_class AS t
        JOIN pg_roles AS me ON me.oid = t.relowner AND me.rolname = current_user
        JOIN pg_namespace AS n ON n.oid = t.relnamespace
        JOIN pg_database AS d ON d.datname = current_database()
        JOIN pg_index AS i ON i.indrelid = t.oid AND i.indkey[0] = column_number AND i.indisvalid AND i.indpred IS NULL
        JOIN pg_class AS index ON index.oid = i.indexrelid
        JOIN pg_am AS am ON am.oid = index.relam AND am.amname = 'btree'
        WHERE t.oid = table_oid AND NOT row_security_active(t.oid)
          AND (n.nspowner = me.oid OR d.datdba = me.oid AND pg_get_userbyid(n.nspowner) = 'pg_database_owner')) THEN
        BEGIN
            PERFORM seqguard.require_planning(ARRAY[table_oid]::oid[], ARRAY[table_oid::text]);
        EXCEPTION
            WHEN insufficient_privilege THEN
                RETURN value;
        END;
        EXECUTE format(
            CASE WHEN up THEN 'SELECT %1$I FROM ONLY %2$s WHERE %1$I > $1 AND %1$I < $2 ORDER BY %1$I DESC LIMIT 1'
                 ELSE 'SELECT %1$I FROM ONLY %2$s WHERE %1$I < $1 AND %1$I > $2 ORDER BY %1$I LIMIT 1' END,
            column_name, table_oid)
        INTO furthest USING value, sequence_limit;
    END IF;
    RETURN COALESCE(furthest, value);
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.make_fast_path(function name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $make$
DECLARE
    up constant boolean := starts_with(function, 'advance_up_');
    column_name constant name := substring(function FROM '^advance_(?:up|down)_(.*)$');
    template constant text := $body$
DECLARE
    sequence regclass;
    last bigint;
    sequence_limit bigint;
    target bigint;
    reached bigint;
BEGIN
    BEGIN
        IF pg_typeof(NEW.%1$I) IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
            IF COALESCE(current_setting('seqguard.led', true), '') <> ''
               AND current_setting('seqguard.led', true) = concat(
                   TG_RELID, %9$L, pg_stat_get_xact_tuples_updated('pg_attribute'::regclass))
               AND NEW.%1$I %3$s pg_sequence_last_value(TG_ARGV[1]::oid) THEN
                RETURN NULL;
            END IF;
            sequence := to_regclass(TG_ARGV[0]);
            last := CASE
                WHEN sequence::oid = TG_ARGV[1]::oid
                     AND has_sequence_privilege(TG_ARGV[2]::oid, sequence, 'UPDATE')
                     AND (pg_identify_object_as_address('pg_class'::regclass, TG_RELID, TG_ARGV[3]::integer)
                         ).object_names[3] = %2$L
                THEN pg_sequence_last_value(sequence) END;
            IF NEW.%1$I %3$s last OR NEW.%1$I IS NULL THEN
                RETURN NULL;
            ELSIF last IS NOT NULL THEN
                sequence_limit := %10$s((pg_sequence_parameters(sequence)).%8$I, NULLIF(TG_ARGV[4], '')::bigint);
                target := NEW.%1$I;
                IF NOT target %4$s sequence_limit THEN
                    RETURN NULL;  -- no value would be left: one stray id would stop every ordinary insert
                ELSIF NOT %7$s THEN
                    IF current_setting('track_counts')::boolean THEN
                        PERFORM set_config('seqguard.led', concat(
                            TG_RELID, %9$L, pg_stat_get_xact_tuples_updated('pg_attribute'::regclass)), true);
                    END IF;
                    target := seqguard.furthest(TG_RELID, TG_ARGV[3]::integer, %2$L, target, sequence_limit, %5$L);
                END IF;
                IF abs(target - last) <= %6$s THEN
                    LOOP  -- ends, too, where the sequence has come to cycle or to go the other way
                        reached := nextval(sequence);
                        EXIT WHEN NOT reached %4$s target OR reached %3$s last;
                    END LOOP;
                    RETURN NULL;
                END IF;
                PERFORM seqguard.advance_to(sequence, target, sequence_limit);
            END IF;
        END IF;
    EXCEPTION
        WHEN undefined_column OR undefined_function OR undefined_table OR invalid_schema_name
             OR ambiguous_function OR datatype_mismatch OR feature_not_supported
             OR wrong_object_type OR insufficient_privilege OR numeric_value_out_of_range
             OR sequence_generator_limit_exceeded OR internal_error THEN
            last := NULL;
    END;
    EXECUTE seqguard.advancing(TG_RELID, TG_NAME, NULL, NULLIF(TG_ARGV[4], '')) USING NEW;
    RETURN NULL;
END
$body$;
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION seqguard.%I() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER '
        'SET search_path = pg_catalog, pg_temp AS %L',
        function,
        format(template, column_name, column_name, CASE WHEN up THEN '<=' ELSE '>=' END,
               CASE WHEN up THEN '<' ELSE '>' END, up, seqguard.most_steps(),
               -- before 15 the statistics are in a file
               CASE WHEN current_setting('server_version_num')::integer >= 150000
                    THEN '(TG_OP = ''INSERT'' AND seqguard.is_alone(TG_RELID))' ELSE 'false' END,
               CASE WHEN up THEN 'maximum_value' ELSE 'minimum_value' END, format(' %s ', column_name),
               CASE WHEN up THEN 'LEAST' ELSE 'GREATEST' END));
    -- nor for those whom ALTER DEFAULT PRIVILEGES gives a part in it
    EXECUTE format('REVOKE ALL ON FUNCTION seqguard.%I() FROM PUBLIC%s', function, (
        SELECT string_agg(format(', %I', pg_get_userbyid(a.grantee)), '')
        FROM pg_proc AS p
        CROSS JOIN LATERAL aclexplode(p.proacl) AS a
        WHERE p.oid = format('seqguard.%I()', function)::regprocedure AND a.grantee NOT IN (0, p.proowner)));
    EXECUTE format('ALTER FUNCTION seqguard.%I() OWNER TO %I', function,
                   (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'seqguard'));
END
$make$;

CREATE OR REPLACE FUNCTION seqguard.ensure_fast_path(function name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF to_regproc(format('seqguard.%I', function)) IS NULL THEN
        PERFORM seqguard.make_fast_path(function);
    END IF;
EXCEPTION
    WHEN unique_violation OR duplicate_function THEN  -- another session was quicker
        RETURN;
END
$function$;

-- Those that are there already, made anew, and the usual one: a dump of a single table finds it.
DO $do$
BEGIN
    PERFORM seqguard.make_fast_path(f.name)
    FROM (SELECT 'advance_up_id'
          UNION
          SELECT p.proname FROM pg_catalog.pg_proc AS p
          WHERE p.pronamespace = 'seqguard'::pg_catalog.regnamespace
            AND p.proname ~ '^advance_(up|down)_') AS f (name);
END
$do$;

-- Installing, listing and removing guards.

-- The WHEN clause of a guard: true for a row whose value may be ahead of the sequence.
-- It runs with the rights of whoever inserts. Without USAGE or SELECT on the sequence
-- pg_sequence_last_value raises before 18 and returns NULL from 18 on; NULL is also its
-- answer for a sequence that was never used. NULL makes the clause true.
CREATE OR REPLACE FUNCTION seqguard.guard_condition(
    column_name name, sequence regclass, increment bigint, pattern text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT format('(%s %s %s) IS NOT TRUE',
        CASE WHEN pattern IS NULL THEN format('NEW.%I', column_name)
             ELSE format('substring(NEW.%I::text COLLATE pg_catalog."C", %L)::numeric', column_name, pattern) END,
        CASE WHEN increment > 0 THEN '<=' ELSE '>=' END,
        format(CASE WHEN current_setting('server_version_num')::integer >= 180000
                    THEN 'pg_sequence_last_value(%1$L::regclass)'
                    ELSE 'CASE WHEN has_sequence_privilege(%1$L::regclass, ''USAGE, SELECT'') '
                         'THEN pg_sequence_last_value(%1$L::regclass) END' END,
               sequence::text))
$function$;

-- Every guard that there is or could be. state is installed, outdated, disabled, missing,
-- or unguardable, and then unguardable says why.
CREATE OR REPLACE VIEW seqguard.guards AS
SELECT f."table", f."column", f.sequence, f.guard_state AS state, f.unguardable, f.guard_name, f.guard_shape,
       f.guard_function, f.guard_arguments,
       f.table_oid, f.table_schema, f.table_name, f.column_name, f.sequence_oid, f.increment, f.number_pattern
FROM seqguard.fed_columns AS f
WHERE f.table_oid IS NOT NULL;

-- Guards whose column is no longer fed by their sequence, or takes no guard any more.
CREATE OR REPLACE VIEW seqguard.stale_guards AS
SELECT t.tgrelid AS table_oid, t.tgname AS guard_name
FROM pg_catalog.pg_trigger AS t
WHERE seqguard.is_guard_function(t.tgfoid) AND t.tgparentid = 0
  AND NOT EXISTS (SELECT FROM seqguard.guards AS g
                  WHERE g.table_oid = t.tgrelid AND g.guard_name = t.tgname
                    AND g.state <> 'missing' AND g.unguardable IS NULL);

-- Refuses what would let the guard do more than the owner of the table could do.
CREATE OR REPLACE FUNCTION seqguard.require_rights(table_oid regclass, sequence_oid regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_owner constant name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = table_oid);
    advance_owner constant name := (SELECT pg_get_userbyid(proowner) FROM pg_proc
                                    WHERE oid = 'seqguard.advance'::regproc);
BEGIN
    IF NOT has_sequence_privilege(table_owner, sequence_oid, 'UPDATE') THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'the owner of table %s, %I, may not move sequence %s', table_oid, table_owner, sequence_oid),
            HINT = format('GRANT UPDATE ON SEQUENCE %s TO %I', sequence_oid, table_owner);
    END IF;
    IF NOT (has_sequence_privilege(advance_owner, sequence_oid, 'UPDATE')
            AND has_sequence_privilege(advance_owner, sequence_oid, 'SELECT')) THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'the owner of schema seqguard, %I, may not move sequence %s', advance_owner, sequence_oid),
            HINT = format('GRANT ALL ON SEQUENCE %s TO %I', sequence_oid, advance_owner);
    END IF;
END
$function$;

-- A partition gets its parent's triggers, and who makes one needs EXECUTE on their functions, the table's
-- owner of today or of tomorrow. So where partitioned tables are guarded, advance() is everybody's to attach: nobody
-- can name it without USAGE on the schema, and it moves only what the owner of its table may move.
CREATE OR REPLACE FUNCTION seqguard.let_partitions_be_made(table_oid regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- two grants at once fail, and an open transaction would stop all others
    IF EXISTS (SELECT FROM pg_class AS t WHERE t.oid = table_oid AND t.relkind = 'p')
       AND NOT has_function_privilege('public', 'seqguard.advance()'::regprocedure, 'EXECUTE') THEN
        GRANT EXECUTE ON FUNCTION seqguard.advance() TO PUBLIC;
    END IF;
END
$function$;

-- Refuses a column that is no longer of a type that the guard is for. Under the table's lock it stays so.
CREATE OR REPLACE FUNCTION seqguard.require_type(table_oid regclass, column_name name, guard_function name)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    integers constant regtype[] := ARRAY['smallint', 'integer', 'bigint']::regtype[];
    others constant regtype[] := ARRAY['numeric', 'real', 'double precision', 'text', 'varchar', 'bpchar']::regtype[];
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute AS a
        JOIN pg_type AS y ON y.oid = a.atttypid
        WHERE a.attrelid = table_oid AND a.attname = column_name
          AND CASE WHEN guard_function <> 'advance' THEN y.oid = ANY (integers)
                   ELSE CASE y.typtype WHEN 'd' THEN y.typbasetype ELSE y.oid END = ANY (integers || others) END) THEN
        RAISE datatype_mismatch USING MESSAGE = format(
            'column %I of table %s was changed meanwhile: run again', column_name, table_oid);
    END IF;
END
$function$;

-- Refuses a guard that is not where it should be. A table's lock does not keep its schema from being
-- renamed: then the names in a statement mean another table, or another sequence.
CREATE OR REPLACE FUNCTION seqguard.require_guard(
    table_oid regclass, column_name name, sequence_oid regclass, guard_name name, guard_shape text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guarded constant record := seqguard.guarded(table_oid, guard_name);
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = table_oid AND t.tgname = guard_name AND t.tgenabled = 'A'
          AND obj_description(t.oid, 'pg_trigger') = guard_shape
          AND guarded.column_name = require_guard.column_name
          AND guarded.sequence_oid = require_guard.sequence_oid) THEN
        RAISE undefined_table USING MESSAGE = format(
            'the schema of table %s or of sequence %s was renamed meanwhile: run again', table_oid, sequence_oid);
    END IF;
END
$function$;

-- Locks a table, its partitions too. Until the end of the transaction its name means no other
-- table: the lock on the schema's row, for which it takes a superuser, stops those who rename the schema.
CREATE OR REPLACE FUNCTION seqguard.lock_table(table_oid regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found_as record;
BEGIN
    IF has_table_privilege('pg_namespace', 'UPDATE') THEN
        PERFORM FROM pg_namespace AS n
        WHERE n.oid = (SELECT t.relnamespace FROM pg_class AS t WHERE t.oid = table_oid) FOR KEY SHARE;
    END IF;
    SELECT n.nspname, t.relname, t.relkind INTO found_as
    FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE t.oid = table_oid;
    IF found_as.relkind = 'p' THEN
        EXECUTE format('LOCK TABLE %I.%I IN SHARE ROW EXCLUSIVE MODE', found_as.nspname, found_as.relname);
    ELSE
        EXECUTE format('LOCK TABLE ONLY %I.%I IN SHARE ROW EXCLUSIVE MODE', found_as.nspname, found_as.relname);
    END IF;
    IF to_regclass(format('%I.%I', found_as.nspname, found_as.relname)) IS DISTINCT FROM table_oid THEN
        RAISE undefined_table USING MESSAGE = format(
            '%I.%I was renamed meanwhile: run again', found_as.nspname, found_as.relname);
    END IF;
END
$function$;

-- Refuses a partitioned table with somebody else's function in its key, or in a partition's: making a trigger would
-- run it. Looked at again under the lock, and not with an old snapshot, which does not show the latest partition.
CREATE OR REPLACE FUNCTION seqguard.require_key(table_oid regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    called regprocedure;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE feature_not_supported USING
            MESSAGE = format('table %s is partitioned: it takes a guard in READ COMMITTED only', table_oid);
    END IF;
    SELECT p.oid INTO called
    FROM pg_partition_tree(table_oid) AS tree
    JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = tree.relid
    LEFT JOIN pg_operator AS q ON d.refclassid = 'pg_operator'::regclass AND q.oid = d.refobjid
    JOIN pg_proc AS p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE q.oprcode END
    JOIN pg_roles AS o ON o.oid = p.proowner AND NOT o.rolsuper AND o.rolname <> current_user
    LIMIT 1;
    IF FOUND THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('the partition key of table %s, or of a partition, calls function %s', table_oid, called),
            HINT = format('trust it, and run guard as %I', (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = table_oid));
    END IF;
END
$function$;

-- Installs the guard on one column as the view guards describes it, or puts it in the place of
-- an outdated or disabled one. Under a lock: two at once take turns.
CREATE OR REPLACE FUNCTION seqguard.install_guard(
    table_oid regclass, column_name name, sequence_oid regclass, increment bigint,
    number_pattern text, guard_name name, guard_shape text, guard_function name, guard_arguments text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    ours boolean;
BEGIN
    PERFORM seqguard.lock_table(table_oid);
    IF (SELECT t.relkind = 'p' FROM pg_class AS t WHERE t.oid = table_oid) THEN
        PERFORM seqguard.require_key(table_oid);
    END IF;
    PERFORM seqguard.require_type(table_oid, column_name, guard_function);
    PERFORM seqguard.require_rights(table_oid, sequence_oid);
    SELECT seqguard.is_guard_function(t.tgfoid) INTO ours
    FROM pg_trigger AS t WHERE t.tgrelid = table_oid AND t.tgname = guard_name;
    IF ours THEN
        PERFORM seqguard.drop_guard(table_oid, guard_name);
    ELSIF FOUND THEN
        RAISE duplicate_object USING MESSAGE = format(
            'table %s already has a trigger %I that is not seqguard''s', table_oid, guard_name),
            HINT = format('DROP TRIGGER %I ON %s', guard_name, table_oid);
    END IF;
    IF guard_function <> 'advance' THEN
        PERFORM seqguard.ensure_fast_path(guard_function);
    END IF;
    PERFORM seqguard.let_partitions_be_made(table_oid);
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OF %I ON %s FOR EACH ROW WHEN (%s) '
                   'EXECUTE FUNCTION seqguard.%I(%s)',
        guard_name, column_name, table_oid,
        seqguard.guard_condition(column_name, sequence_oid, increment, number_pattern),
        guard_function, guard_arguments);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_oid, guard_name);
    EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', guard_name, table_oid, guard_shape);
    PERFORM seqguard.require_guard(table_oid, column_name, sequence_oid, guard_name, guard_shape);
END
$function$;

-- Guards the fed columns of a table, or one of them; drops what is stale on it.
-- Returns the columns newly guarded. Run seqguard.fix() after it has been committed.
CREATE OR REPLACE FUNCTION seqguard.guard(table_oid regclass, column_name name DEFAULT NULL)
RETURNS SETOF seqguard.guards
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $function$
DECLARE
    g seqguard.guards;
BEGIN
    PERFORM seqguard.drop_guard(s.table_oid, s.guard_name)
    FROM seqguard.stale_guards AS s WHERE s.table_oid = guard.table_oid;
    FOR g IN SELECT c.* FROM seqguard.guards AS c
             WHERE c.table_oid = guard.table_oid AND c.unguardable IS NULL AND c.state <> 'installed'
               AND (guard.column_name IS NULL OR c.column_name = guard.column_name) LOOP
        PERFORM seqguard.install_guard(g.table_oid, g.column_name, g.sequence_oid, g.increment,
                                       g.number_pattern, g.guard_name, g.guard_shape,
                                       g.guard_function, g.guard_arguments);
        RETURN NEXT g;
    END LOOP;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.drop_guard(table_oid regclass, guard_name name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format('DROP TRIGGER %I ON %s', guard_name, table_oid);
END
$function$;

-- Removes the guards of a table. Returns their names.
CREATE OR REPLACE FUNCTION seqguard.unguard(table_oid regclass) RETURNS SETOF name
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard name;
BEGIN
    FOR guard IN SELECT t.tgname FROM pg_trigger AS t
                 WHERE t.tgrelid = table_oid AND seqguard.is_guard_function(t.tgfoid)
                   AND t.tgparentid = 0 LOOP
        PERFORM seqguard.drop_guard(table_oid, guard);
        RETURN NEXT guard;
    END LOOP;
END
$function$;

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

-- Guards one column within a short lock timeout and says why it could not.
CREATE OR REPLACE FUNCTION seqguard.try_to_guard(g seqguard.guards) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    PERFORM seqguard.install_guard(g.table_oid, g.column_name, g.sequence_oid, g.increment,
                                   g.number_pattern, g.guard_name, g.guard_shape,
                                   g.guard_function, g.guard_arguments);
    RETURN NULL;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN 'locked';
    WHEN OTHERS THEN
        RETURN SQLERRM;
END
$function$;

CREATE OR REPLACE FUNCTION seqguard.try_to_drop_guard(table_oid regclass, guard_name name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
BEGIN
    PERFORM seqguard.drop_guard(table_oid, guard_name);
EXCEPTION
    WHEN OTHERS THEN
        PERFORM seqguard.warn(format('trigger %s on %s is of no more use but stays: %s', guard_name, table_oid, SQLERRM));
END
$function$;

-- What the statements of guard_all() depend on, until the end of the transaction.
CREATE OR REPLACE FUNCTION seqguard.pin() RETURNS void
LANGUAGE sql VOLATILE
AS $function$
    SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
           pg_catalog.set_config('standard_conforming_strings', 'on', true),
           pg_catalog.set_config('quote_all_identifiers', 'off', true)
$function$;

-- Guards every table, each column in its own transaction so that no lock is held for long,
-- and repairs what is behind. Cannot run inside a transaction block.
-- A procedure that commits takes no SET clause, hence pin(), again after each COMMIT, and qualified names.
CREATE OR REPLACE PROCEDURE seqguard.guard_all()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    todo seqguard.guards;
    problem pg_catalog.text;
    repaired record;
BEGIN
    PERFORM seqguard.pin();
    PERFORM seqguard.try_to_drop_guard(s.table_oid, s.guard_name) FROM seqguard.stale_guards AS s;
    COMMIT;
    PERFORM seqguard.pin();
    FOR todo IN SELECT g.* FROM seqguard.guards AS g
                WHERE g.unguardable IS NULL AND g.state OPERATOR(pg_catalog.<>) 'installed' LOOP
        FOR attempt IN 1 .. 3 LOOP
            problem := seqguard.try_to_guard(todo);
            COMMIT;
            PERFORM seqguard.pin();
            EXIT WHEN problem IS NULL OR problem OPERATOR(pg_catalog.<>) 'locked';
        END LOOP;
        IF problem IS NOT NULL THEN
            RAISE WARNING 'seqguard: table % is not guarded: %', todo."table", problem;
        END IF;
    END LOOP;
    FOR repaired IN SELECT f.* FROM seqguard.fix() AS f LOOP
        IF repaired.problem IS NOT NULL THEN
            RAISE WARNING 'seqguard: sequence % is %: %', repaired.sequence, repaired.status, repaired.problem;
        END IF;
    END LOOP;
END
$procedure$;

-- Nothing here is for everybody: a trigger fires without EXECUTE on its function.
REVOKE ALL ON SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA seqguard FROM PUBLIC;

-- Nor for those whom ALTER DEFAULT PRIVILEGES gives a part in whatever is made. What runs with the
-- caller's own rights may be granted afterwards, and stays granted while it is not made anew.
DO $do$
DECLARE
    takeback pg_catalog.text;
BEGIN
    FOR takeback IN
        SELECT pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %I', p.oid::pg_catalog.regprocedure, r.rolname)
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee AND r.oid <> p.proowner
        WHERE p.pronamespace = 'seqguard'::pg_catalog.regnamespace AND p.prosecdef
        UNION
        SELECT pg_catalog.format('REVOKE ALL ON TABLE %s FROM %I', c.oid::pg_catalog.regclass, r.rolname)
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee AND r.oid <> c.relowner
        WHERE c.relnamespace = 'seqguard'::pg_catalog.regnamespace AND c.relkind = 'r'
        UNION
        SELECT pg_catalog.format('REVOKE CREATE ON SCHEMA seqguard FROM %I', r.rolname)
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee AND r.oid <> n.nspowner
        WHERE n.nspname = 'seqguard' AND a.privilege_type = 'CREATE'
    LOOP
        EXECUTE takeback;
    END LOOP;
END
$do$;

DO $do$
BEGIN
    PERFORM seqguard.let_partitions_be_made(t.tgrelid)
    FROM pg_catalog.pg_trigger AS t WHERE t.tgparentid = 0 AND seqguard.is_guard_function(t.tgfoid);
END
$do$;

COMMIT;

-- Guard every table of this database. In one statement, so that a pooler cannot part the lock from
-- its release; two installers take turns here, too.
DO $do$
BEGIN
    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', '1min', true);
        PERFORM pg_catalog.pg_advisory_lock(8317985137926545);
    EXCEPTION
        WHEN lock_not_available THEN
            RAISE WARNING 'seqguard: somebody else has been installing for a minute: going on';
    END;
    CALL seqguard.guard_all();
    PERFORM pg_catalog.pg_advisory_unlock(8317985137926545);
END
$do$;

BEGIN;
DO $do$ BEGIN PERFORM seqguard.pin(); END $do$;
SELECT g."table", g."column", g.sequence, COALESCE(g.unguardable, g.state) AS guard
FROM seqguard.guards AS g
ORDER BY g."table", g."column";
COMMIT;
