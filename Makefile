# make demo   the main job: two throwaway servers, live traffic, the whole upgrade, a report
# make test   all tests
# Both install the system packages that are missing (.ci/install says which) and build what they need.

# A toolchain that rustup has just installed is not on PATH before the next login.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO_TARGET_DIR ?= target
# Further arguments, as in: make demo ARGS="--rows 2000000 --format json"
ARGS ?=

.PHONY: demo test lint build install clean

demo: build
	@"$(CARGO_TARGET_DIR)/release/migrate" demo $(ARGS)

# cargo-nextest runs tests as .config/nextest.toml says; without it cargo's own runner does.
test: install
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --locked $(if $(CI),--profile ci) $(ARGS); \
	else \
		cargo test --locked $(if $(CI),--no-fail-fast) $(ARGS) -- --test-threads=3; \
	fi

lint: install
	@cargo fmt --all --check
	@cargo clippy --locked --all-targets -- -D warnings

build: install
	@cargo build --locked --release

install:
	@.ci/install

clean:
	@cargo clean
