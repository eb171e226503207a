-- Which visitors were erased, and when, so that a backup made before makes them no visitors again. Not their ids: the SHA-256 of the
-- deployment's id and the visitor's, by which only somebody is found who already knows the visitor's id.

CREATE TABLE erasures (
  visitor bytea NOT NULL,
  erased_at timestamptz(3) NOT NULL,
  PRIMARY KEY (visitor, erased_at)
);
