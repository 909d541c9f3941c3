// futex(2) on words of shared mappings.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "addon.h"

namespace tendon {

constexpr double kForeverNs = 9.0e18;  // 285 years: what a waiter without a time-out asks for
constexpr int64_t kSecondNs = 1000000000;

// futexWait(buffer, byteOffset, expected, timeoutNs): 0 woken, 1 the word differs, 2 timed out
static napi_value FutexWait(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  uint32_t* word = nullptr;
  int32_t expected = 0;
  double timeout_ns = 0;
  if (!arguments.Word(0, &word) || !arguments.Integer(2, "expected", INT32_MIN, INT32_MAX, &expected) ||
      !arguments.Integer(3, "timeoutNs", 0, kForeverNs, &timeout_ns)) {
    return nullptr;
  }
  // An absolute monotonic deadline (FUTEX_WAIT_BITSET), so that a signal in between does not lengthen the wait.
  struct timespec deadline;
  ::clock_gettime(CLOCK_MONOTONIC, &deadline);
  const int64_t wait_ns = static_cast<int64_t>(timeout_ns);
  deadline.tv_sec += wait_ns / kSecondNs;
  deadline.tv_nsec += wait_ns % kSecondNs;
  if (deadline.tv_nsec >= kSecondNs) {
    deadline.tv_sec += 1;
    deadline.tv_nsec -= kSecondNs;
  }
  for (;;) {
    const long result = ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET, static_cast<uint32_t>(expected), &deadline,
                                  nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result == 0) return Int(env, 0);
    if (errno == EAGAIN) return Int(env, 1);
    if (errno == ETIMEDOUT) return Int(env, 2);
    if (errno != EINTR) return ThrowErrno(env, errno, "futex");
  }
}

// futexWake(buffer, byteOffset, count): how many waiters woke
static napi_value FutexWake(napi_env env, napi_callback_info info) {
  Arguments<3> arguments(env, info);
  uint32_t* word = nullptr;
  int32_t count = 0;
  if (!arguments.Word(0, &word) || !arguments.Integer(2, "count", 0, INT32_MAX, &count)) return nullptr;
  const long woken = ::syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  if (woken < 0) return ThrowErrno(env, errno, "futex");
  return Int(env, static_cast<int32_t>(woken));
}

void RegisterFutex(napi_env env, napi_value exports) {
  Define(env, exports, {{"futexWait", FutexWait}, {"futexWake", FutexWake}});
}

}  // namespace tendon
