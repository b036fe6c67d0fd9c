"""What stands first on the path of a rehearsed process; never imported by the rehearsal itself."""
