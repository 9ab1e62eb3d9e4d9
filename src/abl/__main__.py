"""`python -m abl`, for where the command is not on the path."""

from abl.cli import main

if __name__ == "__main__":
    main()
