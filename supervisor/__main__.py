"""`python -m supervisor`, the same as the command `scanonce`."""

from supervisor.cli.main import main

if __name__ == "__main__":
    main()
