#!/bin/sh
# The first start as the official image does it, as far as it is used here.
set -e
mkdir -p "$PGDATA"
chown postgres: "$PGDATA"
as_postgres="setpriv --reuid=postgres --regid=postgres --init-groups --"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  chmod 644 /tmp/password
  $as_postgres initdb --pgdata="$PGDATA" --username="$user" --pwfile=/tmp/password \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  [ "$database" = postgres ] || echo "CREATE DATABASE \"$database\"" | $as_postgres postgres --single -D "$PGDATA" postgres
fi
exec $as_postgres "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
