"""Checks of everything that Freshet needs. See `workers.doctor.examine`."""
