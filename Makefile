# make demo   the main job: two throwaway servers, live traffic, the whole upgrade, a report
# make test   all tests; fetches PostgreSQL servers of other majors first (.ci/servers), and says so where it can't
# make bench  every figure of speed, side by side with pg_dump, pgcopydb and pgbench (benches/README.md), in ten minutes
# All install the system packages that are missing (.ci/install says which) and build what they need.

# A toolchain that rustup has just installed is not on PATH before the next login.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO_TARGET_DIR ?= target
# Further arguments, as in: make demo ARGS="--rows 2000000 --format json"
ARGS ?=

.PHONY: demo test bench lint build install clean

demo: build
	@case "$(ARGS)" in *--green-version*) .ci/servers || true ;; esac
	@"$(CARGO_TARGET_DIR)/release/migrate" demo $(ARGS)

test: install
	@.ci/test $(ARGS)

bench:
	@.ci/bench $(ARGS)

lint: install
	@cargo fmt --all --check
	@cargo clippy --locked --all-targets -- -D warnings

build: install
	@cargo build --locked --release

install:
	@.ci/install

clean:
	@cargo clean
