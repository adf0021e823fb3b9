"""``python -m workers.cli`` is ``freshet``."""

from workers.cli import main

if __name__ == "__main__":
    main()
