"""The same examples on every run: what fails here fails for everybody, at once and again.

Without a limit on the single example, since the machine may be busy; each test has pytest's.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    database=None,
    # Fixtures give servers, which all examples of a test share on purpose.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("steady")
