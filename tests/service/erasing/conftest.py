"""The office of these tests."""

from tests.service.erasing.office import office

__all__ = ["office"]
