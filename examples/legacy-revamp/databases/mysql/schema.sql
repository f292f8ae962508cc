-- The revamped platform: users, posts and likes, and some rows.
-- Run it with mysql or mariadb in database revamp_db, as often as you like.
--
-- Rows 1 to 4 came from the legacy platform: their source says sync_service, and they are not sent back.
-- Rows from 5 on are the revamped platform's own. ON DELETE CASCADE is on both sides: MySQL does not
-- write to its binlog what a cascade deletes.

CREATE TABLE IF NOT EXISTS revamp_users (
    id integer NOT NULL AUTO_INCREMENT,
    user_name varchar(50) NOT NULL,
    email_address varchar(100) NOT NULL,
    display_name varchar(100),
    mobile varchar(20),
    account_status enum ('Active', 'Inactive', 'Suspended') NOT NULL DEFAULT 'Active',
    source varchar(20) NOT NULL DEFAULT 'revamp',
    created_at timestamp(6) NOT NULL DEFAULT current_timestamp(6),
    updated_at timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
    PRIMARY KEY (id),
    UNIQUE KEY revamp_users_user_name (user_name),
    UNIQUE KEY revamp_users_email_address (email_address)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS revamp_posts (
    id integer NOT NULL AUTO_INCREMENT,
    author_id integer NOT NULL,
    title varchar(255) NOT NULL,
    content text,
    status enum ('Draft', 'Published', 'Archived') NOT NULL DEFAULT 'Draft',
    views integer NOT NULL DEFAULT 0,
    source varchar(20) NOT NULL DEFAULT 'revamp',
    created_at timestamp(6) NOT NULL DEFAULT current_timestamp(6),
    updated_at timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
    PRIMARY KEY (id),
    KEY revamp_posts_author_id (author_id),
    CONSTRAINT revamp_posts_author FOREIGN KEY (author_id) REFERENCES revamp_users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS revamp_likes (
    id integer NOT NULL AUTO_INCREMENT,
    user_id integer NOT NULL,
    post_id integer NOT NULL,
    reaction_type enum ('Like', 'Love', 'Wow', 'Sad', 'Angry') NOT NULL DEFAULT 'Like',
    source varchar(20) NOT NULL DEFAULT 'revamp',
    created_at timestamp(6) NOT NULL DEFAULT current_timestamp(6),
    PRIMARY KEY (id),
    UNIQUE KEY revamp_likes_user_post (user_id, post_id),
    KEY revamp_likes_post_id (post_id),
    CONSTRAINT revamp_likes_user FOREIGN KEY (user_id) REFERENCES revamp_users (id) ON DELETE CASCADE,
    CONSTRAINT revamp_likes_post FOREIGN KEY (post_id) REFERENCES revamp_posts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

INSERT IGNORE INTO revamp_users
    (id, user_name, email_address, display_name, mobile, account_status, source)
VALUES
    (1, 'ada', 'ada@example.com', 'Ada Lovelace', '+44 20 7946 0001', 'Active', 'sync_service'),
    (2, 'grace', 'grace@example.com', 'Grace Hopper', '+1 202 555 0102', 'Active', 'sync_service'),
    (3, 'alan', 'alan@example.com', 'Alan Turing', NULL, 'Inactive', 'sync_service'),
    (4, 'katherine', 'katherine@example.com', 'Katherine Johnson', '+1 202 555 0104', 'Suspended', 'sync_service'),
    (5, 'barbara', 'barbara@example.com', 'Barbara Liskov', '+1 202 555 0105', 'Active', 'revamp'),
    (6, 'edsger', 'edsger@example.com', 'Edsger Dijkstra', NULL, 'Inactive', 'revamp');

INSERT IGNORE INTO revamp_posts (id, author_id, title, content, status, views, source) VALUES
    (1, 1, 'Notes on the engine', 'It weaves algebraic patterns.', 'Published', 1843, 'sync_service'),
    (2, 2, 'A moth in the relay', 'First actual case of bug being found.', 'Published', 1947, 'sync_service'),
    (3, 3, 'Can machines think?', NULL, 'Draft', 0, 'sync_service'),
    (4, 5, 'What can stand for what', 'A subtype keeps its supertype''s promises.', 'Published', 1994, 'revamp'),
    (5, 6, 'On one statement', 'Considered harmful.', 'Archived', 1968, 'revamp');

INSERT IGNORE INTO revamp_likes (id, user_id, post_id, reaction_type, source) VALUES
    (1, 2, 1, 'Love', 'sync_service'),
    (2, 3, 1, 'Wow', 'sync_service'),
    (3, 1, 2, 'Like', 'sync_service'),
    (4, 6, 4, 'Love', 'revamp'),
    (5, 1, 4, 'Wow', 'revamp');
