"""The bus contract in Python: what two programs of bee share, and the only package that imports dbus_next."""
