from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Connection, text

from secvault.audit import AuditLog, Event
from secvault.audit.checkpoints import newest_checkpoint, sign_head
from secvault.audit.leaf import decode
from secvault.audit.verify import AuditReport, Problem, verify
from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.merkle import EMPTY_ROOT, leaf_hash, root_of
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store, open_store
from secvault.store.tables import audit_checkpoint
