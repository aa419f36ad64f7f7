// The entry point of the test program; Catch2 itself is compiled here, once.
#define CATCH_CONFIG_MAIN  // NOLINT(readability-identifier-naming): the name is Catch2's.
#include "tests/support/catch.h"
