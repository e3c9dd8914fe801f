from tests.support.pipeline import pipeline, sandbox

__all__ = ["pipeline", "sandbox"]  # fixtures
