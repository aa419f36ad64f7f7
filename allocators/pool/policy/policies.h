// The eviction policies there are; adding one means adding it to this list.
#pragma once

#include <variant>

#include "allocators/pool/policy/arc.h"
#include "allocators/pool/policy/lru.h"
#include "allocators/pool/policy/s3_fifo.h"
#include "allocators/pool/policy/two_queue.h"

namespace sqlitemem {

/// The first is the default. An option that names one, the replayer and the tests follow.
using AnyPolicy = std::variant<S3Fifo, Lru, TwoQueue, Arc>;

}  // namespace sqlitemem
