// The one place that knows which Catch2 this is: version 2.13, as Debian 12 packages it.
#pragma once

#include <catch2/catch.hpp>
