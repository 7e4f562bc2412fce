# Each target is one line over a command that also works without make:
#   python3 .ci/environment.py EXTRAS COMMAND
# which makes .venv with those extras where it is missing and runs the command in it.
# Another Python: make test PYTHON=python3.12

CANDIDATES = python3 python3.13 python3.12 python3.11 python3.14 python
IS_FIT = -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1
FOUND = $(shell for p in $(if $(PYTHON),'$(PYTHON)',$(CANDIDATES)); do if "$$p" $(IS_FIT); then echo "$$p"; break; fi; done)
NOT_FOUND = $(if $(PYTHON),$(PYTHON) does not run as Python 3.11 or newer,no Python 3.11 or newer found; on Debian or Ubuntu: sudo apt install python3 python3-venv)
IN_ENVIRONMENT = '$(or $(FOUND),$(error $(NOT_FOUND)))' .ci/environment.py
NOT_SPECIAL = not acceptance and not gpu and not benchmark

.PHONY: help reproduce test check acceptance bench
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1 - /p' $(MAKEFILE_LIST)

reproduce: ## tables and figures of the papers, quick scale, into report/
	@$(IN_ENVIRONMENT) all jaxpapers reproduce --scale quick --output report

test: ## the tests, two at a time
	@$(IN_ENVIRONMENT) test pytest -n 2 --dist worksteal -m '$(NOT_SPECIAL)'

check: ## style and types
	@$(IN_ENVIRONMENT) dev ruff check . -- ruff format --check . -- pyright

acceptance: ## long statistical acceptance runs, printed; none to run (status 5) is no failure
	@$(IN_ENVIRONMENT) test pytest -m acceptance -s || test $$? -eq 5

bench: ## benchmarks against other packages
	@$(IN_ENVIRONMENT) bench python benchmarks/run.py
