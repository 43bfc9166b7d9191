-- Run once by a superuser, in the database the owner will own: the extensions that need a superuser, and the two logins.
-- psql variables: owner_password, app_password (compose.dev.yaml hands them over; see roles.sh beside this file).

-- In template1 too, so that databases made for tests have them.
\connect template1
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

-- Owns the database and runs migrations. CREATEROLE: it makes the logins of tenants who query by SQL.
CREATE ROLE jirafleet_owner LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD :'owner_password';

-- What the processes log in as. Not the owner and not exempt from row security, or tenants would not be kept apart.
CREATE ROLE jirafleet LOGIN NOCREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS PASSWORD :'app_password';

CREATE DATABASE jirafleet OWNER jirafleet_owner TEMPLATE template1;
