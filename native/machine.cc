// sysconf(3) and sched_setaffinity(2): facts about the machine that Node does not tell.

#include <sched.h>

#include "addon.h"

namespace tendon {

constexpr size_t kMaxCpus = 8192;  // CONFIG_NR_CPUS of the largest kernels

// pageSize(): bytes
static napi_value PageSize(napi_env env, napi_callback_info) {
  return Number(env, static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

struct CpuSet {
  cpu_set_t words[kMaxCpus / CPU_SETSIZE] = {};
};

// getAffinity(tid): number[]; tid 0 is the calling thread
static napi_value GetAffinity(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  pid_t tid = 0;
  if (!arguments.Integer(0, "tid", 0, INT32_MAX, &tid)) return nullptr;
  CpuSet set;
  if (::sched_getaffinity(tid, sizeof set, set.words) != 0) return ThrowErrno(env, errno, "sched_getaffinity");
  napi_value result = nullptr;
  napi_create_array(env, &result);
  uint32_t count = 0;
  for (size_t cpu = 0; cpu < kMaxCpus; cpu++) {
    if (CPU_ISSET_S(cpu, sizeof set, set.words)) {
      napi_set_element(env, result, count++, Int(env, static_cast<int32_t>(cpu)));
    }
  }
  return result;
}

// setAffinity(tid, cpus)
static napi_value SetAffinity(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  pid_t tid = 0;
  uint32_t count = 0;
  CpuSet set;
  if (!arguments.Integer(0, "tid", 0, INT32_MAX, &tid)) return nullptr;
  if (napi_get_array_length(env, arguments[1], &count) != napi_ok || count == 0) {
    return ThrowArgument(env, "cpus", "an array of at least one cpu number");
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    double cpu = -1;
    if (napi_get_element(env, arguments[1], i, &element) != napi_ok ||
        napi_get_value_double(env, element, &cpu) != napi_ok || !(cpu >= 0) || !(cpu < kMaxCpus) ||
        cpu != std::trunc(cpu)) {
      return ThrowArgument(env, "cpus", "an array of cpu numbers");
    }
    CPU_SET_S(static_cast<size_t>(cpu), sizeof set, set.words);
  }
  if (::sched_setaffinity(tid, sizeof set, set.words) != 0) return ThrowErrno(env, errno, "sched_setaffinity");
  return Undefined(env);
}

void RegisterMachine(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"pageSize", PageSize}, {"getAffinity", GetAffinity}, {"setAffinity", SetAffinity}});
}

}  // namespace tendon
