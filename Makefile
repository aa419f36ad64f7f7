# The front doors: `make demo` shows what sqlitemem does, `make test` proves it.
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
# Warnings are errors where nobody reads them.
WERROR ?= $(if $(CI),ON,OFF)

# What a fresh Debian 12 lacks. Only these are installed, and only where they are missing.
PACKAGES := \
  g++ clang clang-tidy clang-format cmake ninja-build ccache pkg-config git \
  libsqlite3-dev zlib1g-dev libfmt-dev catch2 libbenchmark-dev \
  sqlite3 python3 valgrind \
  libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 \
  unicode-data bzip2 xz-utils

# What only continuous integration insists on, because it is large (22 MB): promtool, which checks
# metrics and alert rules, and the strict parser of OpenMetrics. Elsewhere these checks are skipped.
CI_PACKAGES := prometheus python3-prometheus-client

PRESETS := dev asan tsan clang release

.PHONY: help deps demo test programs bench lint format format-check install clean $(PRESETS)

help: ## This list
	@sed -nE 's/^([a-z -]+|\$$\(PRESETS\)):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | \
	  sed 's/$$(PRESETS)/$(PRESETS)/' | awk -F'|' '{printf "  make %-32s %s\n", $$1, $$2}'

demo: deps ## Load real data into SQLite on our allocators and look at it; under two minutes
	cmake --preset release -DSQLITEMEM_WERROR=$(WERROR) --log-level=NOTICE
	cmake --build --preset release -j $(JOBS) --target sqlitemem sqlitemem_preload
	@bash examples/demo/run.sh build/release

test: dev ## Every test, on the debug build with deep checks

$(PRESETS): deps ## Configure, build and test that preset
	cmake --preset $@ -DSQLITEMEM_WERROR=$(WERROR) -DSQLITEMEM_UNIT_TESTS=ON --log-level=NOTICE
	cmake --build --preset $@ -j $(JOBS)
	ctest --preset $@ -j $(JOBS)

# Where nobody waits for single files, a dozen are compiled at a time: in half of the time.
programs: deps ## The release build without unit tests, and the scripts that drive programs
	cmake --preset release -DSQLITEMEM_WERROR=$(WERROR) -DSQLITEMEM_UNIT_TESTS=OFF \
	  -DCMAKE_UNITY_BUILD=$(if $(CI),ON,OFF) -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 --log-level=NOTICE
	cmake --build --preset release -j $(JOBS)
	ctest --preset release -L script -j $(JOBS)

bench: deps ## Every benchmark, side by side; 15 minutes, or two with BENCH_OPTIONS=--quick
	cmake --preset release --log-level=NOTICE
	cmake --build --preset release -j $(JOBS)
	@bench/run_all.sh build/release $(BENCH_OPTIONS)

CXX_FILES = $(shell git ls-files '*.cpp' '*.h' '*.c')

# The analyzer gives up on a function after so many states. Batches let it follow calls from file to
# file, so that more functions come that far: a third of its default keeps it within minutes.
ANALYZER_STATES ?= 75000
ANALYZER := $(foreach word,-analyzer-config max-nodes=$(ANALYZER_STATES),\
  -extra-arg=-Xclang -extra-arg=$(word))

lint: deps ## Clang's thread-safety analysis and clang-tidy on what ships, and the house checks
	cmake --preset lint -DSQLITEMEM_WERROR=$(WERROR) --log-level=NOTICE
	cmake --build --preset lint -j $(JOBS) --target sqlitemem sqlitemem_preload sqlitemem_embedded
	bash cmake/analyzer_probe.sh build/UnifiedSource
	run-clang-tidy -quiet -p build/UnifiedSource -j $(JOBS) -checks=-bugprone-suspicious-include \
	  $(ANALYZER) '/(allocators|ext|examples)/.*\.(cpp|cxx)$$'
	bash tests/tidy.sh

format: deps ## Rewrite the sources in the house format
	clang-format -i $(CXX_FILES)

format-check: deps ## Name the lines that `make format` would change
	clang-format --dry-run --Werror $(CXX_FILES)

install: deps ## Install the release build (PREFIX=/usr/local, DESTDIR=)
	cmake --preset release -DCMAKE_INSTALL_PREFIX=$(or $(PREFIX),/usr/local) --log-level=NOTICE
	cmake --build --preset release -j $(JOBS) \
	  --target sqlitemem sqlitemem_preload sqlitemem_embedded
	cmake --install build/release

deps: ## Install the Debian packages that are missing; silent and offline if none is
	@bash cmake/deps.sh $(PACKAGES) $(if $(CI),$(CI_PACKAGES))

clean: ## Remove everything that was built
	rm -rf build
