"""Where questions are kept: SQLite in one file, or PostgreSQL for several servers; retention, export, deletion."""
