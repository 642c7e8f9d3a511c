"""The dialer: ViciDial's MySQL or MariaDB database, described and read, never migrated."""
