"""Lists of sessions in PostgreSQL, whose pages and counts must not read the rows of all sessions.

DuckDB reads columns, and has none of this.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, select, true

from everruns.storage.sql.dialects import Text, is_duckdb
from everruns.storage.sql.lists import contains
from everruns.storage.sql.tables import sessions

# What is searched of each session, in lower case. It has a tenth of the bytes of the sessions.
session_texts = Table(
    "session_texts",
    MetaData(),
    Column("session_id", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

# A new database is made with this, and migration 0018 adds it to an older one: what has to change
# here is changed by a later migration.
LISTS = """
-- It has all that lists compare, so that it answers alone.
CREATE INDEX sessions_updated_ms ON sessions (updated_ms DESC, id DESC)
    INCLUDE (state, agent_id, end_user, created_ms);

-- For that, PostgreSQL must know soon that rows are settled.
ALTER TABLE sessions SET (autovacuum_vacuum_insert_scale_factor = 0.01);

CREATE TABLE session_texts (
    session_id text COLLATE "C" PRIMARY KEY,
    content text COLLATE "C" NOT NULL
);

-- A separator that nobody types keeps a text from being found across two fields.
CREATE FUNCTION searched_text(VARIADIC texts text[]) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN lower(array_to_string(texts, chr(31)) COLLATE everruns_search);

INSERT INTO session_texts SELECT id, searched_text(id, title, preview) FROM sessions;

CREATE FUNCTION keep_session_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM session_texts WHERE session_id = OLD.id;
    ELSE
        INSERT INTO session_texts (session_id, content)
        VALUES (NEW.id, searched_text(NEW.id, NEW.title, NEW.preview))
        ON CONFLICT (session_id) DO UPDATE SET content = excluded.content;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER session_texts_kept AFTER INSERT OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION keep_session_text();

-- Every append writes the preview again, and few change it.
CREATE TRIGGER session_texts_changed AFTER UPDATE OF title, preview ON sessions FOR EACH ROW
    WHEN ((OLD.title, OLD.preview) IS DISTINCT FROM (NEW.title, NEW.preview))
    EXECUTE FUNCTION keep_session_text();
"""


def has_text(connection: Connection, search: str | None) -> ColumnElement[bool]:
    """Return the condition that a session's id, title or preview contains a text."""
    c: Any = sessions.c
    if not search:
        return true()
    if is_duckdb(connection):
        return contains(search, c.id, c.title, c.preview)
    is_there = session_texts.c.content.contains(search.lower(), autoescape=True)
    return c.id.in_(select(session_texts.c.session_id).where(is_there))
