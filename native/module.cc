// Entry of the addon: per-environment state, and how failures reach JavaScript.

#include <uv.h>

#include <cstdio>

#include "addon.h"
#include "mapping.h"
#include "watcher.h"

namespace tendon {

State::State() : regions(std::make_shared<Regions>()) {}
State::~State() = default;

static void Fill(napi_env env, napi_value error, int number, const char* syscall) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  napi_set_named_property(env, error, "errno", value);
  napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, error, "syscall", value);
}

napi_value ThrowErrno(napi_env env, int error, const char* syscall) {
  char name[64];
  char reason[128];
  char text[256];
  // libuv's error numbers are negated errno on every Unix, and it names them without allocating.
  uv_err_name_r(-error, name, sizeof name);
  uv_strerror_r(-error, reason, sizeof reason);
  std::snprintf(text, sizeof text, "%s: %s, %s", name, reason, syscall);
  napi_value code = nullptr;
  napi_value message = nullptr;
  napi_value object = nullptr;
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
  if (napi_create_error(env, code, message, &object) == napi_ok) {
    Fill(env, object, error, syscall);
    napi_throw(env, object);
  }
  return nullptr;
}

napi_value ThrowArgument(napi_env env, const char* argument, const char* expected) {
  char text[256];
  std::snprintf(text, sizeof text, "%s must be %s", argument, expected);
  napi_value code = nullptr;
  napi_value message = nullptr;
  napi_value name = nullptr;
  napi_value object = nullptr;
  napi_create_string_utf8(env, "EINVAL", NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
  if (napi_create_type_error(env, code, message, &object) == napi_ok) {
    Fill(env, object, EINVAL, "arguments");
    napi_create_string_utf8(env, argument, NAPI_AUTO_LENGTH, &name);
    napi_set_named_property(env, object, "argument", name);
    napi_throw(env, object);
  }
  return nullptr;
}

static napi_value Initialise(napi_env env, napi_value exports) {
  auto state = std::make_unique<State>();
  const auto drop = [](napi_env, void* data, void*) { delete static_cast<State*>(data); };
  if (napi_set_instance_data(env, state.get(), drop, nullptr) != napi_ok) return nullptr;
  state.release();  // the environment owns it now
  RegisterDescriptor(env, exports);
  RegisterMemfd(env, exports);
  RegisterMapping(env, exports);
  RegisterOpenBeneath(env, exports);
  RegisterFutex(env, exports);
  RegisterEventFd(env, exports);
  RegisterClock(env, exports);
  RegisterWatcher(env, exports);
  RegisterUnixSocket(env, exports);
  RegisterFileLock(env, exports);
  RegisterPidfd(env, exports);
  RegisterMachine(env, exports);
  return exports;
}

}  // namespace tendon

NAPI_MODULE_INIT() { return tendon::Initialise(env, exports); }
