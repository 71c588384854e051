"""``python -m core`` is the command ``optiground``."""

from core.cli import main

raise SystemExit(main())
