// Marks the few functions that other objects may see.
#pragma once

#define SQLITEMEM_EXPORT extern "C" __attribute__((visibility("default")))
