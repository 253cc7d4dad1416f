"""`python -m homing`: the command line, as `homing up` starts its processes."""

from homing.cli import main

if __name__ == "__main__":
    main()
