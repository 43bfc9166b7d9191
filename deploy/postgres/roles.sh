#!/usr/bin/env bash
# The image of PostgreSQL runs this once, when its volume is empty.
set -euo pipefail
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set owner_password="$JIRAFLEET_OWNER_PASSWORD" --set app_password="$JIRAFLEET_APP_PASSWORD" \
    --file /jirafleet/roles.sql
