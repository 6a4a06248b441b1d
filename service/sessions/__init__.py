"""The domain: sessions, their transactions and limits. No HTTP, no database, no threads of its own."""
