// The entry point of the test program; Catch2 itself is compiled here, once.
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.h"
