"""The settings of imports of records from files."""

from __future__ import annotations

from pydantic import Field

from secvault.config.section import Section


class ImportSettings(Section):
    """What a file of records may be, and how it is imported."""

    max_bytes: int = Field(256 * 1024 * 1024, ge=1024, le=4 * 1024 * 1024 * 1024)
    max_rows: int = Field(1_048_576, ge=1, le=20_000_000)
    max_columns: int = Field(256, ge=1, le=16_384)
    max_cell: int = Field(100_000, ge=100, le=10_000_000)
    # Of a workbook: bytes that its parts unpack to, and how many times larger one may become.
    max_unpacked_bytes: int = Field(2 * 1024 * 1024 * 1024, ge=1024 * 1024, le=16 * 1024**3)
    max_unpacked_times: int = Field(300, ge=10, le=10_000)
    # Of the process that reads a file: its memory, and the seconds of a processor that it may take.
    reader_memory_mib: int = Field(2048, ge=256, le=65_536)
    reader_seconds: int = Field(3600, ge=1, le=86_400)
    # Records that are stored in one transaction.
    batch_rows: int = Field(500, ge=1, le=5_000)
    # After so many days a file that was not imported is forgotten.
    keep_days: int = Field(7, ge=1, le=90)
    # Files of one person or system that wait at one time.
    most_waiting: int = Field(10, ge=1, le=1_000)
