-- The legacy platform: users, posts and likes, some rows, and a guard on every table.
-- Run it with psql -f, as often as you like. The rows bring their ids along, as
-- migrated rows do; the last line is what lets ordinary inserts follow them.

\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TABLE IF NOT EXISTS legacy_users (
    id serial PRIMARY KEY,
    username varchar(50) UNIQUE NOT NULL,
    email varchar(100) UNIQUE NOT NULL,
    full_name varchar(100),
    phone_number varchar(20),
    status varchar(20) DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'suspended')),
    source varchar(20) DEFAULT 'legacy' CHECK (source IN ('legacy', 'revamp', 'sync_service')),
    created_at timestamptz DEFAULT current_timestamp,
    updated_at timestamptz DEFAULT current_timestamp
);

CREATE TABLE IF NOT EXISTS legacy_posts (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES legacy_users (id) ON DELETE CASCADE,
    post_title varchar(255) NOT NULL,
    post_content text,
    post_status varchar(20) DEFAULT 'draft' CHECK (post_status IN ('draft', 'published', 'archived')),
    view_count integer DEFAULT 0,
    source varchar(20) DEFAULT 'legacy' CHECK (source IN ('legacy', 'revamp', 'sync_service')),
    created_at timestamptz DEFAULT current_timestamp,
    updated_at timestamptz DEFAULT current_timestamp
);

CREATE TABLE IF NOT EXISTS legacy_likes (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES legacy_users (id) ON DELETE CASCADE,
    post_id integer NOT NULL REFERENCES legacy_posts (id) ON DELETE CASCADE,
    like_type varchar(20) DEFAULT 'like' CHECK (like_type IN ('like', 'love', 'wow', 'sad', 'angry')),
    source varchar(20) DEFAULT 'legacy' CHECK (source IN ('legacy', 'revamp', 'sync_service')),
    created_at timestamptz DEFAULT current_timestamp,
    UNIQUE (user_id, post_id)
);

CREATE INDEX IF NOT EXISTS legacy_posts_user_id ON legacy_posts (user_id);
CREATE INDEX IF NOT EXISTS legacy_likes_post_id ON legacy_likes (post_id);

-- updated_at follows every UPDATE.
CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.updated_at := current_timestamp;
    RETURN NEW;
END
$function$;

DROP TRIGGER IF EXISTS touch_legacy_users ON legacy_users;
CREATE TRIGGER touch_legacy_users BEFORE UPDATE ON legacy_users
FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
DROP TRIGGER IF EXISTS touch_legacy_posts ON legacy_posts;
CREATE TRIGGER touch_legacy_posts BEFORE UPDATE ON legacy_posts
FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

SELECT NOT EXISTS (SELECT FROM legacy_users) AS is_new \gset
\if :is_new
INSERT INTO legacy_users (id, username, email, full_name, phone_number, status) VALUES
    (1, 'ada', 'ada@example.com', 'Ada Lovelace', '+44 20 7946 0001', 'active'),
    (2, 'grace', 'grace@example.com', 'Grace Hopper', '+1 202 555 0102', 'active'),
    (3, 'alan', 'alan@example.com', 'Alan Turing', NULL, 'inactive'),
    (4, 'katherine', 'katherine@example.com', 'Katherine Johnson', '+1 202 555 0104', 'suspended');

INSERT INTO legacy_posts (id, user_id, post_title, post_content, post_status, view_count) VALUES
    (1, 1, 'Notes on the engine', 'It weaves algebraic patterns.', 'published', 1843),
    (2, 2, 'A moth in the relay', 'First actual case of bug being found.', 'published', 1947),
    (3, 3, 'Can machines think?', NULL, 'draft', 0);

INSERT INTO legacy_likes (id, user_id, post_id, like_type) VALUES
    (1, 2, 1, 'love'),
    (2, 3, 1, 'wow'),
    (3, 1, 2, 'like');
\endif

\ir auto-sync-sequences.sql
