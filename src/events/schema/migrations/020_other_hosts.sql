-- What becomes of events of hosts that are none of a site's: counted, refused, or stored and left out of every figure.

ALTER TABLE declared_sites ADD COLUMN other_hosts text NOT NULL DEFAULT 'count'
  CHECK (other_hosts IN ('count', 'refuse', 'mark'));
UPDATE declared_sites SET other_hosts = 'refuse' WHERE only_hosts;
ALTER TABLE declared_sites DROP COLUMN only_hosts;
-- Nodes of the version before may run meanwhile, and read it.
ALTER TABLE declared_sites ADD COLUMN only_hosts boolean NOT NULL GENERATED ALWAYS AS (other_hosts = 'refuse') STORED;
