"""Teaching by showing: lessons, heads fitted to them, and calibration."""
