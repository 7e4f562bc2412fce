"""`python -m jaxpapers` is the same as `jaxpapers`."""

from jaxpapers.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
