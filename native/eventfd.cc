// eventfd(2), non-blocking. Process-private by rule: a peer that shares one can clear its non-blocking flag and
// saturate it, and our write would block for ever.

#include <sys/eventfd.h>

#include "addon.h"

namespace tendon {

// createEventFd(initial): fd
static napi_value CreateEventFd(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  unsigned int initial = 0;
  if (!arguments.Integer(0, "initial", 0, UINT32_MAX, &initial)) return nullptr;
  Descriptor event(::eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return ThrowErrno(env, errno, "eventfd");
  return Give(env, std::move(event));
}

// signalEventFd(fd): false when the counter is saturated (it is signalled anyway)
static napi_value SignalEventFd(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  const uint64_t one = 1;
  if (::write(fd, &one, sizeof one) == sizeof one) return Bool(env, true);
  return errno == EAGAIN ? Bool(env, false) : ThrowErrno(env, errno, "write");
}

// drainEventFd(fd): the counter, which is zero from now on
static napi_value DrainEventFd(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  uint64_t value = 0;
  if (::read(fd, &value, sizeof value) == sizeof value) return Number(env, static_cast<double>(value));
  return errno == EAGAIN ? Int(env, 0) : ThrowErrno(env, errno, "read");
}

void RegisterEventFd(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"createEventFd", CreateEventFd},
          {"signalEventFd", SignalEventFd},
          {"drainEventFd", DrainEventFd}});
}

}  // namespace tendon
