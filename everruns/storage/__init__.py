"""Where things are kept: one ``Store``, made of one part for each noun.

``agents.py``, ``sessions.py``, ``logs.py`` and so on say what each part promises, and ``store.py``
that a store has them all. Each way of keeping them is a folder with a file for each noun:

- ``memory``: dictionaries, for tests and for one process.
- ``sql``: tables. It knows no particular database; ``sql/database.py`` says what one must do.
- ``duckdb``: a file of DuckDB as that database: opening, repairing, copying, its errors.
- ``journal``: entries on disk in front of the database; ``data_directory`` opens all of these.

Where is an append stored? In the journal (``journal/logs.py`` judges it by ``append_rule.py``, and
``journal/file.py`` writes and syncs it), and then it is acknowledged. A moment later
``journal/applier.py`` puts it into the tables ``events`` and ``sessions`` (``sql/logs.py``), and
the journal drops it. Everything else is written to the database at once, apart from new sessions
without files, which go the way of appends. All reads come from the database; what the journal
still holds about a session gets there first (``WriteAhead.settled`` in ``journal/write_ahead.py``).
"""
