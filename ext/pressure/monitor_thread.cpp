// Starts, wakes and ends the thread.
#include "ext/pressure/monitor_thread.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "allocators/config.h"
#include "ext/host/attach.h"
#include "ext/pressure/pressure_response.h"
#include "ext/pressure/pressure_watch.h"

namespace sqlitemem::ext {
namespace {

// Starting and ending are one at a time: who ends the thread waits for it with this in hand.
pthread_mutex_t lifecycle = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t wake;
pthread_t thread;
// Under the mutex.
bool is_ready = false, is_ended = false, must_end = false;
constinit std::atomic<bool> is_running{false};

bool is_wanted() noexcept { return option(&Config::monitor) != 0; }

/// false: it shall end.
bool sleep_for(std::uint64_t milliseconds) noexcept {
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  const std::uint64_t ns =
      static_cast<std::uint64_t>(until.tv_nsec) + milliseconds % 1000 * 1000000;
  until.tv_sec += static_cast<time_t>(milliseconds / 1000 + ns / 1'000'000'000);
  until.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  ::pthread_mutex_lock(&mutex);
  while (!must_end && ::pthread_cond_timedwait(&wake, &mutex, &until) == 0) {
  }
  const bool goes_on = !must_end;
  ::pthread_mutex_unlock(&mutex);
  return goes_on;
}

[[gnu::tls_model("initial-exec")]] constinit thread_local bool is_monitor = false;

extern "C" void* sqlitemem_monitor(void*) {
  is_monitor = true;
  while (sleep_for(sampling_pause_ms())) {
    sample_pressure_now();
    work_at_safe_point(nullptr);
  }
  return nullptr;
}

void make_condition() noexcept {
  pthread_condattr_t attributes;
  ::pthread_condattr_init(&attributes);
  ::pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  ::pthread_cond_init(&wake, &attributes);
  ::pthread_condattr_destroy(&attributes);
}

/// Under the mutex.
void prepare() noexcept {
  if (is_ready) return;
  is_ready = true;
  make_condition();
  ::pthread_atfork([] { ::pthread_mutex_lock(&mutex); }, [] { ::pthread_mutex_unlock(&mutex); },
                   [] {  // The thread is the parent's.
                     lifecycle = PTHREAD_MUTEX_INITIALIZER;
                     mutex = PTHREAD_MUTEX_INITIALIZER;
                     make_condition();
                     is_running.store(false);
                     must_end = false;
                   });
  std::atexit([] {
    ::pthread_mutex_lock(&mutex);
    is_ended = true;
    ::pthread_mutex_unlock(&mutex);
    follow_monitor_option();
  });
}

/// Under the mutex. No signal is delivered to it: handlers are the program's.
void start() noexcept {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  must_end = false;
  if (::pthread_create(&thread, nullptr, sqlitemem_monitor, nullptr) == 0) {
    ::pthread_setname_np(thread, "sqlitemem");
    is_running.store(true);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void follow_monitor_option() noexcept {
  if (is_monitor || (!is_wanted() && !is_running.load())) return;
  ::pthread_mutex_lock(&lifecycle);
  ::pthread_mutex_lock(&mutex);
  prepare();
  const bool runs = is_running.load(), shall_run = is_wanted() && !is_ended;
  if (shall_run && !runs) start();
  const bool ends = runs && !shall_run;
  if (ends) {
    must_end = true;
    ::pthread_cond_signal(&wake);
  }
  ::pthread_mutex_unlock(&mutex);
  if (ends) {
    ::pthread_join(thread, nullptr);
    is_running.store(false);
  }
  ::pthread_mutex_unlock(&lifecycle);
}

bool is_only_thread_of_program() noexcept {
  return !is_monitor && count_threads() == (is_running.load(std::memory_order_relaxed) ? 2 : 1);
}

}  // namespace sqlitemem::ext
