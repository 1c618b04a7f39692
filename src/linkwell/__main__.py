"""`python -m linkwell`: the program where its script is not on the path."""

from linkwell.cli import main

if __name__ == "__main__":
    main()
