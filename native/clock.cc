// clock_gettime(2) into a typed array: reading a clock allocates nothing.

#include <time.h>

#include "addon.h"

namespace tendon {

// Writes nanoseconds to target[index] of a Float64Array (exact below 2^53) or a BigInt64Array.
template <clockid_t kClock>
static napi_value ReadClock(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  int64_t index = 0;
  if (napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      (type != napi_float64_array && type != napi_bigint64_array)) {
    return ThrowArgument(env, "target", "a Float64Array or a BigInt64Array");
  }
  if (napi_get_value_int64(env, arguments[1], &index) != napi_ok || index < 0 ||
      static_cast<uint64_t>(index) >= length) {
    return ThrowArgument(env, "index", "an index of target");
  }
  struct timespec now;
  if (::clock_gettime(kClock, &now) != 0) return ThrowErrno(env, errno, "clock_gettime");
  const int64_t ns = static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
  if (type == napi_float64_array) {
    static_cast<double*>(data)[index] = static_cast<double>(ns);
  } else {
    static_cast<int64_t*>(data)[index] = ns;
  }
  return nullptr;
}

void RegisterClock(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"readMonotonic", ReadClock<CLOCK_MONOTONIC>}, {"readEpoch", ReadClock<CLOCK_REALTIME>}});
}

}  // namespace tendon
