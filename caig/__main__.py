"""``python -m caig`` is the console script ``caig``."""

from caig.cli import main

if __name__ == "__main__":
    main()
