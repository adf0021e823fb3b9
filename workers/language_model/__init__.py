"""Language models, behind an endpoint or in the process, for whichever role has a use for one."""
