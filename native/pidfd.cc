// pidfd_open(2): a descriptor that becomes readable when a process ends, and that no recycled pid can confuse.

#include <sys/syscall.h>

#include "addon.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434  // the same on every processor: newer than the unified table
#endif

namespace tendon {

// openPidfd(pid): fd (the kernel sets close-on-exec itself)
static napi_value OpenPidfd(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int pid = 0;
  if (!arguments.Integer(0, "pid", 1, INT32_MAX, &pid)) return nullptr;
  Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return ThrowErrno(env, errno, "pidfd_open");
  return Give(env, std::move(process));
}

void RegisterPidfd(napi_env env, napi_value exports) {
  Define(env, exports, {{"openPidfd", OpenPidfd}});
}

}  // namespace tendon
