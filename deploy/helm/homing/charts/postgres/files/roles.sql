-- Written by `make manifests`; not to be edited.
\getenv postgres POSTGRES_PASSWORD
\getenv homing_api API_PASSWORD
\getenv homing_reactor REACTOR_PASSWORD
\getenv homing_migrator MIGRATE_PASSWORD
BEGIN;
SELECT 'CREATE ROLE postgres' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres') \gexec
ALTER ROLE postgres LOGIN PASSWORD :'postgres';
SELECT 'CREATE ROLE homing_api' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'homing_api') \gexec
ALTER ROLE homing_api LOGIN PASSWORD :'homing_api';
SELECT 'CREATE ROLE homing_reactor' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'homing_reactor') \gexec
ALTER ROLE homing_reactor LOGIN PASSWORD :'homing_reactor';
SELECT 'CREATE ROLE homing_migrator' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'homing_migrator') \gexec
ALTER ROLE homing_migrator LOGIN PASSWORD :'homing_migrator';
COMMIT;
SELECT 'CREATE DATABASE homing OWNER homing_migrator' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'homing') \gexec
REVOKE ALL ON DATABASE homing FROM PUBLIC;
GRANT CONNECT ON DATABASE homing TO homing_api, homing_reactor;
