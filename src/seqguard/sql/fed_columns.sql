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
WHERE s.relkind = 'S'
